// A token bucket for what a peer may send that costs it next to nothing: a burst, refilled with time and with
// useful traffic.
#ifndef SIDEROUTE_HTTP2_ALLOWANCE_H_
#define SIDEROUTE_HTTP2_ALLOWANCE_H_

#include <algorithm>
#include <cstdint>

namespace sideroute::http2 {

class Allowance {
 public:
  Allowance(uint32_t most, uint32_t per_second) : most_(most), per_second_(per_second), left_(most) {}

  // Returns false if the allowance is used up.
  bool Take(uint32_t cost, uint64_t now_ms) {
    if (left_ < cost) {
      const uint64_t gained = (now_ms - since_ms_) * per_second_ / 1'000;
      left_ = static_cast<uint32_t>(std::min<uint64_t>(most_, left_ + gained));
      since_ms_ = now_ms;
      if (left_ < cost) return false;
    }
    left_ -= cost;
    return true;
  }
  void Give(uint32_t gain) { left_ = std::min(most_, left_ + gain); }
  void Start(uint64_t now_ms) { since_ms_ = now_ms; }

 private:
  const uint32_t most_;
  const uint32_t per_second_;
  uint32_t left_;
  // The time up to which refills have been counted.
  uint64_t since_ms_ = 0;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_ALLOWANCE_H_
