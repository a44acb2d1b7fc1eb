// The event source of all sockets the addon owns, on Node's own loop and thread.
//
// One epoll instance, edge-triggered, watches all these sockets and the loop's own epoll instance. The thread
// waits in it and not in the loop: a uv_prepare_t runs before the loop's own poll, which then finds what is
// ready and does not wait. So socket events cost one system call, whatever the loop does, and the loop has a
// round only when it needs one. One uv_timer_t serves all deadlines. Edge triggering makes sure that nothing
// here can spin: a socket that is not read (back-pressure, an incomplete head) raises no further event until
// something changes, yet a reset is always seen, with a single registration per socket. Only listeners are
// level-triggered, so that nobody has to ask after each accept whether another connection waits.
//
// A turn is what happens between two calls of epoll_wait. If something of the loop is ready, JavaScript gets
// the thread next. Each watcher has a share of a turn, and all of them together at most kTurnCost. Work
// beyond that waits in a list for the next turn, after those that have something new and moved little last
// time: so a small request never waits for bulk data. Costs are counted in bytes moved, or in the number of
// bytes whose move would take as long.
//
// An event names a registration, not an object: when a registration is over, later events for it are dropped.
// Objects whose methods may be on the stack are given to Dispose(), which keeps their memory until the
// current batch ends.
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

// `kLevel`: reported in every batch while the condition lasts.
enum class Trigger : uint8_t { kEdge, kLevel };

// Receives the events of one descriptor. Must be unwatched or forgotten before it is destroyed.
class Watcher {
 public:
  // `events`: EPOLL* bits; none if the call follows Again. The call may be spurious: rely on the results of
  // system calls.
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
  // Links of the list of watchers that wait for another turn.
  Place place_{*this};
};

// The cost of one connection in the last turn in which it was active.
class Share {
 private:
  friend class Reactor;
  uint64_t turn_ = 0;
  size_t cost_ = 0;
};

// A point in time at which OnDeadline is called. In at most one DeadlineQueue.
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

// Deadlines of equal duration, so that they expire in the order they were added.
class DeadlineQueue {
 public:
  DeadlineQueue(Reactor& reactor, uint64_t duration_ms);
  DeadlineQueue(const DeadlineQueue&) = delete;
  DeadlineQueue& operator=(const DeadlineQueue&) = delete;
  ~DeadlineQueue();

  // Starts or restarts `deadline`.
  void Add(Deadline* deadline);

 private:
  friend class Reactor;
  Reactor& reactor_;
  const uint64_t duration_ms_;
  IntrusiveList<Deadline> deadlines_;
};

// Takes part in every turn: a batch of events, the waiting watchers, or deadlines.
class TurnClient {
 public:
  // Called after each batch. No watcher is on the stack.
  virtual void OnBatchEnd() = 0;
  // Called after the last batch, before the thread waits.
  virtual void OnTurnEnd() = 0;
  // A clock beside the deadline queues: NextDueMs says when it is due (UINT64_MAX: never), OnTime that it is.
  virtual uint64_t NextDueMs() const = 0;
  virtual void OnTime(uint64_t now_ms) = 0;

 protected:
  ~TurnClient() = default;
};

// At most one per loop: while one waits in epoll_wait, no other can.
class Reactor {
 public:
  // Returns null, with a negative errno in `error`, if the kernel cannot create it.
  static std::unique_ptr<Reactor> Create(uv_loop_t* loop, int* error);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  // All watchers and queues must be gone. The uv handles finish closing on the loop, in memory of their own.
  ~Reactor();

  // `on_closed(data)` runs when the loop has closed the handles, after the Reactor is destroyed.
  void SetClosedCallback(void (*on_closed)(void*), void* data);

