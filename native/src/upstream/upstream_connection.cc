#include "upstream/upstream_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/state_records.h"
#include "upstream/backends.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

UpstreamConnection::UpstreamConnection(EngineContext& context, Endpoint& endpoint)
    : context_(context),
      endpoint_(endpoint),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      retire_ms_(context.wheel.now_ms() + context.Jitter(context.settings.upstream_max_age_ms)),
      idle_timer_(context.wheel, this),
      stream_(context, *this) {}

int UpstreamConnection::Dial(StreamUser* user) {
  int error = 0;
  UniqueFd fd = context_.own_dials.Dial(endpoint_.address, &error);
  // What only waits gives way to what is needed now.
  while ((error == -EMFILE || error == -ENFILE) && context_.backends.CloseOneIdle()) {
    fd = context_.own_dials.Dial(endpoint_.address, &error);
  }
  if (error == 0) error = stream_.Open(std::move(fd));
  if (error != 0) return error;
  Lend(user);
  return 0;
}

void UpstreamConnection::Lend(StreamUser* user) {
  idle_ = false;
  idle_timer_.Cancel();
  ++requests_;
  if (!connecting()) ++endpoint_.requests;
  stream_.Lend(user, requests_ > 1);
}

void UpstreamConnection::OnStands() {
  --endpoint_.connecting;
  ++endpoint_.requests;
  endpoint_.backend.OnConnected();
}

void UpstreamConnection::CountConnectFailure() {
  ++context_.counters.upstream_connect_failures;
  ++endpoint_.connect_failures;
  endpoint_.backend.OnDialFailed();
}

bool UpstreamConnection::fit() const {
  return requests_ < context_.settings.upstream_max_requests && context_.wheel.now_ms() < retire_ms_ &&
         !stream_.send_ended();
}

void UpstreamConnection::BecomeIdle() {
  stream_.TakeBack();
  idle_ = true;
  idle_since_ms_ = context_.wheel.now_ms();
  const uint32_t announced_ms = stream_.announced_idle_ms();
  const uint32_t most_ms = context_.settings.upstream_idle_ms;
  idle_timer_.ArmAfter(announced_ms == 0 ? most_ms : std::min(most_ms, announced_ms));
}

void UpstreamConnection::Close(bool reset) {
  // It lives on until the batch ends, where its timer may be due.
  idle_ = false;
  idle_timer_.Cancel();
  stream_.TakeBack();
  stream_.Close(reset);
}

void UpstreamConnection::OnIdleEvent() {
  ++context_.counters.upstream_stale;
  endpoint_.backend.Close(*this);
}

void UpstreamConnection::OnIdleTimer() {
  if (idle_) endpoint_.backend.Close(*this);
}

void UpstreamConnection::Describe(StateRecords& records) const {
  enum class State : uint8_t { kActive, kIdle, kConnecting };
  const uint64_t now_ms = context_.wheel.now_ms();
  State state = linked() ? State::kIdle : State::kActive;
  if (connecting()) state = State::kConnecting;
  records.Count(number_);
  records.Number(endpoint_.backend.id());
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(state == State::kIdle ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(requests_);
  records.Address(endpoint_.address);
  records.Socket(stream_.descriptor());
}

}  // namespace sideroute
