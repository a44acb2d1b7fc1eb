// Tunnels between sockets on loopback whose other ends the test holds: urgent bytes, at which splice(2)
// stops.
#include "accept/passthrough.h"

#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.h"
#include "net/descriptor_budget.h"
#include "net/socket.h"
#include "nobody.h"
#include "scripted_loop.h"

namespace sideroute::test {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// Bytes that differ, so that none can be missing, or stand elsewhere, unnoticed.
std::string Pattern(size_t length) {
  std::string bytes(length, '\0');
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>('a' + i * 31 % 23 + i / 4096 % 3);
  return bytes;
}

// One end of the tunnel, which reads as a program does that knows of urgent bytes.
class Peer {
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {}

  void Queue(std::string_view bytes, char urgent = '\0') {
    pending_ += bytes;
    if (urgent == '\0') return;
    marks_.push_back(pending_.size());
    pending_ += urgent;
  }
  void Finish() { finishes_ = true; }

  void Turn() {
    while (!pending_.empty()) {
      const bool at_mark = !marks_.empty() && marks_.front() == 0;
      const size_t length = marks_.empty() ? pending_.size() : at_mark ? 1 : marks_.front();
      const ssize_t sent =
          send(fd_.get(), pending_.data(), length, MSG_NOSIGNAL | MSG_DONTWAIT | (at_mark ? MSG_OOB : 0));
      if (sent < 0) break;
      pending_.erase(0, static_cast<size_t>(sent));
      if (at_mark) marks_.erase(marks_.begin());
      for (size_t& mark : marks_) mark -= at_mark ? 1 : static_cast<size_t>(sent);
    }
    if (finishes_ && pending_.empty()) {
      finishes_ = false;
      shutdown(fd_.get(), SHUT_WR);
    }
    while (reads && !fin) {
      char urgent = '\0';
      if (sockatmark(fd_.get()) == 1 && recv(fd_.get(), &urgent, 1, MSG_OOB | MSG_DONTWAIT) == 1) {
        received += '<';
        received += urgent;
        received += '>';
      }
      char bytes[16 * 1024];
      const ssize_t length = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (length < 0) break;
      if (length == 0) fin = true;
      received.append(bytes, static_cast<size_t>(length));
    }
  }

  std::string received;
  bool fin = false;
  bool reads = true;

 private:
  UniqueFd fd_;
  std::string pending_;
  // Where in it urgent bytes stand.
  std::vector<size_t> marks_;
  bool finishes_ = false;
};

class Rig final : public PassthroughHost {
 public:
  Rig()
      : reactor_(loop_.MakeReactor()),
        descriptors_(nobody_),
        pipes_(descriptors_, 4),
        detect_(*reactor_, 1'000),
        connect_(*reactor_, 1'000),
        retry_(*reactor_, 20),
        context_{*reactor_, own_dials_, nobody_, pipes_, detect_, connect_, retry_} {
    NetAddress front, back;
    const UniqueFd front_listener = ListenAt(&front), back_listener = ListenAt(&back);
    int error = 0;
    client.emplace(StartConnect(front, kDefaultHops, &error));
    tunnel_ = std::make_unique<Passthrough>(context_, *this, bytes, Accept(front_listener), back,
                                            ConnectionReason::kUnrouted);
    tunnel_->Dial(0);
    server.emplace(Accept(back_listener));
  }
  ~Rig() {
    if (open_) tunnel_->Abandon();
  }

  bool Until(const std::function<bool()>& condition) {
    // Of a tunnel that stands still nothing comes, however often it is looked at.
    for (int round = 0; round < 10'000; ++round) {
      if (condition()) return true;
      Turn();
      if (round > 2'000) ::poll(nullptr, 0, 1);
    }
    return false;
  }
  void Turn() {
    loop_.Turn();
    client->Turn();
    server->Turn();
  }

  bool Idle() {
    loop_.Turn();
    return loop_.waited();
  }
  size_t held() const { return context_.kept_bytes; }

  std::optional<Peer> client, server;
  PassthroughBytes bytes;
  bool ended = false;

 private:
  static UniqueFd ListenAt(NetAddress* address) {
    int error = 0;
    const char* call = nullptr;
    return Listen(NetAddress::Parse("127.0.0.1", 0).value(), address, &error, &call);
  }
  static UniqueFd Accept(const UniqueFd& listener) {
    pollfd waiting{listener.get(), POLLIN, 0};
    CHECK(::poll(&waiting, 1, 20'000) == 1);
    return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }

  void OnTunnelDecided(ConnectionReason) override {}
  void OnTunnelClosed(Passthrough*, int error) override {
    CHECK_EQ(error, 0);
    open_ = false;
    ended = true;
  }
  void OnTunnelAbandoned(const Passthrough&) override { open_ = false; }

  ScriptedLoop loop_;
  std::unique_ptr<Reactor> reactor_;
  Nobody nobody_;
  DescriptorBudget descriptors_;
  OwnDials own_dials_;
  PipePool pipes_;
  DeadlineQueue detect_, connect_, retry_;
  ConnectionContext context_;
  std::unique_ptr<Passthrough> tunnel_;
  bool open_ = true;
};

TEST("an urgent byte goes through a tunnel as one, at its place, and what follows it goes on, both ways") {
  for (const bool up : {true, false}) {
    Rig rig;
    Peer& from = up ? *rig.client : *rig.server;
    Peer& to = up ? *rig.server : *rig.client;
    from.Queue("before", '!');
    CHECK(rig.Until([&] { return to.received == "before<!>"; }));
    from.Queue("after");
    CHECK(rig.Until([&] { return to.received == "before<!>after"; }));
    from.Queue("", '?');
    from.Queue("end");
    CHECK(rig.Until([&] { return to.received == "before<!>after<?>end"; }));
    to.Queue("answer");
    CHECK(rig.Until([&] { return from.received == "answer"; }));
    CHECK_EQ(up ? rig.bytes.upstream : rig.bytes.downstream, 16u);
    CHECK_EQ(rig.held(), 0u);
    CHECK(rig.Idle());
  }
}

TEST("behind an urgent byte with a FIN at once there is an end, and not before what stands between") {
  for (const std::string_view behind : {"", "behind"}) {
    Rig rig;
    rig.client->Queue("before", '!');
    rig.client->Queue(behind);
    rig.client->Finish();
    // All of it has come before the tunnel looks.
    rig.client->Turn();
    CHECK(rig.Until([&] { return rig.server->fin; }));
    CHECK_EQ(rig.server->received, "before<!>" + std::string(behind));
    rig.server->Finish();
    CHECK(rig.Until([&] { return rig.ended; }));
  }
}

TEST("an urgent byte waits behind what its receiver does not take, and costs nothing meanwhile") {
  Rig rig;
  const std::string before = Pattern(16 * kMiB), after = Pattern(kMiB);
  rig.server->reads = false;
  rig.client->Queue(before, '!');
  rig.client->Queue(after);
  for (int i = 0; i < 200; ++i) rig.Turn();
  CHECK(rig.Idle());
  rig.server->reads = true;
  CHECK(rig.Until([&] { return rig.server->received.size() == before.size() + 3 + after.size(); }));
  CHECK(rig.server->received == before + "<!>" + after);
}

}  // namespace
}  // namespace sideroute::test
