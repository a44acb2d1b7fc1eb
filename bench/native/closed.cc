#include <sys/epoll.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "client.h"
#include "modes.h"

namespace bench {

void RunClosed(const Load& load) {
  const sideroute::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  std::vector<Client> clients(load.connections);
  size_t next = 0;
  auto send = [&](Client& client) { client.Send(load.messages[next++ % load.messages.size()]); };
  for (size_t index = 0; index < clients.size(); ++index) {
    clients[index].Connect(load.to, epoll.get(), index);
    send(clients[index]);
  }
  const uint64_t started_ns = NowNs();
  const uint64_t deadline_ns = started_ns + load.milliseconds * uint64_t{1'000'000};
  epoll_event events[256];
  while (NowNs() < deadline_ns) {
    const int count = epoll_wait(epoll.get(), events, 256, 100);
    if (count < 0 && errno != EINTR) Fail("epoll_wait", errno);
    for (int at = 0; at < count; ++at) {
      Client& client = clients[events[at].data.u64];
      const Client::Progress progress = client.Proceed(load.is_closing);
      if (progress == Client::Progress::kFailed)
        Fail("a connection failed, or what came was no response", errno);
      if (progress == Client::Progress::kWaiting) continue;
      if (progress == Client::Progress::kEnded) client.Connect(load.to, epoll.get(), events[at].data.u64);
      send(client);
    }
  }
  uint64_t responses = 0;
  for (const Client& client : clients) responses += client.responses;
  std::printf("{\"requests\":%" PRIu64 ",\"seconds\":%.6f}\n", responses,
              static_cast<double>(NowNs() - started_ns) / 1e9);
}

}  // namespace bench