  // A registration of which the kernel knows nothing until Watch: what ends soon costs no system call.
  // PassOn, Again and Forget are as with any other.
  void Enroll(Watcher* watcher) { Register(watcher); }
  // Returns 0 or a negative errno. An event already pending is reported in the next batch.
  int Watch(int fd, uint32_t events, Watcher* watcher, Trigger trigger = Trigger::kEdge);
  // Changes the events. Conditions that hold already are reported once more.
  void Rewatch(int fd, uint32_t events, Watcher* watcher, Trigger trigger = Trigger::kEdge);
  // Call it before the descriptor is handed to another owner. Queued events of this batch are dropped.
  void Unwatch(int fd, Watcher* watcher);
  // The same without a system call, before the descriptor is closed, which removes it from the epoll
  // instance. If a child between fork and exec has a copy, the kernel may still report events; they are
  // dropped.
  void Forget(Watcher* watcher);
  // Gives the registration of `from` to `to`, queued events of this batch included.
  void PassOn(Watcher& from, Watcher& to);
  // Calls OnReady once more in a later turn: for work that was cut short for fairness. Costs no system call.
  void Again(Watcher* watcher);

  // Whether the owner of `share` may do more in this turn. If not, it has to call Again.
  bool MayGoOn(const Share& share) const {
    if (share.turn_ != turn_) return share.cost_ < kLittle || turn_cost_ < kTurnCost || granted_;
    // An owner that moved little last time gets one window even when the turn is over, in case it is bulk
    // now.
    if (turn_cost_ >= kTurnCost && share.cost_ >= kLittle) return false;
    return share.cost_ < kLeastShare || (share.cost_ < kMostShare && unserved_ == 0 && again_.empty());
  }
  void Spend(Share* share, size_t cost) {
    if (share->turn_ != turn_) *share = Share();
    share->turn_ = turn_;
    share->cost_ += cost;
    turn_cost_ += cost;
  }
  // Called on an event: whether the owner of `share` has to wait in the list (by Again). It has to if it
  // moved much last time and others wait, or if the turn is over for all except those that move little.
  bool MustWait(const Share& share) const {
    return share.cost_ >= kLittle && (turn_cost_ >= kTurnCost || !again_.empty());
  }

  // Destroys `object` at the end of the batch, or at once outside a batch.
  void Dispose(std::unique_ptr<Disposable> object);

  // Increases by one from turn to turn.
  uint64_t turn() const { return turn_; }
  // A batch is being handled: watchers may be on the stack.
  bool dispatching() const { return dispatching_; }
  // Runs `work` as a turn of its own, for work that the loop did not start, such as a call from JavaScript.
  // Not within a batch.
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
  // NextDueMs of a client has become earlier.
  void WakeAt(uint64_t due_ms);
  // JavaScript runs or has run, so the loop gets a round before the thread waits.
  void NoteJavaScript() { loop_wanted_ = true; }

  uint64_t NowMs() const { return uv_now(loop_); }

 private:
  friend class DeadlineQueue;
  struct Handles;
  // An event names a registration by its number and its generation, because numbers are reused.
  struct Registration {
    // Null if it is free.
    Watcher* watcher = nullptr;
    uint32_t generation = 0;
    // While free: the next free one.
    uint32_t next_free = Watcher::kUnwatched;
  };

  // Share of one watcher while others wait, and while nobody waits. The window of 64 KiB that exceeds it is
  // moved completely.
  static constexpr size_t kLeastShare = 96 * 1024;
  static constexpr size_t kMostShare = 256 * 1024;
  // For all together: about half a millisecond.
  static constexpr size_t kTurnCost = 1024 * 1024;
  // Less than this does not count as bulk.
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
  // Whether deadlines that are due have to wait for another turn.
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
  // Events of the current batch that were not handled yet.
  int unserved_ = 0;
  IntrusiveList<Watcher::Place> again_;
  // Set for the one watcher that is served however long the turn has been.
  bool granted_ = false;
  // The loop has something ready, or may have.
  bool loop_wanted_ = false;
  // The time the timer is set for; UINT64_MAX: it is stopped.
  uint64_t armed_ms_ = UINT64_MAX;
  // The last poll found no events, so deadlines need not wait for any.
  bool drained_ = true;
  // Turns that due deadlines have waited.
  int catch_up_turns_ = 0;
  // The last turn before the last of them.
  uint64_t caught_up_turn_ = 0;
  std::vector<DeadlineQueue*> queues_;
  std::vector<TurnClient*> turn_clients_;
  std::vector<std::unique_ptr<Disposable>> disposed_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_REACTOR_H_
