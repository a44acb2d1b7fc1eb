#include "engine_stage.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "net/socket.h"

namespace sideroute::test {

namespace {

// As in src/errors.ts, for the reasons that occur in tests; 503 for the others.
uint16_t StatusOf(Reason reason) {
  switch (reason) {
    case Reason::kUpstreamReset:
    case Reason::kUpstreamProtocol:
      return 502;
    case Reason::kConnectTimeout:
    case Reason::kTimeout:
      return 504;
    case Reason::kBadRequest:
      return 400;
    case Reason::kRequestTimeout:
      return 408;
    case Reason::kDownstreamReset:
      return 499;
    case Reason::kUriLimit:
      return 414;
    case Reason::kHeaderLimit:
      return 431;
    case Reason::kBadVersion:
      return 505;
    case Reason::kNotImplemented:
      return 501;
    case Reason::kInternal:
      return 500;
    default:
      return 503;
  }
}

int64_t RealMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
}

UniqueFd ListenOnLoopback(NetAddress* address) {
  int error = 0;
  const char* call = nullptr;
  UniqueFd fd = Listen(NetAddress::Parse("127.0.0.1", 0).value(), address, &error, &call);
  CHECK(static_cast<bool>(fd));
  return fd;
}

}  // namespace

bool ScriptedHost::Decide(int32_t, const http::RequestHead&, Decision* decided) {
  ++asked;
  *decided = decision;
  return works;
}

End::End(UniqueFd fd) : fd_(std::move(fd)) {}

void End::Send(std::string_view bytes) {
  CHECK(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
        static_cast<ssize_t>(bytes.size()));
}

