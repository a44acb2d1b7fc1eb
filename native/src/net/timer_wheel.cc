#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace sideroute {

Timer::~Timer() {
  if (linked_) wheel_.Unlink(*this);
}

void Timer::Arm(uint64_t due_ms) {
  due_ms_ = due_ms;
  if (linked_) {
    if (due_ms / TimerWheel::kTickMs >= placed_tick_) return;
    wheel_.Unlink(*this);
  }
  wheel_.Place(*this, wheel_.tick_ + 1);
  wheel_.wake_(wheel_.context_, placed_tick_ * TimerWheel::kTickMs);
}

void Timer::ArmAfter(uint64_t delay_ms) { Arm(wheel_.now_ms() + delay_ms); }

TimerWheel::TimerWheel(Now now, Wake wake, void* context)
    : tick_(now(context) / kTickMs), now_(now), wake_(wake), context_(context) {}

void TimerWheel::Place(Timer& timer, uint64_t earliest_tick) {
  constexpr uint64_t kReach = (1ull << (kBits * kLevels)) - 1;
  const uint64_t due = timer.due_ms_ / kTickMs + (timer.due_ms_ % kTickMs != 0 ? 1 : 0);
  // A timer beyond the range of the wheel (18 h) is looked at early and placed again.
  const uint64_t tick = std::clamp(due, earliest_tick, tick_ + kReach - kSlots);
  const uint64_t distance = tick - tick_;
  unsigned level = 0;
  while (level + 1 < kLevels && distance >> (kBits * (level + 1)) != 0) ++level;
  const unsigned shift = kBits * level;
  timer.level_ = static_cast<uint8_t>(level);
  timer.slot_ = static_cast<uint8_t>((tick >> shift) & (kSlots - 1));
  timer.placed_tick_ = tick >> shift << shift;
  Timer*& first = slots_[level][timer.slot_];
  timer.prev_ = nullptr;
  timer.next_ = first;
  if (first != nullptr) first->prev_ = &timer;
  first = &timer;
  timer.linked_ = true;
  occupied_[level] |= 1ull << timer.slot_;
}

void TimerWheel::Unlink(Timer& timer) {
  Timer*& first = slots_[timer.level_][timer.slot_];
  if (timer.prev_ != nullptr) timer.prev_->next_ = timer.next_;
  if (timer.next_ != nullptr) timer.next_->prev_ = timer.prev_;
  if (first == &timer) first = timer.next_;
  if (first == nullptr) occupied_[timer.level_] &= ~(1ull << timer.slot_);
  timer.linked_ = false;
}

uint64_t TimerWheel::NextTick() const {
  uint64_t next = kNone;
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const uint64_t index = tick_ >> (kBits * level);
    const int after = static_cast<int>((index + 1) & (kSlots - 1));
    const uint64_t steps = static_cast<uint64_t>(std::countr_zero(std::rotr(occupied_[level], after))) + 1;
    next = std::min(next, (index + steps) << (kBits * level));
  }
  return next;
}

uint64_t TimerWheel::NextDueMs() const {
  const uint64_t next = NextTick();
  return next == kNone ? kNone : next * kTickMs;
}

void TimerWheel::Run(uint64_t now_ms) {
  const uint64_t target = now_ms / kTickMs;
  while (tick_ < target) {
    const uint64_t next = NextTick();
    if (next > target) {
      tick_ = target;
      return;
    }
    tick_ = next;
    RunTick();
  }
}

void TimerWheel::RunTick() {
  for (unsigned level = kLevels - 1; level > 0; --level) {
    const unsigned shift = kBits * level;
    if ((tick_ & ((1ull << shift) - 1)) != 0) continue;
    Timer*& first = slots_[level][(tick_ >> shift) & (kSlots - 1)];
    while (Timer* timer = first) {
      Unlink(*timer);
      if (timer->armed()) Place(*timer, tick_);
    }
  }
  // A callback may cancel, move or destroy any timer, so the slot is read again each time.
  Timer*& first = slots_[0][tick_ & (kSlots - 1)];
  while (Timer* timer = first) {
    Unlink(*timer);
    if (!timer->armed()) continue;
    if (timer->due_ms_ > tick_ * kTickMs) {
      Place(*timer, tick_ + 1);
      continue;
    }
    timer->due_ms_ = Timer::kNever;
    timer->callback_(timer->owner_);
  }
}

}  // namespace sideroute
