// The decision memo compared with a plain map.
#include "exchange/decision_memo.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "random.h"

namespace sideroute::test {
namespace {

Decision WithSeries(int32_t series) {
  Decision decision;
  decision.series = series;
  return decision;
}

// -1: unknown.
int32_t SeriesOf(DecisionMemos& memos, size_t frontend, const std::string& question) {
  const Decision* known = memos.Find(frontend, question);
  return known == nullptr ? -1 : known->series;
}

TEST("a memo is worthwhile once it is open, and knows what it was told") {
  DecisionMemos memos;
  CHECK(!memos.Worthwhile(0));
  memos.Open(2);
  CHECK(!memos.Worthwhile(0) && !memos.Worthwhile(1) && memos.Worthwhile(2) && !memos.Worthwhile(3));
  CHECK_EQ(SeriesOf(memos, 2, "a"), -1);
  memos.Keep(2, "a", WithSeries(7));
  CHECK_EQ(SeriesOf(memos, 2, "a"), 7);
  CHECK_EQ(memos.entries(), 1u);
  CHECK(memos.bytes() > 0);
  // The first answer stays, because earlier requests got it.
  memos.Keep(2, "a", WithSeries(8));
  CHECK_EQ(SeriesOf(memos, 2, "a"), 7);
  CHECK_EQ(memos.entries(), 1u);
}

TEST("what a memo knows is gone when it is told to forget, and it stays open only where the interest stays") {
  DecisionMemos memos;
  memos.Open(0);
  memos.Open(1);
  for (const bool stays : {true, false}) {
    memos.Keep(0, "a", WithSeries(1));
    memos.Keep(1, "a", WithSeries(2));
    memos.Forget(stays);
    CHECK_EQ(memos.entries(), 0u);
    CHECK_EQ(memos.bytes(), 0u);
    CHECK_EQ(memos.Worthwhile(0), stays);
    CHECK_EQ(memos.Worthwhile(1), stays);
    if (stays) CHECK_EQ(SeriesOf(memos, 0, "a"), -1);
  }
  // The memo was closed after the question was asked.
  memos.Keep(0, "a", WithSeries(1));
  memos.Keep(9, "a", WithSeries(1));
  CHECK_EQ(memos.entries(), 0u);
  memos.Open(0);
  CHECK(memos.Worthwhile(0) && !memos.Worthwhile(1));
}

TEST("a memo that does not pay is given up, and one that pays goes on") {
  DecisionMemos memos;
  memos.Open(0);
  memos.Open(1);
  int asked = 0;
  for (; memos.Worthwhile(0) && asked < 10'000; ++asked) {
    const std::string question = std::to_string(asked);
    CHECK_EQ(SeriesOf(memos, 0, question), -1);
    memos.Keep(0, question, WithSeries(asked));
  }
  CHECK(asked < 10'000);
  CHECK_EQ(memos.entries(), 0u);
  for (int i = 0; i < 10'000; ++i) {
    const std::string question = std::to_string(i / 3);
    if (SeriesOf(memos, 1, question) == -1) memos.Keep(1, question, WithSeries(i));
    CHECK(memos.Worthwhile(1));
  }
  // Too long to be kept; counted as a miss all the same.
  for (int i = 0; i < 20'000; ++i) memos.Skip(1);
  CHECK(!memos.Worthwhile(1));
  CHECK_EQ(memos.bytes(), 0u);
  // A new table starts a new trial.
  memos.Open(0);
  CHECK(memos.Worthwhile(0));
}

TEST("all memos together keep to their bytes, and the largest makes room") {
  DecisionMemos memos;
  for (size_t frontend = 0; frontend < 8; ++frontend) memos.Open(frontend);
  memos.Keep(7, "small", WithSeries(1));
  int kept = 0;
  for (size_t frontend = 0; frontend < 7; ++frontend) {
    for (int i = 0; i < 900; ++i) {
      std::string question = std::to_string(i);
      question.resize(DecisionMemos::kMaxQuestion, 'x');
      memos.Keep(frontend, question, WithSeries(++kept));
      CHECK(memos.bytes() <= DecisionMemos::kMaxBytes);
      CHECK_EQ(SeriesOf(memos, frontend, question), kept);
    }
  }
  CHECK_EQ(SeriesOf(memos, 7, "small"), 1);
}

TEST("whatever is kept, found, skipped and forgotten, a memo never says anything but what it was told") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    DecisionMemos memos;
    std::map<std::pair<size_t, std::string>, int32_t> told;
    int32_t next = 0;
    for (int step = 0; step < 20'000; ++step) {
      const size_t frontend = random.Below(4);
      if (random.OneIn(3'000)) {
        memos.Forget(random.OneIn(2));
        told.clear();
      } else if (random.OneIn(500)) {
        memos.Open(frontend);
        std::erase_if(told, [frontend](const auto& entry) { return entry.first.first == frontend; });
      } else if (memos.Worthwhile(frontend)) {
        const std::string question(random.Below(3) * 400, static_cast<char>('a' + random.Below(20)));
        const auto known = told.find({frontend, question});
        const int32_t series = SeriesOf(memos, frontend, question);
        if (series != -1) {
          CHECK(known != told.end() && known->second == series);
        } else {
          // Few enough that none is evicted.
          CHECK(known == told.end());
          memos.Keep(frontend, question, WithSeries(++next));
          if (memos.Worthwhile(frontend)) told[{frontend, question}] = next;
        }
      }
      if (!memos.Worthwhile(frontend))
        std::erase_if(told, [frontend](const auto& entry) { return entry.first.first == frontend; });
      CHECK_EQ(memos.entries(), told.size());
    }
  }
}

}  // namespace
}  // namespace sideroute::test
