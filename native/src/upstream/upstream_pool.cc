#include "upstream/upstream_pool.h"

#include <algorithm>
#include <utility>

#include "upstream/attempt.h"
#include "upstream/backends.h"

namespace sideroute {

namespace {
// So many failures in a row are no chance while any endpoint works: with two of three refusing, 1 in 10^11.
constexpr uint32_t kManyFailures = 64;
// And for so long: of dials begun together the refusals may be known before the first success.
constexpr uint64_t kRefusingMs = 100;
// Failures further apart say nothing about now, and need no restraint.
constexpr uint64_t kForgottenMs = 1'000;
}  // namespace

Backend::Backend(EngineContext& context, int32_t id)
    : context_(context),
      id_(id),
      budget_(context.settings.retry_budget_percent, context.settings.retry_budget_reserve) {}

Backend::~Backend() {
  CloseIdle();
  std::erase(context_.backends_to_serve, this);
}

void Backend::SetAddresses(const std::vector<NetAddress>& addresses) {
  std::vector<std::unique_ptr<Endpoint>> previous = std::move(endpoints_);
  endpoints_.clear();
  for (const NetAddress& address : addresses) {
    const auto same = [&](const std::unique_ptr<Endpoint>& other) {
      return other != nullptr && other->address == address;
    };
    if (std::any_of(endpoints_.begin(), endpoints_.end(), same)) continue;
    auto known = std::find_if(previous.begin(), previous.end(), same);
    if (known != previous.end()) {
      endpoints_.push_back(std::move(*known));
      continue;
    }
    known = std::find_if(retired_.begin(), retired_.end(), same);
    if (known != retired_.end()) {
      (*known)->retired = false;
      endpoints_.push_back(std::move(*known));
      retired_.erase(known);
    } else {
      endpoints_.push_back(std::make_unique<Endpoint>(*this, address));
    }
  }
  for (std::unique_ptr<Endpoint>& endpoint : previous) {
    if (endpoint == nullptr) continue;
    endpoint->retired = true;
    retired_.push_back(std::move(endpoint));
    Endpoint& retired = *retired_.back();
    while (UpstreamConnection* idle = retired.idle.Front()) Close(*idle);
  }
  DropRetired();
}

void Backend::DropRetired() {
  std::erase_if(retired_, [](const std::unique_ptr<Endpoint>& endpoint) { return endpoint->open == 0; });
}

// Hot path.
UpstreamConnection* Backend::TakeIdle(const Wish& wish) {
  for (const std::unique_ptr<Endpoint>& endpoint : endpoints_) {
    while (UpstreamConnection* connection = endpoint->idle.Back()) {
      if (!wish.repeatable) {
        // OPS 3.13, 3.14: what must not be sent twice goes where a surprise is least likely.
        if (context_.wheel.now_ms() - connection->idle_since_ms() >
            context_.settings.fresh_connection_after_ms)
          break;
        if (!connection->Quiet()) {
          ++context_.counters.upstream_stale;
          Close(*connection);
          continue;
        }
      }
      if (connection->readable() || !connection->fit()) {
        Close(*connection);
        continue;
      }
      connection->Unlink();
      --idle_;
      --context_.counters.upstream_idle;
      return connection;
    }
  }
  return nullptr;
}

// Hot path.
Backend::Result Backend::Acquire(const Wish& wish, UpstreamConnection** connection, bool idle_only) {
  if (endpoints_.empty()) return Result::kNoAddress;
  // First come, first served: what is free now, or is about to be, is for those who wait.
  if (!waiting_.empty() && wish.turn <= Turn::kAgain) return QueueUp();
  if (wish.may_reuse && idle_ > 0) {
    if (UpstreamConnection* idle = TakeIdle(wish)) {
      idle->Lend(wish.user);
      ++context_.counters.upstream_reused;
      *connection = idle;
      return Result::kReused;
    }
  }
  if (idle_only) return Result::kWait;
  if (open_ >= context_.settings.max_upstream_connections && !CloseOneIdle() &&
      !(wish.may_displace && DisplaceOne())) {
    return QueueUp();
  }
  // Whoever is told of the displaced one may have taken the addresses back.
  if (endpoints_.empty()) return Result::kNoAddress;
  Endpoint& endpoint = *endpoints_[std::min(wish.address, endpoints_.size() - 1)];
  auto fresh = std::make_unique<UpstreamConnection>(context_, endpoint);
  ++context_.counters.upstream_connects;
  ++endpoint.connects;
  if (fresh->Dial(wish.user) != 0) {
    fresh->CountConnectFailure();
    return Result::kConnectFailed;
  }
  ++open_;
  ++endpoint.open;
  ++endpoint.connecting;
  context_.backends.AddOpen(*fresh);
  ++context_.counters.upstream_open;
  *connection = fresh.release();
  return Result::kConnecting;
}

Backend::Result Backend::QueueUp() const {
  return waiting_.size() < context_.settings.max_queued_requests ? Result::kWait : Result::kOverflow;
}

void Backend::Wait(Attempt& attempt, Turn turn) {
  ++context_.counters.queued;
  if (turn == Turn::kNew) {
    waiting_.PushBack(&attempt);
  } else {
    waiting_.PushFront(&attempt);
  }
}

void Backend::MakeDisplaceable(Attempt& attempt) {
  displaceable_.PushBack(&attempt);
  if (!waiting_.empty()) context_.ServeLater(this, &serving_);
}

bool Backend::DisplaceOne() {
  Attempt* first = displaceable_.Front();
  if (first == nullptr) return false;
  first->Displace();
  return true;
}

DialPlan::Facts Backend::dial_facts() const {
  return {context_.settings, context_.wheel.now_ms(), endpoints_.size(), refusing()};
}

bool Backend::DialAgain(DialPlan& plan, bool timed_out, uint32_t* pause_ms) {
  // The last address may have been taken back meanwhile.
  if (endpoints_.empty() || !plan.Failed(dial_facts(), timed_out, pause_ms)) return false;
  if (*pause_ms > 0) *pause_ms = context_.Jitter(*pause_ms);
  ++context_.counters.redials;
  return true;
}

void Backend::OnDialFailed() {
  const uint64_t now_ms = context_.wheel.now_ms();
  if (failed_dials_ == 0 || now_ms - last_failure_ms_ > kForgottenMs) {
    failed_dials_ = 0;
    failing_since_ms_ = now_ms;
  }
  last_failure_ms_ = now_ms;
  if (failed_dials_ < kManyFailures) ++failed_dials_;
}

bool Backend::refusing() const {
  if (failed_dials_ < kManyFailures) return false;
  const uint64_t now_ms = context_.wheel.now_ms();
  return now_ms - failing_since_ms_ >= kRefusingMs && now_ms - last_failure_ms_ <= kForgottenMs;
}

// Hot path.
void Backend::Release(UpstreamConnection& connection) {
  Endpoint& endpoint = connection.endpoint();
  if (!connection.clean() || endpoint.retired || !connection.fit() || context_.closing ||
      (idle_ >= context_.settings.max_upstream_idle && waiting_.empty())) {
    Close(connection);
    return;
  }
  connection.BecomeIdle();
  endpoint.idle.PushBack(&connection);
  ++idle_;
  ++context_.counters.upstream_idle;
  if (!waiting_.empty()) context_.ServeLater(this, &serving_);
}

void Backend::Close(UpstreamConnection& connection, bool reset) {
  if (connection.linked()) {
    connection.Unlink();
    --idle_;
    --context_.counters.upstream_idle;
  }
  connection.ListNode<UpstreamConnection, EveryUpstream>::Unlink();
  connection.Close(reset);
  --open_;
  --context_.counters.upstream_open;
  Endpoint& endpoint = connection.endpoint();
  --endpoint.open;
  if (connection.connecting()) --endpoint.connecting;
  context_.Bury(std::unique_ptr<Disposable>(&connection));
  // The endpoint itself outlives what is buried in this turn: see ServeWaiting.
  if (!waiting_.empty() || endpoint.retired || open_ == 0) context_.ServeLater(this, &serving_);
}

bool Backend::Retire() {
  if (exchanges_ > 0 || mirrors_ > 0 || open_ > idle_) return false;
  CloseIdle();
  return true;
}

void Backend::CloseIdle() {
  while (CloseOneIdle()) {
  }
}

bool Backend::CloseOneIdle() {
  if (idle_ == 0) return false;
  const auto lists = [this](auto visit) {
    for (auto* group : {&endpoints_, &retired_}) {
      for (const std::unique_ptr<Endpoint>& endpoint : *group) {
        if (UpstreamConnection* oldest = endpoint->idle.Front()) return visit(oldest);
      }
    }
    return false;
  };
  return lists([this](UpstreamConnection* oldest) {
    Close(*oldest);
    return true;
  });
}

void Backend::ServeWaiting() {
  serving_ = false;
  for (size_t left = waiting_.size(); left > 0; --left) {
    if (idle_ == 0 && open_ >= context_.settings.max_upstream_connections && displaceable_.empty()) break;
    Attempt* first = waiting_.Front();
    if (first == nullptr) break;
    first->Unlink();
    first->OnAvailable();
  }
  DropRetired();
}

}  // namespace sideroute
