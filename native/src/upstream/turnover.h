// How often connections of a backend are replaced only because they have carried enough.
//
// kube-proxy chooses an endpoint for each connection, independently. For the share of each of four endpoints
// to be between 10 and 40 % it takes 200 connections of equally many requests: with 200 it is missed 1 in
// 200,000 times, with 150 1 in 13,000, with 100 1 in 700. So after a start, or after some quiet, 10,000
// requests take 250 connections of about 40 requests each. A connection costs what several requests do, and
// leaves an entry in the node's conntrack for two minutes. So a backend that gets more than 800 requests per
// second for long has its connections carry more of them: 20 are replaced each second.
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

  // Hot path. False: another one has to wait. `now_ms` of the loop's clock.
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
  // Up to when time has been counted.
  uint64_t counted_ms_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_TURNOVER_H_
