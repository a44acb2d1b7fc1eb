// How many of a backend's requests may be retries, so that retries cannot amplify an outage.
//
// An account in hundredths of a retry. Each request pays in a percentage, each retry takes a hundred: over
// any stretch of time retries stay below that percentage of the requests. A small reserve, which fills up by
// itself at one retry a second, lets a backend with few requests be retried at all; at such rates it
// amplifies nothing. Threads that have the same backends have an account each, whose sum is below that
// percentage of all requests, and one reserve together: a part of it each would leave some with none.
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
  // `percent` of requests; `reserve` in retries. `shared`: where the reserve of the backend with that number
  // is, if other threads have it, too.
  RetryBudget(uint32_t percent, uint32_t reserve, SharedReserves* shared = nullptr, int32_t backend = -1)
      : percent_(percent),
        all_reserve_(reserve),
        reserve_(shared == nullptr ? uint64_t{reserve} * kRetry : 0),
        balance_(reserve_),
        shared_(shared),
        backend_(backend) {}

  // Hot path. A first attempt is made.
  void OnRequest() {
    if (balance_ < kMost) balance_ += percent_;
  }

  // Takes one retry out of the account; false when there is none.
  bool Withdraw(uint64_t now_ms) {
    return WithdrawOwn(now_ms) || (shared_ != nullptr && WithdrawShared(now_ms));
  }

 private:
  bool WithdrawShared(uint64_t now_ms);
  bool WithdrawOwn(uint64_t now_ms) {
    if (balance_ >= reserve_) {
      refilled_ms_ = now_ms;
    } else {
      // Only whole hundredths are credited; the rest of the time counts the next time.
      const uint64_t earned = (now_ms - refilled_ms_) / kRefillMs;
      balance_ = std::min(reserve_, balance_ + earned);
      refilled_ms_ += earned * kRefillMs;
    }
    if (balance_ < kRetry) return false;
    balance_ -= kRetry;
    return true;
  }

  static constexpr uint64_t kRetry = 100;
  // What quiet times can save up for a bad moment.
  static constexpr uint64_t kMost = 100 * kRetry;
  // For a hundredth of a retry.
  static constexpr uint64_t kRefillMs = 10;

  const uint32_t percent_;
  // Of all threads, in retries; and what of it is in this account.
  const uint32_t all_reserve_;
  const uint64_t reserve_;
  uint64_t balance_;
  uint64_t refilled_ms_ = 0;
  SharedReserves* const shared_;
  const int32_t backend_;
};

// The reserves of all backends, for several threads. Asked when a request is to be sent again and its own
// thread has not earned that.
class SharedReserves {
 public:
  bool Withdraw(int32_t backend, uint32_t reserve, uint64_t now_ms) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Each thread looks at the clock when its turn begins: the one that comes later may be behind.
    now_ms_ = std::max(now_ms_, now_ms);
    return accounts_.try_emplace(backend, 0, reserve).first->second.Withdraw(now_ms_);
  }

 private:
  std::mutex mutex_;
  uint64_t now_ms_ = 0;
  // By the number of the backend. One that has its number from another backend begins with what that has
  // left.
  std::unordered_map<int32_t, RetryBudget> accounts_;
};

inline bool RetryBudget::WithdrawShared(uint64_t now_ms) {
  return shared_->Withdraw(backend_, all_reserve_, now_ms);
}

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_
