#include "upstream/upstream_pool.h"

#include <algorithm>
#include <utility>

#include "upstream/attempt.h"
#include "upstream/backends.h"

namespace sideroute {

namespace {
// This many failures in a row cannot be chance while any endpoint works: with two of three refusing, 1 in
// 10^11.
constexpr uint32_t kManyFailures = 64;
// And they must last this long: of dials that begin together, refusals may be known before the first success.
constexpr uint64_t kRefusingMs = 100;
// Failures further apart say nothing about the present, and need no restraint.
constexpr uint64_t kForgottenMs = 1'000;
}  // namespace

Backend::Backend(EngineContext& context, int32_t id)
    : context_(context),
      id_(id),
      budget_(context.settings.retry_budget_percent, context.settings.retry_budget_reserve,
              context.settings.shared_reserves, id) {}

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
    for (auto& lenders : retired.lenders) {
      while (UpstreamConnection* lender = lenders.Front()) Drain(*lender);
    }
  }
  DropRetired();
}

void Backend::DropRetired() {
  std::erase_if(retired_, [](const std::unique_ptr<Endpoint>& endpoint) { return endpoint->open == 0; });
}

Backend::Result Backend::QueueUp() const {
  return waiting() < context_.settings.max_queued_requests ? Result::kWait : Result::kOverflow;
}

void Backend::Wait(Attempt& attempt, Protocol protocol, Turn turn) {
  ++context_.counters.queued;
  if (turn == Turn::kNew) {
    waiting_for(protocol).PushBack(&attempt);
  } else {
    waiting_for(protocol).PushFront(&attempt);
  }
}

void Backend::MakeDisplaceable(Attempt& attempt) {
  displaceable_.PushBack(&attempt);
  if (anybody_waits()) context_.ServeLater(this, &serving_);
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
  // The last address may have been removed meanwhile.
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

bool Backend::Retire() {
  if (exchanges_ > 0 || mirrors_ > 0 || open_ > idle_ + CloseSuccessors(true)) return false;
  CloseIdle();
  return true;
}

void Backend::CloseIdle() {
  CloseSuccessors(false);
  while (CloseOneIdle()) {
  }
}

bool Backend::CloseOneIdle() {
  if (idle_ == 0) return false;
  for (auto* group : {&endpoints_, &retired_}) {
    for (const std::unique_ptr<Endpoint>& endpoint : *group) {
      for (const auto& lenders : endpoint->lenders) {
        for (UpstreamConnection* each = lenders.Front(); each != nullptr; each = lenders.After(each)) {
          if (!each->idle()) continue;
          Close(*each);
          return true;
        }
      }
    }
  }
  return false;
}

bool Backend::CanServe(Protocol protocol) const {
  if (idle_ > 0 || open_ < context_.settings.max_upstream_connections || !displaceable_.empty()) return true;
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [protocol](const auto& endpoint) { return !endpoint->lenders_of(protocol).empty(); });
}

void Backend::ServeWaiting() {
  serving_ = false;
  // The protocol that is served first alternates: at the limit only one place may be free.
  http1_first_ = !http1_first_;
  const Protocol first = http1_first_ ? Protocol::kHttp1 : Protocol::kHttp2;
  const Protocol second = http1_first_ ? Protocol::kHttp2 : Protocol::kHttp1;
  for (const Protocol protocol : {first, second}) {
    const Waiting& waiting = waiting_for(protocol);
    for (size_t left = waiting.size(); left > 0 && CanServe(protocol); --left) {
      Attempt* next = waiting.Front();
      if (next == nullptr) break;
      next->Unlink();
      next->OnAvailable();
    }
  }
  DropRetired();
}

size_t Endpoint::idle() const {
  size_t count = 0;
  for (const auto& list : lenders) {
    for (const UpstreamConnection* each = list.Front(); each != nullptr; each = list.After(each)) {
      if (each->idle()) ++count;
    }
  }
  return count;
}

}  // namespace sideroute
