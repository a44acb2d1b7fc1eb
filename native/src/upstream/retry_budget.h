// How many of a backend's requests may be retries, so that retries cannot amplify an outage.
//
// An account in hundredths of a retry. Each request pays in a percentage, each retry takes a hundred: over
// any stretch of time retries stay below that percentage of the requests. A small reserve, which fills up by
// itself at one retry a second, lets a backend with few requests be retried at all; at such rates it
// amplifies nothing.
#ifndef SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_
#define SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_

#include <algorithm>
#include <cstdint>

namespace sideroute {

class RetryBudget {
 public:
  // `percent` of requests; `reserve` in retries.
  RetryBudget(uint32_t percent, uint32_t reserve)
      : percent_(percent), reserve_(uint64_t{reserve} * kRetry), balance_(reserve_) {}

  // Hot path. A first attempt is made.
  void OnRequest() {
    if (balance_ < kMost) balance_ += percent_;
  }

  // Takes one retry out of the account; false when there is none.
  bool Withdraw(uint64_t now_ms) {
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

 private:
  static constexpr uint64_t kRetry = 100;
  // What quiet times can save up for a bad moment.
  static constexpr uint64_t kMost = 100 * kRetry;
  // For a hundredth of a retry.
  static constexpr uint64_t kRefillMs = 10;

  const uint32_t percent_;
  const uint64_t reserve_;
  uint64_t balance_;
  uint64_t refilled_ms_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_RETRY_BUDGET_H_
