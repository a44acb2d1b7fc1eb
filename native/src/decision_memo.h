// Decisions that the host has said it would make again for the same question, so that it need not be asked
// (bench/proxy/compare.ts: 3 % of the CPU time of a request).
//
// Stage before: http_engine_binding, which puts the question together from exactly what the host is shown of
// a request. The host forgets everything here whenever what it would answer may have changed.
#ifndef SIDEROUTE_DECISION_MEMO_H_
#define SIDEROUTE_DECISION_MEMO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "engine_types.h"

namespace sideroute {

// Of one frontend.
class DecisionMemo {
 public:
  // Hot path. Null when the question is new, or questions hardly ever repeat.
  const Decision* Find(const std::string& question) {
    const auto known = decisions_.find(question);
    if (known == decisions_.end()) return nullptr;
    ++hits_;
    return &known->second;
  }

  // False: closed, or not worth putting the question together.
  bool worthwhile() const { return open_ && (misses_ < kTrial || hits_ >= misses_); }

  bool open() const { return open_; }

  void Keep(const std::string& question, const Decision& decision) {
    ++misses_;
    if (decisions_.size() >= kMost) decisions_.clear();
    decisions_.emplace(question, decision);
  }

  // `open`: false until Forget is called again, because what the host looks at is about to change.
  void Forget(bool open) {
    decisions_.clear();
    hits_ = misses_ = 0;
    open_ = open;
  }

 private:
  static constexpr size_t kMost = 1024;
  // Questions after which it must have paid.
  static constexpr uint64_t kTrial = 2 * kMost;

  std::unordered_map<std::string, Decision> decisions_;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  bool open_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_DECISION_MEMO_H_
