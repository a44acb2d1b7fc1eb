// An event loop that turns when a test says so, with a clock that stands still in between.
//
//   ScriptedLoop loop;
//   auto reactor = loop.MakeReactor();
//   loop.Advance(20);   // the clock, not the loop
//   loop.Turn();        // timers, idle and prepare handles, closed handles, in libuv's order
#ifndef SIDEROUTE_TEST_SCRIPTED_LOOP_H_
#define SIDEROUTE_TEST_SCRIPTED_LOOP_H_

#include <uv.h>

#include <memory>

#include "net/reactor.h"

namespace sideroute::test {

class ScriptedLoop {
 public:
  ScriptedLoop();
  ScriptedLoop(const ScriptedLoop&) = delete;
  ScriptedLoop& operator=(const ScriptedLoop&) = delete;
  // All handles must be closed or closing.
  ~ScriptedLoop();

  uv_loop_t* get() { return &loop_; }
  std::unique_ptr<Reactor> MakeReactor();

  void Advance(uint64_t ms) { loop_.clock_ms += ms; }
  // One round; never waits.
  void Turn();
  void Turns(int count) {
    for (int i = 0; i < count; ++i) Turn();
  }
  // Only the callbacks of a round, without the rest of a Turn.
  void Serve();
  // Lets `ms` pass while nothing else happens: the loop turns whenever a timer is due.
  void Pass(uint64_t ms);
  uint64_t now_ms() const { return loop_.clock_ms; }
  // Something holds the loop open.
  bool alive() const;
  // When a timer fires next; UINT64_MAX: never.
  uint64_t next_timer_ms() const;
  // In the last round the reactor would have waited if there had been nothing to do, because it asked for how
  // long.
  bool waited() const { return loop_.asked > 0; }
  // How often it asked.
  int asked() const { return loop_.asked; }
  // From here on the reactor may wait this long, in real time, until something is ready.
  void LetWait(int ms) { loop_.idle_ms = ms; }
  // Makes something of the loop itself ready, or not ready any more.
  void Want(bool wanted);
  // Nothing keeps the loop from waiting in its own poll.
  bool waits_by_itself() const;

 private:
  uv_loop_t loop_;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_SCRIPTED_LOOP_H_
