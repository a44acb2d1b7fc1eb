// Limits how many of a backend's requests may be retries, so that retries cannot amplify an outage.
//
// The balance is counted in hundredths of a retry. Each request adds `percent` to it, each retry takes a
// hundred. So in the long run retries stay below that percentage of the requests. A small reserve, which
// refills at one retry per second, allows retries to a backend with few requests; at such rates they amplify
// nothing. Threads that use the same backends have a balance each, so together they stay below that
// percentage of all requests. They share one reserve, because with a part of it each, some would have none.
#ifndef SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_
#define SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace sideroute {

class SharedReserves;

class RetryBudget {
 public:
  // `percent` of requests; `reserve` in retries. `shared`: holds the reserve of the backend with that number
  // if other threads use the backend too.
  RetryBudget(uint32_t percent, uint32_t reserve, SharedReserves* shared = nullptr, int32_t backend = -1)
      : percent_(percent),
        all_reserve_(reserve),
        reserve_(shared == nullptr ? uint64_t{reserve} * kRetry : 0),
        balance_(reserve_),
        shared_(shared),
        backend_(backend) {}

  // Hot path. A first attempt begins.
  void OnRequest() {
    if (balance_ < kMost) balance_ += percent_;
  }

  // Takes one retry from the balance; returns false if there is none.
  bool Withdraw(uint64_t now_ms) {
    return WithdrawOwn(now_ms) || (shared_ != nullptr && WithdrawShared(now_ms));
  }

 private:
  bool WithdrawShared(uint64_t now_ms);
  bool WithdrawOwn(uint64_t now_ms) {
    if (balance_ >= reserve_) {
      refilled_ms_ = now_ms;
    } else {
      // Credits only whole hundredths; the rest of the time counts the next time.
      const uint64_t earned = (now_ms - refilled_ms_) / kRefillMs;
      balance_ = std::min(reserve_, balance_ + earned);
      refilled_ms_ += earned * kRefillMs;
    }
    if (balance_ < kRetry) return false;
    balance_ -= kRetry;
    return true;
  }

  static constexpr uint64_t kRetry = 100;
  // The maximum that quiet times can save.
  static constexpr uint64_t kMost = 100 * kRetry;
  // Time that adds a hundredth of a retry to the reserve, in ms.
  static constexpr uint64_t kRefillMs = 10;

  const uint32_t percent_;
  // The reserve of all threads, in retries; and the part of it that is in this balance.
  const uint32_t all_reserve_;
  const uint64_t reserve_;
  uint64_t balance_;
  uint64_t refilled_ms_ = 0;
  SharedReserves* const shared_;
  const int32_t backend_;
};

// The reserves of all backends, shared by several threads. Used if a request is to be sent again and the
// balance of its own thread is too low.
class SharedReserves {
 public:
  bool Withdraw(int32_t backend, uint32_t reserve, uint64_t now_ms) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Each thread reads its clock when its turn begins, so a later call may have an earlier time.
    now_ms_ = std::max(now_ms_, now_ms);
    return accounts_.try_emplace(backend, 0, reserve).first->second.Withdraw(now_ms_);
  }

 private:
  std::mutex mutex_;
  uint64_t now_ms_ = 0;
  // Indexed by backend number. A backend that reuses a number begins with what the earlier one has left.
  std::unordered_map<int32_t, RetryBudget> accounts_;
};

inline bool RetryBudget::WithdrawShared(uint64_t now_ms) {
  return shared_->Withdraw(backend_, all_reserve_, now_ms);
}

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_
