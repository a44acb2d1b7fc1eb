// When a failed dial is followed by another one, simulated on a numeric clock.
#include "upstream/dial_plan.h"

#include <set>

#include "check.h"
#include "random.h"

namespace sideroute::test {
namespace {

struct Played {
  int dials = 0;
  uint64_t duration_ms = 0;
  // Sum of the pauses.
  uint64_t paused_ms = 0;
  std::multiset<size_t> addresses;
};

// Dials until the plan gives up; a dial that times out takes its full time, others take none.
template <typename TimesOut>
Played Play(const EngineSettings& settings, size_t addresses, bool refusing, TimesOut times_out) {
  DialPlan plan;
  Played played;
  uint64_t now_ms = 5'000;
  for (;;) {
    const DialPlan::Facts begin{settings, now_ms, addresses, refusing};
    played.addresses.insert(plan.NextAddress(addresses));
    const uint32_t allowed_ms = plan.Begin(begin);
    CHECK(allowed_ms > 0);
    const bool timed_out = times_out(played.dials++);
    if (timed_out) now_ms += allowed_ms;
    uint32_t pause_ms = 0;
    const DialPlan::Facts end{settings, now_ms, addresses, refusing};
    if (!plan.Failed(end, timed_out, &pause_ms)) {
      CHECK(plan.any_failed());
      played.duration_ms = now_ms - 5'000;
      return played;
    }
    now_ms += pause_ms;
    played.paused_ms += pause_ms;
  }
}

TEST(
    "a backend that refuses is dialled in 16 rounds over all its addresses, within a fifth of a second or "
    "so") {
  const EngineSettings settings;
  for (const size_t addresses : {1u, 2u, 3u, 5u}) {
    const Played played = Play(settings, addresses, false, [](int) { return false; });
    CHECK_EQ(played.dials, static_cast<int>(16 * addresses));
    for (size_t at = 0; at < addresses; ++at) CHECK_EQ(played.addresses.count(at), 16u);
    // 2 + 4 + ... + 28; the second round follows at once.
    CHECK_EQ(played.paused_ms, 210u);
  }
}

TEST("a backend that has refused lately is dialled in two rounds") {
  const EngineSettings settings;
  for (const size_t addresses : {1u, 2u, 3u}) {
    const Played played = Play(settings, addresses, true, [](int) { return false; });
    CHECK_EQ(played.dials, static_cast<int>(2 * addresses));
    CHECK_EQ(played.paused_ms, 24u);
  }
}

TEST("dials that are not answered share the connect timeout: a tenth, two, three and four") {
  const EngineSettings settings;
  DialPlan plan;
  uint64_t now_ms = 1;
  for (const uint32_t share : {300u, 600u, 900u, 1'200u}) {
    CHECK(!plan.any_timed_out() || share > 300);
    CHECK_EQ(plan.Begin({settings, now_ms, 1, false}), share);
    now_ms += share;
    uint32_t pause_ms = 0;
    // Two of them end a round each; the second round follows at once.
    const bool goes_on = plan.Failed({settings, now_ms, 1, false}, true, &pause_ms);
    CHECK_EQ(goes_on, share != 1'200u);
    if (share == 300u) CHECK_EQ(pause_ms, 0u);
    // The pause itself is left out.
  }
  CHECK_EQ(now_ms, 3'001u);
  plan.Reset();
  CHECK(!plan.any_failed() && !plan.any_timed_out());
  CHECK_EQ(plan.Begin({settings, now_ms, 1, false}), 300u);
}

TEST("whatever the dials do, a plan stays within the connect timeout and its rounds") {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    EngineSettings settings;
    settings.connect_timeout_ms = static_cast<uint32_t>(1 + random.Spread(13));
    settings.redial_step_ms = static_cast<uint32_t>(random.Below(5));
    const size_t addresses = 1 + random.Below(6);
    const bool refusing = random.OneIn(2);
    const size_t often = 1 + random.Below(8);
    const Played played =
        Play(settings, addresses, refusing, [&random, often](int) { return random.OneIn(often); });
    CHECK(played.dials >= 1 && played.dials <= static_cast<int>((refusing ? 2 : 16) * addresses));
    // A dial that begins with no time left gets one millisecond.
    CHECK(played.duration_ms <= settings.connect_timeout_ms + 1);
    for (const size_t address : played.addresses) CHECK(address < addresses);
  }
}

}  // namespace
}  // namespace sideroute::test