size_t End::SendSome(std::string_view bytes) {
  const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

void End::SendUrgent(char byte) { CHECK(send(fd_.get(), &byte, 1, MSG_OOB | MSG_NOSIGNAL) == 1); }

void End::Finish() { shutdown(fd_.get(), SHUT_WR); }

void End::Reset() {
  ResetOnClose(fd_.get());
  fd_.Reset();
}

void End::Look() {
  char bytes[16 * 1024];
  while (fd_ && reads && !ended()) {
    const ssize_t length = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (length > 0) {
      received.append(bytes, static_cast<size_t>(length));
    } else if (length == 0) {
      fin = true;
    } else if (errno == EAGAIN) {
      return;
    } else {
      reset = true;
    }
  }
}

Stage::Stage(const EngineSettings& settings)
    : reactor_(loop.MakeReactor()),
      descriptors_(std::make_unique<DescriptorBudget>(nobody_)),
      memory_(std::make_unique<MemoryGuard>(*reactor_, nobody_)),
      linger_deadlines_(std::make_unique<DeadlineQueue>(*reactor_, 2'000)),
      lingering_(std::make_unique<ConnectionList>(*reactor_)),
      front_(ListenOnLoopback(&front_address_)),
      backend_(ListenOnLoopback(&backend_address_)),
      mirror_(ListenOnLoopback(&mirror_address_)) {
  engine = std::make_unique<HttpEngine>(*reactor_, own_dials_, *descriptors_, *memory_, host,
                                        *linger_deadlines_, *lingering_, settings);
  for (size_t i = 0; i < kReasonCount; ++i) {
    LocalReply reply;
    reply.status = StatusOf(static_cast<Reason>(i));
    reply.head = "HTTP/1.1 " + std::to_string(reply.status) + " No\r\nreason: ";
    reply.head += kReasonNames[i];
    reply.head += "\r\n";
    reply.grpc = "content-type: application/grpc\r\ngrpc-status: 4\r\n";
    reply.grpc_status = 4;
    reply.reason = static_cast<int32_t>(i);
    engine->SetReasonReply(static_cast<Reason>(i), engine->AddReply(std::move(reply)));
  }
  engine->backends().Set(0, {backend_address_});
  engine->backends().Set(1, {mirror_address_});
  host.decision.kind = DecisionKind::kForward;
  host.decision.backend = 0;
}

Stage::~Stage() {
  engine.reset();
  lingering_.reset();
  linger_deadlines_.reset();
  memory_.reset();
  reactor_.reset();
}

End& Stage::Connect(bool http2) {
  int error = 0;
  UniqueFd fd = StartConnect(front_address_, kDefaultHops, &error);
  pollfd waiting{front_.get(), POLLIN, 0};
  CHECK(::poll(&waiting, 1, 20'000) == 1);
  CHECK_EQ(engine->Adopt(UniqueFd(accept4(front_.get(), nullptr, nullptr, SOCK_CLOEXEC)), 0, backend_address_,
                         http2),
           0);
  return *ends_.emplace_back(std::make_unique<End>(std::move(fd)));
}

End& Stage::Arrive(std::string_view first) {
  struct Silent final : Watcher {
    void OnReady(uint32_t) override { CHECK(false); }
  };
  int error = 0;
  UniqueFd fd = StartConnect(front_address_, kDefaultHops, &error);
  pollfd waiting{front_.get(), POLLIN, 0};
  CHECK(::poll(&waiting, 1, 20'000) == 1);
  UniqueFd accepted(accept4(front_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  arrived_ = accepted.get();
  std::string read(first);
  Silent detection;
  reactor_->Enter([&] {
    reactor_->Enroll(&detection);
    engine->Take({.fd = std::move(accepted),
                  .watcher = detection,
                  .watched = false,
                  .first = read,
                  .destination = backend_address_,
                  .peer = {}});
  });
  return *ends_.emplace_back(std::make_unique<End>(std::move(fd)));
}

bool Stage::TellsOfArrival() const {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("tfd:") && std::atoi(line.c_str() + 4) == arrived_) return true;
    }
  }
  return false;
}

End& Stage::AcceptedAt(const UniqueFd& listener) {
  UniqueFd fd;
  CHECK(Until([&] {
    fd.Reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return static_cast<bool>(fd);
  }));
  return *ends_.emplace_back(std::make_unique<End>(std::move(fd)));
}

End* Stage::AcceptedAlready() {
  UniqueFd fd(accept4(backend_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return nullptr;
  return ends_.emplace_back(std::make_unique<End>(std::move(fd))).get();
}

Stage::Pair Stage::Exchange(std::string_view request) {
  End& client = Connect();
  client.Send(request);
  End& upstream = Accepted();
  CHECK(Receives(upstream, "\r\n\r\n"));
  return {client, upstream};
}

bool Stage::Until(const std::function<bool()>& condition) {
  const int64_t end_ms = RealMs() + 30'000;
  for (int round = 0; !condition(); ++round) {
    if (RealMs() > end_ms) return false;
    loop.Turn();
    for (const auto& end : ends_) end->Look();
    // The kernel delivers quickly, but not always at once on a busy machine.
    if (round > 20) ::poll(nullptr, 0, 1);
  }
  return true;
}

bool Stage::Receives(End& end, std::string_view text) {
  return Until([&end, text] { return end.received.find(text) != std::string::npos; });
}

bool Stage::Ends(End& end) {
  return Until([&end] { return end.ended(); });
}

bool Stage::Reports(size_t outcomes) {
  return Until([this, outcomes] { return host.outcomes.size() >= outcomes; });
}

void Stage::Settle() {
  for (int i = 0; i < 4; ++i) {
    loop.Turn();
    for (const auto& end : ends_) end->Look();
  }
}

void Stage::Pass(uint64_t ms) {
  Settle();
  loop.Pass(ms);
  Settle();
}

void Stage::SetPolicy(const Policy& policy) { host.decision.policy = engine->policies().Add(policy); }

void Stage::SetMirror() {
  MirrorGroup group(1);
  group[0].backend = 1;
  host.decision.mirrors = engine->mirror_groups().Add(group);
}

std::string_view Stage::LastReason() const {
  if (host.outcomes.empty() || host.outcomes.back().reason < 0) return {};
  return kReasonNames[static_cast<size_t>(host.outcomes.back().reason)];
}

}  // namespace sideroute::test
