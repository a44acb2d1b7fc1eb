// Decisions that the host has said it would make again for the same question, so that it need not be asked
// (bench/proxy/compare.ts: 3 % of the CPU time of a request).
//
// Stage before: http_engine_binding, which puts the question together from exactly what the host is shown of
// a request. The host forgets everything here whenever what it would answer may have changed.
//
// What clients send is kept here, so all of it together is bounded in bytes, whatever the number of
// frontends.
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

// Of one frontend.
class DecisionMemo {
 public:
  static constexpr size_t kMost = 1024;

  // False: closed, or not worth putting the question together.
  bool worthwhile() const { return open_ && (misses_ < kTrial || hits_ >= misses_); }
  size_t bytes() const { return bytes_; }
  size_t entries() const { return decisions_.size(); }

 private:
  friend class DecisionMemos;
  // Questions after which it must have paid.
  static constexpr uint64_t kTrial = 2 * kMost;

  std::unordered_map<std::string, Decision> decisions_;
  size_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  bool open_ = false;
};

// Of all frontends of an engine.
class DecisionMemos {
 public:
  // Longer ones are not kept: they are hardly ever asked twice, and one takes the room of twenty.
  static constexpr size_t kMaxQuestion = 4 * 1024;
  static constexpr size_t kMaxBytes = 4 * 1024 * 1024;

  size_t bytes() const { return bytes_; }
  size_t entries() const { return entries_; }
  // Less than kMaxBytes, where several threads have memos.
  void SetMaxBytes(size_t bytes) { max_bytes_ = bytes; }

  // Hot path.
  bool Worthwhile(size_t frontend) const { return frontend < memos_.size() && memos_[frontend].worthwhile(); }

  // Hot path. Null when the question is new. Of a frontend for which it is worthwhile.
  const Decision* Find(size_t frontend, const std::string& question) {
    DecisionMemo& memo = memos_[frontend];
    const auto known = memo.decisions_.find(question);
    if (known == memo.decisions_.end()) return nullptr;
    ++memo.hits_;
    return &known->second;
  }

  // A question that is too long to be kept.
  void Skip(size_t frontend) { Miss(memos_[frontend]); }

  // A question that Find did not know. The memo may have been closed since.
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

  // What is known does not hold any more. `interest_stays`: false closes all memos until Open, because what
  // the host looks at is about to change.
  void Forget(bool interest_stays) {
    for (DecisionMemo& memo : memos_) Restart(memo, memo.open_ && interest_stays);
  }

  void Open(size_t frontend) {
    if (frontend >= memos_.size()) memos_.resize(frontend + 1);
    Restart(memos_[frontend], true);
  }

 private:
  // Beside the question itself: the decision, the node, its place in the table, what the allocator adds.
  static constexpr size_t kEntryBytes = 160;

  // False when that is the one that shows that it does not pay.
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

  // With its memory, which `clear` would keep a part of.
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
  // By frontend.
  std::vector<DecisionMemo> memos_;
  size_t bytes_ = 0;
  size_t entries_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_DECISION_MEMO_H_
