// All timers of the HTTP engine: one hierarchical wheel on the monotonic clock of the loop.
//
// Arming and cancelling are O(1) and cheap enough for every request: a timer that is postponed (an idle
// timer, on each request) keeps its slot and is only moved when that slot comes up.
#ifndef SIDEROUTE_NET_TIMER_WHEEL_H_
#define SIDEROUTE_NET_TIMER_WHEEL_H_

#include <array>
#include <cstdint>

namespace sideroute {

class TimerWheel;

// Calls `OnTimer` of its owner once, at a given time. It is a member of its owner.
class Timer {
 public:
  using Callback = void (*)(void* owner);

  Timer(TimerWheel& wheel, Callback callback, void* owner)
      : wheel_(wheel), callback_(callback), owner_(owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  // Starts or moves it.
  void Arm(uint64_t due_ms);
  void ArmAfter(uint64_t delay_ms);
  void Cancel() { due_ms_ = kNever; }
  bool armed() const { return due_ms_ != kNever; }
  uint64_t due_ms() const { return due_ms_; }

 private:
  friend class TimerWheel;
  static constexpr uint64_t kNever = UINT64_MAX;

  TimerWheel& wheel_;
  const Callback callback_;
  void* const owner_;
  Timer* prev_ = nullptr;
  Timer* next_ = nullptr;
  uint64_t due_ms_ = kNever;
  // When its slot is looked at; never later than due_ms_ while armed.
  uint64_t placed_tick_ = 0;
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
  bool linked_ = false;
};

// A Timer that calls a member function.
template <typename Owner, void (Owner::*Method)()>
class MemberTimer : public Timer {
 public:
  MemberTimer(TimerWheel& wheel, Owner* owner)
      : Timer(
            wheel, [](void* self) { (static_cast<Owner*>(self)->*Method)(); }, owner) {}
};

class TimerWheel {
 public:
  static constexpr uint64_t kNone = UINT64_MAX;

  // `now(context)` gives the time; `wake(context, due_ms)` asks for a call of Run no later than that.
  using Now = uint64_t (*)(void* context);
  using Wake = void (*)(void* context, uint64_t due_ms);
  TimerWheel(Now now, Wake wake, void* context);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Fires timers that are due, at most one tick late.
  void Run(uint64_t now_ms);
  // When to call Run next; kNone if nothing is armed.
  uint64_t NextDueMs() const;
  uint64_t now_ms() const { return now_(context_); }

 private:
  friend class Timer;
  static constexpr unsigned kTickMs = 4;
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kSlots = 1u << kBits;
  static constexpr unsigned kLevels = 4;

  void Place(Timer& timer, uint64_t earliest_tick);
  void Unlink(Timer& timer);
  uint64_t NextTick() const;
  void RunTick();

  std::array<std::array<Timer*, kSlots>, kLevels> slots_{};
  std::array<uint64_t, kLevels> occupied_{};
  uint64_t tick_;
  const Now now_;
  const Wake wake_;
  void* const context_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_TIMER_WHEEL_H_
