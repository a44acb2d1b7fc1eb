#include "upstream/upstream_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "engine/http_engine.h"
#include "net/state_records.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

UpstreamConnection::UpstreamConnection(EngineContext& context, Endpoint& endpoint)
    : StreamSocket(context.reactor, context.blocks, context.scratch),
      context_(context),
      endpoint_(endpoint),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      idle_ms_(context.settings.upstream_idle_ms),
      retire_ms_(context.wheel.now_ms() + context.Jitter(context.settings.upstream_max_age_ms)),
      idle_timer_(context.wheel, this) {}

int UpstreamConnection::Dial(UpstreamUser* user) {
  int error = 0;
  UniqueFd fd = context_.own_dials.Dial(endpoint_.address, &error);
  // What only waits gives way to what is needed now.
  while ((error == -EMFILE || error == -ENFILE) && context_.engine.CloseIdleUpstream()) {
    fd = context_.own_dials.Dial(endpoint_.address, &error);
  }
  if (error == 0) error = Open(std::move(fd));
  if (error != 0) return error;
  Lend(user);
  return 0;
}

void UpstreamConnection::Lend(UpstreamUser* user) {
  user_ = user;
  idle_timer_.Cancel();
  ++requests_;
  if (!connecting_) ++endpoint_.requests;
}

void UpstreamConnection::SetConnected() {
  if (connecting_) {
    --endpoint_.connecting;
    ++endpoint_.requests;
    endpoint_.backend.OnConnected();
  }
  connecting_ = false;
}

void UpstreamConnection::CountConnectFailure() {
  ++context_.counters.upstream_connect_failures;
  ++endpoint_.connect_failures;
  endpoint_.backend.OnDialFailed();
}

bool UpstreamConnection::fit() const {
  return requests_ < context_.settings.upstream_max_requests && context_.wheel.now_ms() < retire_ms_ &&
         !write_ended();
}

void UpstreamConnection::BecomeIdle() {
  user_ = nullptr;
  idle_since_ms_ = context_.wheel.now_ms();
  idle_timer_.ArmAfter(idle_ms_);
}

bool UpstreamConnection::IsConnected() const {
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd(), reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

void UpstreamConnection::OnEvent() {
  if (user_ != nullptr) {
    user_->OnUpstreamEvent();
    return;
  }
  // SAFETY 91: whatever an idle connection says, it is not the answer to the next request.
  if (readable()) {
    ++context_.counters.upstream_stale;
    endpoint_.backend.Close(*this);
  }
}

void UpstreamConnection::OnIdleTimer() {
  if (user_ == nullptr) endpoint_.backend.Close(*this);
}

void UpstreamConnection::Describe(StateRecords& records) const {
  enum class State : uint8_t { kActive, kIdle, kConnecting };
  const uint64_t now_ms = context_.wheel.now_ms();
  State state = linked() ? State::kIdle : State::kActive;
  if (connecting_) state = State::kConnecting;
  records.Count(number_);
  records.Number(endpoint_.backend.id());
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(state == State::kIdle ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(requests_);
  records.Address(endpoint_.address);
  records.Socket(fd());
}

}  // namespace sideroute
