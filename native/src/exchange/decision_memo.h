// A cache of decisions: if the host has said that it would decide the same question in the same way again,
// the engine does not ask it again. This saves 3 % of the CPU time of a request (bench/proxy/compare.ts).
//
// Stage before: http_engine_binding, which builds the question from exactly what the host sees of a request.
// The host clears this cache whenever its answers may have changed.
//
// The questions contain what clients send, so the cache as a whole is bounded in bytes, whatever the number
// of frontends.
#ifndef SIDEROUTE_EXCHANGE_DECISION_MEMO_H_
#define SIDEROUTE_EXCHANGE_DECISION_MEMO_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/engine_types.h"

namespace sideroute {

// The cached decisions of one frontend.
class DecisionMemo {
 public:
  static constexpr size_t kMost = 1024;

  // False if the memo is closed, or if it has had too few hits to be worth building the question.
  bool worthwhile() const { return open_ && (misses_ < kTrial || hits_ >= misses_); }
  size_t bytes() const { return bytes_; }
  size_t entries() const { return decisions_.size(); }

 private:
  friend class DecisionMemos;
  // After this many misses, a memo stays in use only if it has had as many hits.
  static constexpr uint64_t kTrial = 2 * kMost;

  std::unordered_map<std::string, Decision> decisions_;
  size_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  bool open_ = false;
};

// The memos of all frontends of an engine.
class DecisionMemos {
 public:
  // Longer questions are not cached: they rarely repeat, and one takes the space of twenty.
  static constexpr size_t kMaxQuestion = 4 * 1024;
  static constexpr size_t kMaxBytes = 4 * 1024 * 1024;

  size_t bytes() const { return bytes_; }
  size_t entries() const { return entries_; }
  // Lowers the limit from kMaxBytes when several threads have memos.
  void SetMaxBytes(size_t bytes) { max_bytes_ = bytes; }

  // Hot path.
  bool Worthwhile(size_t frontend) const { return frontend < memos_.size() && memos_[frontend].worthwhile(); }

  // Hot path. Returns null if the question is new. Call it only if Worthwhile(frontend).
  const Decision* Find(size_t frontend, const std::string& question) {
    DecisionMemo& memo = memos_[frontend];
    const auto known = memo.decisions_.find(question);
    if (known == memo.decisions_.end()) return nullptr;
    ++memo.hits_;
    return &known->second;
  }

  // Counts a question that is too long to be cached as a miss.
  void Skip(size_t frontend) { Miss(memos_[frontend]); }

  // Caches the answer to a question that Find did not know. The memo may have been closed since then.
  void Keep(size_t frontend, const std::string& question, const Decision& decision) {
    if (frontend >= memos_.size() || !Miss(memos_[frontend])) return;
    DecisionMemo& memo = memos_[frontend];
    const size_t bytes = question.size() + kEntryBytes;
    if (memo.entries() >= DecisionMemo::kMost) Empty(memo);
    while (bytes_ + bytes > max_bytes_) Empty(Largest());
    if (!memo.decisions_.emplace(question, decision).second) return;
    memo.bytes_ += bytes;
    bytes_ += bytes;
    ++entries_;
  }

  // Drops all cached decisions. If `interest_stays` is false, all memos stay closed until Open, because the
  // host is about to look at other parts of a request.
  void Forget(bool interest_stays) {
    for (DecisionMemo& memo : memos_) Restart(memo, memo.open_ && interest_stays);
  }

  void Open(size_t frontend) {
    if (frontend >= memos_.size()) memos_.resize(frontend + 1);
    Restart(memos_[frontend], true);
  }

 private:
  // Per entry, beside the question: the decision, the node, its bucket and the allocator's overhead.
  static constexpr size_t kEntryBytes = 160;

  // Returns false if this miss shows that the memo is not worth keeping.
  bool Miss(DecisionMemo& memo) {
    ++memo.misses_;
    if (memo.worthwhile()) return true;
    Empty(memo);
    return false;
  }

  DecisionMemo& Largest() {
    return *std::max_element(memos_.begin(), memos_.end(), [](const DecisionMemo& a, const DecisionMemo& b) {
      return a.bytes() < b.bytes();
    });
  }

  // Also frees the memory: `clear` would keep the bucket array.
  void Empty(DecisionMemo& memo) {
    bytes_ -= memo.bytes_;
    entries_ -= memo.entries();
    memo.bytes_ = 0;
    std::unordered_map<std::string, Decision>().swap(memo.decisions_);
  }

  void Restart(DecisionMemo& memo, bool open) {
    Empty(memo);
    memo.hits_ = memo.misses_ = 0;
    memo.open_ = open;
  }

  size_t max_bytes_ = kMaxBytes;
  // Indexed by frontend.
  std::vector<DecisionMemo> memos_;
  size_t bytes_ = 0;
  size_t entries_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_DECISION_MEMO_H_
