// Own dials that come back, recognised by the addresses of the socket and by the mark of the SYN. On
// loopback.
#include "net/own_dials.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "net/socket.h"

namespace sideroute::test {
namespace {

struct Loopback {
  explicit Loopback(const char* host) {
    int error = 0;
    const char* call = nullptr;
    listener = Listen(NetAddress::Parse(host, 0).value(), &address, &error, &call);
    CHECK(static_cast<bool>(listener));
  }

  // The next connection, and where it comes from.
  UniqueFd Accept(NetAddress* peer) const {
    pollfd waiting{listener.get(), POLLIN, 0};
    CHECK(::poll(&waiting, 1, 10'000) == 1);
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    UniqueFd fd(accept4(listener.get(), reinterpret_cast<sockaddr*>(&storage), &length, SOCK_CLOEXEC));
    CHECK(static_cast<bool>(fd));
    *peer = NetAddress::FromSockaddr(storage).value_or(NetAddress());
    return fd;
  }

  UniqueFd listener;
  NetAddress address;
};

TEST("a dial of ours that is accepted is suspected while its socket is open, another one is not") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const Loopback server(host);
    OwnDials dials;
    int error = 0;
    UniqueFd ours = dials.Dial(server.address, &error);
    CHECK(static_cast<bool>(ours));
    NetAddress peer;
    const UniqueFd accepted = server.Accept(&peer);
    CHECK(dials.Suspect(peer, server.address));
    CHECK(!dials.Suspect(peer, server.address.WithPort(1)));
    CHECK(dials.Suspect(peer, server.address));

    const UniqueFd foreign = StartConnect(server.address, kDefaultHops, &error);
    NetAddress other;
    const UniqueFd accepted_other = server.Accept(&other);
    CHECK(!dials.Suspect(other, server.address));

    // The number is used for something else, so it is not a dial.
    const int number = ours.get();
    ours.Reset();
    auto [reader, writer] = MakePipe();
    CHECK(reader.get() == number || writer.get() == number);
    CHECK(!dials.Suspect(peer, server.address));
  }
}

TEST("what other threads have just dialled is suspected, however soon it is accepted") {
  constexpr int kDials = 200;
  const Loopback server("127.0.0.1");
  OwnDials dials;
  dials.Share();
  std::array<std::vector<UniqueFd>, 3> ours;
  std::vector<std::thread> threads;
  for (auto& of_thread : ours) {
    threads.emplace_back([&] {
      int error = 0;
      for (int i = 0; i < kDials; ++i) of_thread.push_back(dials.Dial(server.address, &error));
    });
  }
  size_t suspected = 0;
  for (size_t i = 0; i < ours.size() * kDials; ++i) {
    NetAddress peer;
    const UniqueFd accepted = server.Accept(&peer);
    const bool at_once = dials.Suspect(peer, server.address);
    if (at_once || (dials.MayBeNews() && dials.Suspect(peer, server.address))) ++suspected;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(suspected, ours.size() * kDials);
}

TEST("dials are marked from the first suspicion on, and the mark counts how often they were captured") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const Loopback server(host);
    SaveSyns(server.listener.get());
    OwnDials dials;
    int error = 0;
    NetAddress peer;
    {
      const UniqueFd ours = dials.Dial(server.address, &error);
      const UniqueFd accepted = server.Accept(&peer);
      CHECK_EQ(OwnDials::CapturesBefore(accepted.get()), -1);
    }
    dials.Mark();
    for (int captures = 0; captures <= OwnDials::kMostCaptures; ++captures) {
      const UniqueFd ours = dials.Dial(server.address, &error, captures);
      const UniqueFd accepted = server.Accept(&peer);
      CHECK_EQ(OwnDials::CapturesBefore(accepted.get()), captures);
      CHECK(dials.Suspect(peer, server.address));
    }
    const UniqueFd foreign = StartConnect(server.address, kDefaultHops, &error);
    const UniqueFd accepted = server.Accept(&peer);
    CHECK_EQ(OwnDials::CapturesBefore(accepted.get()), -1);
  }
}

}  // namespace
}  // namespace sideroute::test
