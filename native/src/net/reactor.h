// The event source of every socket the addon owns, on Node's own loop and thread.
//
// One epoll instance, edge-triggered, watches all of them and the epoll instance of the loop, and the thread
// waits there and not in the loop: a uv_prepare_t comes before the loop's own poll, which then finds what is
// ready and does not wait. So events of sockets cost one system call, whatever the loop does, and the loop
// has a round only when it wants one. One uv_timer_t serves all deadlines. Edge triggering is why nothing
// here can spin: a socket that is not read (back-pressure, a head that is still incomplete) raises no further
// event until something changes, yet a reset is always seen, with a single registration per socket. Listeners
// alone are level-triggered, so that who has taken a connection need not ask whether there is another.
//
// A turn is what happens between two looks at what is ready; where that is something of the loop, JavaScript
// gets the thread next. Each watcher has a share of a turn, and all of them together have no more than
// kTurnCost. What does not fit waits in a list for the next turn, where it comes after those who have
// something new and moved little last time: a small request never waits for bulk. Costs are counted in bytes
// moved, or in what else takes as long.
//
// Events name a registration, not an object: one that is over has none any more, whatever the kernel still
// says of it. Objects whose methods may be on the stack are given to Dispose(), which keeps their memory
// until the current batch ends.
#ifndef SIDEROUTE_NET_REACTOR_H_
#define SIDEROUTE_NET_REACTOR_H_

#include <sys/epoll.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/disposable.h"
#include "net/intrusive_list.h"
#include "net/unique_fd.h"

namespace sideroute {

class Reactor;

// `kLevel`: reported in every batch, as long as it lasts.
enum class Trigger : uint8_t { kEdge, kLevel };

// Receives the events of one descriptor. Must be unwatched, or forgotten, before it is destroyed.
class Watcher {
 public:
  // `events`: EPOLL* bits, none when Again has asked for it. May come spuriously: act on what the system
  // calls say.
  virtual void OnReady(uint32_t events) = 0;
  bool watched() const { return registration_ != kUnwatched; }

 protected:
  ~Watcher() = default;

 private:
  friend class Reactor;
  struct Place : ListNode<Place> {
    explicit Place(Watcher& watcher) : watcher(watcher) {}
    Watcher& watcher;
  };

  static constexpr uint32_t kUnwatched = UINT32_MAX;
  // Number of its registration.
  uint32_t registration_ = kUnwatched;
  // In the list of those that wait for another turn.
  Place place_{*this};
};

// What one connection has cost in the last turn in which it did anything.
class Share {
 private:
  friend class Reactor;
  uint64_t turn_ = 0;
  size_t cost_ = 0;
};

// A moment at which something has waited long enough. In at most one DeadlineQueue.
class Deadline : private ListNode<Deadline> {
 public:
  virtual void OnDeadline() = 0;
  bool pending() const { return linked(); }
  void Cancel() { Unlink(); }

 protected:
  ~Deadline() = default;

 private:
  friend class ListNode<Deadline>;
  friend class IntrusiveList<Deadline>;
  friend class DeadlineQueue;
  friend class Reactor;
  uint64_t due_ms_ = 0;
};

// Deadlines that all last equally long, so that they expire in the order they were added.
class DeadlineQueue {
 public:
  DeadlineQueue(Reactor& reactor, uint64_t duration_ms);
  DeadlineQueue(const DeadlineQueue&) = delete;
  DeadlineQueue& operator=(const DeadlineQueue&) = delete;
  ~DeadlineQueue();

  // Starts, or starts again, `deadline`.
  void Add(Deadline* deadline);

 private:
  friend class Reactor;
  Reactor& reactor_;
  const uint64_t duration_ms_;
  IntrusiveList<Deadline> deadlines_;
};

// Takes part in every turn: a batch of events, those who wait for another turn, or deadlines.
class TurnClient {
 public:
  // After each batch. No watcher is on the stack.
  virtual void OnBatchEnd() = 0;
  // After the last batch, before the thread waits.
  virtual void OnTurnEnd() = 0;
  // A clock of its own beside the deadline queues: when it is due (UINT64_MAX: never), and that time has
  // come.
  virtual uint64_t NextDueMs() const = 0;
  virtual void OnTime(uint64_t now_ms) = 0;

 protected:
  ~TurnClient() = default;
};

// One for a loop at most: while one waits no other does.
class Reactor {
 public:
  // Null, with a negative errno in `error`, when the kernel has no descriptor for it.
  static std::unique_ptr<Reactor> Create(uv_loop_t* loop, int* error);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  // All watchers and queues are gone by now. The uv handles finish closing on the loop, in memory of their
  // own.
  ~Reactor();

  // `on_closed(data)` runs once the loop has let go of the handles, after the Reactor is destroyed.
  void SetClosedCallback(void (*on_closed)(void*), void* data);

  // Returns 0 or a negative errno. An event already pending is reported in the next batch.
  int Watch(int fd, uint32_t events, Watcher* watcher, Trigger trigger = Trigger::kEdge);
  // Other events from now on. What is there already is reported once more.
  void Rewatch(int fd, uint32_t events, Watcher* watcher, Trigger trigger = Trigger::kEdge);
  // Before the descriptor is handed to somebody else. Events of this batch still queued are dropped.
  void Unwatch(int fd, Watcher* watcher);
  // The same without a system call, before the descriptor is closed, which takes it out of the epoll
  // instance. Should a child between fork and exec have a copy, events may come until it has not; nobody
  // hears of them.
  void Forget(Watcher* watcher);
  // `to` has the registration of `from` from now on. Events of this batch still queued are for `to`.
  void PassOn(Watcher& from, Watcher& to);
  // Calls OnReady once more, in a turn after this one: for work cut short for fairness. Costs no system call.
  void Again(Watcher* watcher);

