#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "client.h"
#include "modes.h"

namespace bench {

namespace {

constexpr uint64_t kPatienceNs = 60'000'000'000;

// Whether a response arrives within a second.
bool IsAnswered(const Load& load) {
  const sideroute::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval second{.tv_sec = 1, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&load.to), sizeof load.to) < 0) return false;
  const Message& message = load.messages.front();
  const auto size = static_cast<ssize_t>(message.bytes.size());
  if (send(fd.get(), message.bytes.data(), message.bytes.size(), MSG_NOSIGNAL) != size) return false;
  ResponseReader reader;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t count = recv(fd.get(), buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    const int ended = reader.Take({buffer, static_cast<size_t>(count)});
    if (ended != 0) return ended > 0;
  }
}

}  // namespace

void RunHold(const Load& load) {
  const sideroute::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  std::vector<Client> clients(load.connections);
  for (size_t index = 0; index < clients.size(); ++index) {
    clients[index].Connect(load.to, epoll.get(), index);
    clients[index].Send(load.messages.front());
    // One after another: a thousand at once would overflow accept queues, which is not what is measured.
    for (Client::Progress progress = Client::Progress::kWaiting; progress != Client::Progress::kAnswered;) {
      epoll_event event;
      if (epoll_wait(epoll.get(), &event, 1, 60'000) != 1) Fail("a connection got no response");
      // A connection that was answered already may get another event.
      const Client::Progress proceeded = clients[event.data.u64].Proceed(false);
      if (proceeded == Client::Progress::kFailed)
        Fail("a connection failed, or what came was no response", errno);
      if (proceeded == Client::Progress::kEnded) Fail("a connection that should be held was closed");
      if (event.data.u64 == index) progress = proceeded;
    }
  }
  std::printf("{\"held\":%zu}\n", clients.size());
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

void RunReady(const Load& load) {
  const uint64_t deadline_ns = NowNs() + kPatienceNs;
  while (!IsAnswered(load)) {
    if (NowNs() > deadline_ns) Fail("no response within a minute");
    // Connecting fails at once while nobody listens.
    usleep(1000);
  }
  std::printf("{\"readyNs\":%" PRIu64 "}\n", NowNs());
}

}  // namespace bench
