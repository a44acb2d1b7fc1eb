// When another connection is dialled after one that was refused or not answered in time.
//
// Nothing of the request was sent by then, so this is safe for every method and is not a retry: it does not
// count as an attempt and costs no retry budget. It helps because kube-proxy chooses an endpoint anew for
// every connection to a ClusterIP. All addresses of the backend are dialled in turn; dialling each of them
// once is a round.
//
// - At most 16 rounds. If one of three endpoints refuses, a request fails only if every round meets that one.
//   9 rounds make that 1 in 19,683 requests, the first number that is rarer than 1 in 10,000; 16 rounds make
//   it 1 in 43 million, and 1 in 65,536 if one of two refuses.
// - The second round follows at once, the others after pauses that grow by 2 ms each, 0.2 s in all. So if all
//   endpoints refuse, the answer still comes soon, and an endpoint that is just starting may be reached.
// - A dial that is not answered is given up for the next after one tenth of the connect timeout, that one
//   after two tenths, then three and four, which is the whole timeout. The kernel repeats a lost SYN only
//   after a second; dialling again does the same, and may find an endpoint whose node is still there.
// - Two rounds, 24 ms apart, if nothing has accepted lately (Backend::refusing): a backend that is down is
//   dialled twice for each request, not 16 times.
//
// Stage before: exchange or mirror, for which the connection is made.
#ifndef SIDEROUTE_UPSTREAM_DIAL_PLAN_H_
#define SIDEROUTE_UPSTREAM_DIAL_PLAN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "http/engine_types.h"

namespace sideroute {

class DialPlan {
 public:
  // The input of Begin and Failed.
  struct Facts {
    const EngineSettings& settings;
    uint64_t now_ms;
    size_t addresses;
    // Backend::refusing().
    bool refusing;
  };

  void Reset() { began_ms_ = failed_ = timeouts_ = 0; }
  bool any_failed() const { return failed_ > 0; }
  bool any_timed_out() const { return timeouts_ > 0; }
  // Index of the address to dial next.
  size_t NextAddress(size_t addresses) const { return addresses < 2 ? 0 : failed_ % addresses; }

  // A dial begins. Returns its timeout in ms.
  uint32_t Begin(const Facts& facts) {
    if (began_ms_ == 0) began_ms_ = facts.now_ms;
    const uint32_t left = Left(facts);
    const bool last = failed_ + 1 >= Most(facts) || timeouts_ + 1 >= kShares;
    if (last) return std::max(left, 1u);
    return std::clamp<uint32_t>(facts.settings.connect_timeout_ms / kParts * (timeouts_ + 1), 1,
                                std::max(left, 1u));
  }

  // The dial has failed. Returns false if it was the last one. Otherwise `pause_ms` is the approximate pause
  // before the next dial; 0: none.
  bool Failed(const Facts& facts, bool timed_out, uint32_t* pause_ms) {
    if (began_ms_ == 0) began_ms_ = facts.now_ms;
    ++failed_;
    if (timed_out) ++timeouts_;
    if (failed_ >= Most(facts) || timeouts_ >= kShares) return false;
    *pause_ms = 0;
    if (failed_ % facts.addresses == 0) {
      const uint32_t step = facts.settings.redial_step_ms;
      const auto round = static_cast<uint32_t>(failed_ / facts.addresses);
      *pause_ms = facts.refusing ? step * kRefusingSteps : step * (round - 1);
    }
    return *pause_ms < Left(facts);
  }

 private:
  static constexpr size_t kRounds = 16;
  static constexpr size_t kRefusingRounds = 2;
  static constexpr uint32_t kRefusingSteps = 12;
  // 1 + 2 + 3 + 4 = 10 parts.
  static constexpr uint32_t kShares = 4;
  static constexpr uint32_t kParts = 10;

  static size_t Most(const Facts& facts) {
    return (facts.refusing ? kRefusingRounds : kRounds) * facts.addresses;
  }
  uint32_t Left(const Facts& facts) const {
    const uint64_t passed = facts.now_ms - began_ms_;
    const uint32_t all = facts.settings.connect_timeout_ms;
    return passed >= all ? 0 : all - static_cast<uint32_t>(passed);
  }

  // On the loop's clock; 0: no dial has begun.
  uint64_t began_ms_ = 0;
  size_t failed_ = 0;
  uint32_t timeouts_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_DIAL_PLAN_H_