  // Whether whoever has `share` may do more in this turn. If not, call Again.
  bool MayGoOn(const Share& share) const {
    if (share.turn_ != turn_) return share.cost_ < kLittle || turn_cost_ < kTurnCost || granted_;
    // Who moved little last time and finds the turn over has one window, should it be bulk after all.
    if (turn_cost_ >= kTurnCost && share.cost_ >= kLittle) return false;
    return share.cost_ < kLeastShare || (share.cost_ < kMostShare && unserved_ == 0 && again_.empty());
  }
  void Spend(Share* share, size_t cost) {
    if (share->turn_ != turn_) *share = Share();
    share->turn_ = turn_;
    share->cost_ += cost;
    turn_cost_ += cost;
  }
  // Asked on an event: whether whoever has `share` waits for its turn in the list (call Again), because it
  // moved much last time and others wait, or because this turn is over for all but those who move little.
  bool MustWait(const Share& share) const {
    return share.cost_ >= kLittle && (turn_cost_ >= kTurnCost || !again_.empty());
  }

  // Destroys `object` at the end of the batch, or at once outside of one.
  void Dispose(std::unique_ptr<Disposable> object);

  // Rises by one from a turn to the next.
  uint64_t turn() const { return turn_; }
  // A batch is under way: watchers may be on the stack.
  bool dispatching() const { return dispatching_; }
  // Does `work` as a turn of its own: for what is not begun by the loop, such as a call from JavaScript. Not
  // within a batch.
  template <typename Work>
  void Enter(Work work) {
    BeginTurn();
    dispatching_ = true;
    work();
    EndBatch();
    EndTurn();
  }

  void AddTurnClient(TurnClient* client) { turn_clients_.push_back(client); }
  void RemoveTurnClient(TurnClient* client) { std::erase(turn_clients_, client); }
  // NextDueMs of some client has become earlier.
  void WakeAt(uint64_t due_ms);
  // JavaScript runs, or has run: the loop has a round before the thread waits.
  void NoteJavaScript() { loop_wanted_ = true; }

  uint64_t NowMs() const { return uv_now(loop_); }

 private:
  friend class DeadlineQueue;
  struct Handles;
  // What an event names: the number of a registration, and which one of those that have had that number.
  struct Registration {
    // Null: free.
    Watcher* watcher = nullptr;
    uint32_t generation = 0;
    // While it is free, the next free one.
    uint32_t next_free = Watcher::kUnwatched;
  };

  // A share where others wait, and where nobody does. What a window of 64 KiB takes beyond it is moved, too.
  static constexpr size_t kLeastShare = 96 * 1024;
  static constexpr size_t kMostShare = 256 * 1024;
  // Of all: about half a millisecond.
  static constexpr size_t kTurnCost = 1024 * 1024;
  // Less than this is no bulk.
  static constexpr size_t kLittle = 16 * 1024;

  Reactor(uv_loop_t* loop, UniqueFd epoll_fd);
  Watcher* Named(uint64_t event) const {
    const Registration& named = registrations_[static_cast<uint32_t>(event)];
    return named.generation == static_cast<uint32_t>(event >> 32) ? named.watcher : nullptr;
  }
  uint64_t NameOf(const Watcher& watcher) const {
    return uint64_t{registrations_[watcher.registration_].generation} << 32 | watcher.registration_;
  }
  void Register(Watcher* watcher);
  void Round();
  bool Turn(int wait_ms);
  void BeginTurn();
  void DispatchEvents(const epoll_event* events, int count);
  void DispatchAgain();
  void DispatchDeadlines();
  // Whether what is due waits for another turn.
  bool CatchUpFirst(uint64_t now);
  void ArmTimer();
  void StartTimer(uint64_t due);
  void EndBatch();
  void EndTurn();

  uv_loop_t* const loop_;
  UniqueFd epoll_fd_;
  Handles* handles_ = nullptr;
  std::vector<Registration> registrations_;
  uint32_t free_registration_ = Watcher::kUnwatched;
  size_t watched_ = 0;
  bool dispatching_ = false;
  uint64_t turn_ = 1;
  size_t turn_cost_ = 0;
  // Events of the batch at hand that nobody has seen yet.
  int unserved_ = 0;
  IntrusiveList<Watcher::Place> again_;
  // For the one that is served however long the turn has been.
  bool granted_ = false;
  // Something of it is ready, or may be.
  bool loop_wanted_ = false;
  // What the timer is set for; UINT64_MAX: stopped.
  uint64_t armed_ms_ = UINT64_MAX;
  // The last look has found no events, so there are none that deadlines would have to wait for.
  bool drained_ = true;
  // Turns for which what is due has waited.
  int catch_up_turns_ = 0;
  // The last turn before the last of them.
  uint64_t caught_up_turn_ = 0;
  std::vector<DeadlineQueue*> queues_;
  std::vector<TurnClient*> turn_clients_;
  std::vector<std::unique_ptr<Disposable>> disposed_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_REACTOR_H_
