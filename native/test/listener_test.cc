// A listener on loopback: how often it asks the kernel for a connection.
#include "net/listener.h"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "net/socket.h"
#include "scripted_loop.h"

namespace sideroute::test {
namespace {

struct Host final : ListenerHost {
  void OnAcceptable(Listener& listener, int most) override {
    ++called;
    for (int i = 0; i < most; ++i) {
      int error = 0;
      NetAddress peer;
      UniqueFd fd = listener.Accept(&peer, &error);
      if (error == -EAGAIN) {
        ++in_vain;
        return;
      }
      accepted.push_back(std::move(fd));
    }
  }

  int called = 0;
  int in_vain = 0;
  std::vector<UniqueFd> accepted;
};

struct Ear final : Watcher {
  void OnReady(uint32_t) override {}
};

struct Rig {
  Rig() : reactor(loop.MakeReactor()) {
    int error = 0;
    const char* call = nullptr;
    UniqueFd fd = Listen(NetAddress::Parse("127.0.0.1", 0).value(), &address, &error, &call);
    listener = std::make_unique<Listener>(*reactor, own_dials, host, std::move(fd), address);
    CHECK_EQ(listener->Start(), 0);
  }
  void Dial() {
    int error = 0;
    dialled.push_back(StartConnect(address, kDefaultHops, &error));
    CHECK_EQ(error, 0);
  }

  ScriptedLoop loop;
  std::unique_ptr<Reactor> reactor;
  OwnDials own_dials;
  Host host;
  NetAddress address;
  std::unique_ptr<Listener> listener;
  std::vector<UniqueFd> dialled;
};

TEST("connections that come one by one are accepted with one call each") {
  Rig rig;
  const auto [mine, other] = MakeSocketPair();
  Ear ear;
  CHECK_EQ(rig.reactor->Watch(mine.get(), EPOLLIN, &ear), 0);
  for (size_t i = 1; i <= 20; ++i) {
    rig.Dial();
    rig.loop.Turns(3);
    CHECK_EQ(rig.host.accepted.size(), i);
    // What the connection sends is a turn of its own.
    CHECK(write(other.get(), "x", 1) == 1);
    rig.loop.Turns(3);
  }
  CHECK_EQ(rig.host.called, 20);
  CHECK_EQ(rig.host.in_vain, 0);
  CHECK(rig.loop.waited());
  rig.reactor->Unwatch(mine.get(), &ear);
}

TEST("where nothing happens in between it is hardly ever looked for a second one") {
  Rig rig;
  for (size_t i = 1; i <= 500; ++i) {
    rig.Dial();
    rig.loop.Turns(3);
    CHECK_EQ(rig.host.accepted.size(), i);
  }
  CHECK(rig.host.in_vain <= 15);
}

TEST("a backlog is accepted in more and more at a time, and what comes by itself after that alone again") {
  Rig rig;
  for (int i = 0; i < 300; ++i) rig.Dial();
  rig.loop.Turns(20);
  CHECK_EQ(rig.host.accepted.size(), 300u);
  // 1, 2, 4 and so on up to 64.
  CHECK(rig.host.called <= 11);
  CHECK(rig.host.in_vain <= 1);
  const int in_vain = rig.host.in_vain;
  rig.Dial();
  rig.loop.Turns(3);
  CHECK_EQ(rig.host.accepted.size(), 301u);
  CHECK_EQ(rig.host.in_vain, in_vain);
}

TEST("of who waits while it is not watched nobody hears until it is") {
  Rig rig;
  rig.listener->SetWatched(false);
  rig.Dial();
  rig.loop.Turns(5);
  CHECK_EQ(rig.host.called, 0);
  CHECK(rig.loop.waited());
  rig.listener->SetWatched(true);
  rig.loop.Turns(3);
  CHECK_EQ(rig.host.accepted.size(), 1u);
}

}  // namespace
}  // namespace sideroute::test
