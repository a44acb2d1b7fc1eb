// An event loop that turns when a test says so, with a clock that stands still meanwhile.
//
//   ScriptedLoop loop;
//   auto reactor = loop.MakeReactor();
//   loop.Advance(20);   // the clock, not the loop
//   loop.Turn();        // timers, idle handles, descriptors, closed handles, in libuv's order
#ifndef SIDEROUTE_TEST_SCRIPTED_LOOP_H_
#define SIDEROUTE_TEST_SCRIPTED_LOOP_H_

#include <uv.h>

#include <memory>

#include "net/reactor.h"

namespace sideroute::test {

class ScriptedLoop {
 public:
  ScriptedLoop() = default;
  ScriptedLoop(const ScriptedLoop&) = delete;
  ScriptedLoop& operator=(const ScriptedLoop&) = delete;
  // All handles are closed by now, or on their way.
  ~ScriptedLoop();

  uv_loop_t* get() { return &loop_; }
  std::unique_ptr<Reactor> MakeReactor();

  void Advance(uint64_t ms) { loop_.clock_ms += ms; }
  // One round; never waits.
  void Turn();
  void Turns(int count) {
    for (int i = 0; i < count; ++i) Turn();
  }
  // What a loop does for descriptors that are ready: the callbacks alone, without what a Turn is beside them.
  void Serve();
  // Readable while a descriptor is ready.
  int poll_fd() const;
  // Lets `ms` pass as they do while nothing else happens: the loop turns whenever a timer is due.
  void Pass(uint64_t ms);
  uint64_t now_ms() const { return loop_.clock_ms; }
  // Something holds the loop open.
  bool alive() const;
  // When a timer fires next; UINT64_MAX: never.
  uint64_t next_timer_ms() const;
  // The next round does not wait.
  bool spinning() const;

 private:
  uv_loop_t loop_;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_SCRIPTED_LOOP_H_
