#include "upstream/retry_budget.h"

#include "check.h"
#include "random.h"

namespace sideroute {

namespace {

uint32_t Withdrawals(RetryBudget& budget, uint32_t most, uint64_t now_ms) {
  uint32_t taken = 0;
  while (taken < most && budget.Withdraw(now_ms)) ++taken;
  return taken;
}

}  // namespace

TEST("a retry budget begins with its reserve and earns a part of each request") {
  RetryBudget budget(20, 10);
  CHECK(Withdrawals(budget, 100, 0) == 10);
  for (int i = 0; i < 4; ++i) budget.OnRequest();
  CHECK(Withdrawals(budget, 100, 0) == 0);
  budget.OnRequest();
  CHECK(Withdrawals(budget, 100, 0) == 1);
}

TEST("a retry budget refills its reserve at one retry a second, and no further") {
  RetryBudget budget(20, 10);
  CHECK(Withdrawals(budget, 100, 0) == 10);
  CHECK(Withdrawals(budget, 100, 999) == 0);
  // Time that was credited already does not count again.
  CHECK(Withdrawals(budget, 100, 1'999) == 1);
  // However often it is asked.
  uint32_t taken = 0;
  for (uint64_t now_ms = 2'000; now_ms < 7'000; ++now_ms) taken += Withdrawals(budget, 100, now_ms);
  CHECK_EQ(taken, 5u);
  CHECK(Withdrawals(budget, 100, 1'000'000) == 10);
}

TEST("a retry budget saves up a bounded number") {
  RetryBudget budget(20, 10);
  for (int i = 0; i < 1'000'000; ++i) budget.OnRequest();
  CHECK(Withdrawals(budget, 1'000, 0) == 100);
}

TEST("a retry budget of nothing allows nothing") {
  RetryBudget budget(0, 0);
  budget.OnRequest();
  CHECK(Withdrawals(budget, 10, 1'000'000) == 0);
}

TEST("whatever comes, retries stay below their part of the requests, the reserve, and one a second") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    test::Random random(seed);
    const auto percent = static_cast<uint32_t>(random.Below(101));
    const auto reserve = static_cast<uint32_t>(random.Below(60));
    RetryBudget budget(percent, reserve);
    uint64_t now_ms = 0, requests = 0, retries = 0;
    for (int step = 0; step < 5'000; ++step) {
      now_ms += random.Spread(10);
      if (random.OneIn(2)) {
        budget.OnRequest();
        ++requests;
      } else if (budget.Withdraw(now_ms)) {
        ++retries;
      }
      CHECK(100 * retries <= requests * percent + 100 * reserve + now_ms / 10);
    }
  }
}

}  // namespace sideroute
