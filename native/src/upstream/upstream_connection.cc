#include "upstream/upstream_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/own_dials.h"
#include "net/pipe_pool.h"
#include "net/state_records.h"
#include "net/unique_fd.h"
#include "upstream/backends.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

UpstreamConnection::UpstreamConnection(EngineContext& context, Endpoint& endpoint, Protocol protocol,
                                       uint32_t limit)
    : context_(context),
      endpoint_(endpoint),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      retire_ms_(context.wheel.now_ms() + context.Jitter(protocol == Protocol::kHttp1
                                                             ? context.settings.upstream_max_age_ms
                                                             : context.settings.shared_max_age_ms)),
      limit_(limit),
      // Varied, because connections that began together would otherwise end together.
      most_requests_(protocol == Protocol::kHttp1 ? context.settings.upstream_max_requests
                                                  : context.Jitter(context.settings.shared_max_requests)),
      protocol_(protocol),
      idle_timer_(context.wheel, this) {}

int UpstreamConnection::Dial() {
  int error = 0;
  UniqueFd fd = context_.own_dials.Dial(endpoint_.address, &error);
  // Idle pipes and connections are closed in favour of a dial that is needed now.
  if (error == -EMFILE || error == -ENFILE) {
    context_.pipes->Trim();
    fd = context_.own_dials.Dial(endpoint_.address, &error);
  }
  while ((error == -EMFILE || error == -ENFILE) && context_.backends.CloseOneIdle()) {
    fd = context_.own_dials.Dial(endpoint_.address, &error);
  }
  return error == 0 ? Open(std::move(fd)) : error;
}

// Hot path.
UpstreamStream* UpstreamConnection::Lend(StreamUser& user, bool careful) {
  UpstreamStream* stream = BeginStream(user, careful);
  if (stream == nullptr) return nullptr;
  idle_timer_.Cancel();
  ++lent_;
  ++requests_;
  if (shared()) ++context_.counters.upstream_streams;
  lent_in_burst_ = LentIn(context_.burst) + 1;
  lent_burst_ = context_.burst;
  if (stands_) ++endpoint_.requests;
  return stream;
}

void UpstreamConnection::NoteStands() {
  stands_ = true;
  --endpoint_.connecting;
  endpoint_.requests += lent_;
  endpoint_.backend.OnConnected(*this);
}

void UpstreamConnection::NoteFailed() {
  CountConnectFailure();
  Drain();
}

void UpstreamConnection::SetLimit(uint32_t limit) {
  limit_ = limit;
  endpoint_.backend.OnLimit(*this);
}

void UpstreamConnection::CountConnectFailure() {
  if (std::exchange(connect_failed_, true)) return;
  ++context_.counters.upstream_connect_failures;
  ++endpoint_.connect_failures;
  endpoint_.backend.OnDialFailed();
}

void UpstreamConnection::Drain() { endpoint_.backend.Drain(*this); }

void UpstreamConnection::Retire(Retirement why) {
  if (draining_) return;
  ++context_.counters.upstream_retired[static_cast<size_t>(why)];
  Drain();
}

// Hot path.
void UpstreamConnection::BecomeIdle() {
  idle_ = true;
  ++context_.counters.upstream_idle;
  if (shared()) ++context_.counters.upstream_shared_idle;
  idle_since_ms_ = context_.wheel.now_ms();
  const uint32_t most_ms = context_.settings.upstream_idle_ms;
  idle_timer_.ArmAfter(announced_idle_ms_ == 0 ? most_ms : std::min(most_ms, announced_idle_ms_));
}

void UpstreamConnection::EndIdle() {
  idle_ = false;
  --context_.counters.upstream_idle;
  if (shared()) --context_.counters.upstream_shared_idle;
}

void UpstreamConnection::StandAlone() {
  alone_ = true;
  idle_timer_.ArmAfter(context_.settings.connect_timeout_ms);
}

void UpstreamConnection::OnIdleTimer() {
  if (idle_) return Retire(Retirement::kIdle);
  if (!stands_ && lent_ == 0) NoteFailed();
}

void UpstreamConnection::Describe(StateRecords& records) const {
  enum class State : uint8_t { kActive, kIdle, kConnecting };
  const uint64_t now_ms = context_.wheel.now_ms();
  State state = idle_ ? State::kIdle : State::kActive;
  if (!stands_) state = State::kConnecting;
  records.Count(number_);
  records.Number(endpoint_.backend.id());
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(state == State::kIdle ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(requests_);
  records.Address(endpoint_.address);
  records.Socket(descriptor());
  records.Number(static_cast<double>(protocol_));
  records.Count(lent_);
}

}  // namespace sideroute
