// The timer wheel compared with its specification: a check of every timer on every tick.
#include "net/timer_wheel.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "check.h"
#include "random.h"

namespace sideroute::test {
namespace {

constexpr uint64_t kTick = 4;

// A wheel on a clock that the test sets.
struct Clocked {
  uint64_t now_ms = 1'000'003;
  // The earliest time at which it has asked to be run since the last run.
  uint64_t asked_ms = TimerWheel::kNone;
  TimerWheel wheel{[](void* self) { return static_cast<Clocked*>(self)->now_ms; },
                   [](void* self, uint64_t due_ms) {
                     auto& asked = static_cast<Clocked*>(self)->asked_ms;
                     asked = std::min(asked, due_ms);
                   },
                   this};

  void RunAt(uint64_t ms) {
    now_ms = ms;
    asked_ms = TimerWheel::kNone;
    wheel.Run(now_ms);
  }
};

struct Probe {
  explicit Probe(Clocked& clock) : clock(clock), timer(clock.wheel, this) {}
  void OnTime() { ++fired; }

  Clocked& clock;
  int fired = 0;
  MemberTimer<Probe, &Probe::OnTime> timer;
};

TEST("a timer fires once, not before it is due and at most a tick late") {
  Clocked clock;
  for (uint64_t delay = 0; delay < 600; ++delay) {
    Probe probe(clock);
    const uint64_t due = clock.now_ms + delay;
    probe.timer.Arm(due);
    while (clock.now_ms < due + 2 * kTick) {
      const bool fired_before = probe.fired > 0;
      clock.RunAt(clock.now_ms + 1);
      if (probe.fired > 0 && !fired_before) {
        CHECK(clock.now_ms >= due);
        CHECK(clock.now_ms <= std::max(due, clock.now_ms - 1) + kTick);
      }
    }
    CHECK_EQ(probe.fired, 1);
    CHECK(!probe.timer.armed());
  }
  CHECK_EQ(clock.wheel.NextDueMs(), TimerWheel::kNone);
}

TEST("a timer of every distance up to weeks is woken for in time, in a few steps") {
  for (uint64_t delay : {0u, 3u, 4u, 255u, 256u, 257u, 16'383u, 16'384u, 1'048'575u, 1'048'577u, 67'108'863u,
                         67'108'865u, 900'000'000u, 4'000'000'000u}) {
    for (uint64_t offset = 0; offset < 70; ++offset) {
      Clocked clock;
      clock.RunAt(clock.now_ms + 61 * offset);
      Probe probe(clock);
      const uint64_t due = clock.now_ms + delay;
      probe.timer.Arm(due);
      int steps = 0;
      while (probe.fired == 0 && steps < 100) {
        const uint64_t next = clock.wheel.NextDueMs();
        CHECK(next != TimerWheel::kNone && next > clock.now_ms);
        CHECK(next <= due + 2 * kTick);
        clock.RunAt(next);
        ++steps;
      }
      CHECK(probe.fired == 1 && clock.now_ms >= due && clock.now_ms <= due + 2 * kTick);
    }
  }
}

TEST("arming a timer asks to be run in time") {
  Clocked clock;
  Probe first(clock), second(clock);
  first.timer.ArmAfter(1'000);
  CHECK(clock.asked_ms <= clock.now_ms + 1'000 + kTick);
  clock.asked_ms = TimerWheel::kNone;
  second.timer.ArmAfter(10);
  CHECK(clock.asked_ms <= clock.now_ms + 10 + kTick);
  clock.asked_ms = TimerWheel::kNone;
  // Later than its placed time, so no earlier run is needed.
  second.timer.ArmAfter(500);
  CHECK_EQ(clock.asked_ms, TimerWheel::kNone);
  second.timer.ArmAfter(20);
  clock.RunAt(clock.now_ms + 24);
  CHECK_EQ(second.fired, 1);
}

TEST("a callback may move, cancel and destroy timers of the same tick") {
  struct Scene {
    Clocked clock;
    std::unique_ptr<Probe> victim;
    std::unique_ptr<Probe> cancelled;
    std::unique_ptr<Probe> moved;
    int called = 0;
    void OnTime() {
      ++called;
      victim.reset();
      cancelled->timer.Cancel();
      moved->timer.Arm(clock.now_ms + 100);
      if (called == 1) timer.ArmAfter(0);
    }
    MemberTimer<Scene, &Scene::OnTime> timer{clock.wheel, this};
  };
  Scene scene;
  for (auto* probe : {&scene.victim, &scene.cancelled, &scene.moved}) {
    *probe = std::make_unique<Probe>(scene.clock);
    (*probe)->timer.ArmAfter(8);
  }
  // Within one tick, the timer armed last fires first.
  scene.timer.ArmAfter(8);
  scene.clock.RunAt(scene.clock.now_ms + 12);
  CHECK_EQ(scene.called, 1);
  CHECK_EQ(scene.cancelled->fired, 0);
  CHECK_EQ(scene.moved->fired, 0);
  scene.clock.RunAt(scene.clock.now_ms + 2 * kTick);
  // It had restarted itself.
  CHECK_EQ(scene.called, 2);
  scene.clock.RunAt(scene.clock.now_ms + 100 + kTick);
  CHECK_EQ(scene.moved->fired, 1);
}

// The expected behaviour, computed in a slow way.
struct Expected {
  uint64_t due = 0;
  // The earliest tick on which it can fire.
  uint64_t from_tick = 0;
  bool armed = false;
  int fired = 0;

  uint64_t tick() const { return std::max((due + kTick - 1) / kTick, from_tick); }
};

TEST("any sequence of arming, moving, cancelling, destroying and running is that of a list of timers") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    Clocked clock;
    uint64_t tick = clock.now_ms / kTick;
    std::vector<std::unique_ptr<Probe>> probes(24);
    std::vector<Expected> expected(probes.size());
    for (auto& probe : probes) probe = std::make_unique<Probe>(clock);
    for (int step = 0; step < 2'000; ++step) {
      const size_t at = random.Below(probes.size());
      switch (random.Below(8)) {
        case 0:
        case 1:
        case 2:
        case 3: {
          const uint64_t due = clock.now_ms + random.Spread(22);
          probes[at]->timer.Arm(due);
          expected[at] = {due, tick + 1, true, expected[at].fired};
          break;
        }
        case 4:
          probes[at]->timer.Cancel();
          expected[at].armed = false;
          break;
        case 5:
          probes[at] = std::make_unique<Probe>(clock);
          expected[at] = {};
          break;
        default: {
          // Often exactly to the time it asked for, and sometimes far beyond.
          const uint64_t next = clock.wheel.NextDueMs();
          const uint64_t to = random.OneIn(2) && next != TimerWheel::kNone ? std::max(next, clock.now_ms)
                                                                           : clock.now_ms + random.Spread(20);
          clock.RunAt(to);
          tick = std::max(tick, to / kTick);
          for (Expected& timer : expected) {
            if (!timer.armed || timer.tick() > tick) continue;
            timer.armed = false;
            ++timer.fired;
          }
        }
      }
      uint64_t first = TimerWheel::kNone;
      for (size_t i = 0; i < probes.size(); ++i) {
        CHECK_EQ(probes[i]->fired, expected[i].fired);
        CHECK_EQ(probes[i]->timer.armed(), expected[i].armed);
        if (expected[i].armed) first = std::min(first, expected[i].tick() * kTick);
      }
      // It may ask for a run without need, but never too late.
      CHECK(clock.wheel.NextDueMs() <= first);
    }
  }
}

}  // namespace
}  // namespace sideroute::test
