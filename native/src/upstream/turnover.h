// Limits how often connections of a backend are replaced only because they have carried enough requests.
//
// kube-proxy chooses an endpoint for each connection independently. For each of four endpoints to get between
// 10 and 40 % of the requests, 200 connections with equally many requests are needed: with 200 the range is
// missed 1 in 200,000 times, with 150 1 in 13,000, with 100 1 in 700. So after a start, or after a quiet
// time, 10,000 requests use 250 connections of about 40 requests each. A connection costs as much as several
// requests, and leaves an entry in the node's conntrack table for two minutes. So if a backend gets more than
// 800 requests per second for long, its connections carry more of them: 20 are replaced each second.
//
// Stage before: replacing, which asks. Stage after: none.
#ifndef SIDEROUTE_UPSTREAM_TURNOVER_H_
#define SIDEROUTE_UPSTREAM_TURNOVER_H_

#include <algorithm>
#include <cstdint>

namespace sideroute {

class Turnover {
 public:
  static constexpr uint64_t kAtOnce = 256;
  static constexpr uint64_t kPerSecond = 20;

  // Hot path. Returns false if the replacement has to wait. `now_ms` is the loop's clock.
  bool Take(uint64_t now_ms) {
    const uint64_t gained = (now_ms - counted_ms_) / kEveryMs;
    counted_ms_ += gained * kEveryMs;
    left_ = std::min(left_ + gained, kAtOnce);
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  static constexpr uint64_t kEveryMs = 1'000 / kPerSecond;

  uint64_t left_ = kAtOnce;
  // The time up to which refills have been counted.
  uint64_t counted_ms_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_TURNOVER_H_
