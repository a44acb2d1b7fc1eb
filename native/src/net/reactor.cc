#include "net/reactor.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/syscalls.h"

namespace sideroute {

namespace {
constexpr int kBatch = 256;
constexpr uint64_t kNever = UINT64_MAX;
// If a timer fires this much later than it was set for, the thread did not run meanwhile: the process was
// stopped, or the machine was busy.
constexpr uint64_t kHeldUpMs = 2;
// Deadlines that are due then wait at most this many turns for events that have arrived.
constexpr int kCatchUpTurns = 4;
// Stands for the loop's own epoll instance among the events.
constexpr uint64_t kLoopItself = UINT64_MAX;
// After this many turns in a row the loop gets a round, whether or not it is known to need one.
constexpr int kTurnsPerRound = 32;

constexpr uint32_t BitOf(Trigger trigger) { return trigger == Trigger::kEdge ? uint32_t{EPOLLET} : 0; }
}  // namespace

// libuv needs its handles until their close callbacks, which run after the Reactor is destroyed.
struct Reactor::Handles {
  uv_prepare_t prepare;
  uv_timer_t timer;
  // Active so that the loop does not wait in its own poll.
  uv_idle_t idle;
  Reactor* reactor = nullptr;
  int open = 0;
  void (*on_closed)(void*) = nullptr;
  void* data = nullptr;

  static void OnClose(uv_handle_t* handle) {
    auto* self = static_cast<Handles*>(handle->data);
    if (--self->open > 0) return;
    if (self->on_closed != nullptr) self->on_closed(self->data);
    delete self;
  }
};

DeadlineQueue::DeadlineQueue(Reactor& reactor, uint64_t duration_ms)
    : reactor_(reactor), duration_ms_(duration_ms) {
  reactor_.queues_.push_back(this);
}

DeadlineQueue::~DeadlineQueue() { std::erase(reactor_.queues_, this); }

void DeadlineQueue::Add(Deadline* deadline) {
  deadline->due_ms_ = reactor_.NowMs() + duration_ms_;
  deadlines_.PushBack(deadline);
  // For later deadlines the timer is armed already, for the first one; see ArmTimer about cancelled
  // deadlines.
  if (deadlines_.size() == 1) reactor_.ArmTimer();
}

std::unique_ptr<Reactor> Reactor::Create(uv_loop_t* loop, int* error) {
  UniqueFd epoll_fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_fd) {
    *error = -errno;
    return nullptr;
  }
  epoll_event loop_event{};
  loop_event.events = EPOLLIN;
  loop_event.data.u64 = kLoopItself;
  if (epoll_ctl(epoll_fd.get(), EPOLL_CTL_ADD, uv_backend_fd(loop), &loop_event) != 0) {
    *error = -errno;
    return nullptr;
  }
  *error = 0;
  std::unique_ptr<Reactor> reactor(new Reactor(loop, std::move(epoll_fd)));
  auto* handles = new Handles;
  handles->reactor = reactor.get();
  handles->prepare.data = handles->timer.data = handles->idle.data = handles;
  uv_prepare_init(loop, &handles->prepare);
  uv_timer_init(loop, &handles->timer);
  uv_idle_init(loop, &handles->idle);
  handles->open = 3;
  reactor->handles_ = handles;
  // Only watched sockets keep the loop alive; every deadline belongs to one.
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles->timer));
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles->idle));
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles->prepare));
  uv_prepare_start(&handles->prepare,
                   [](uv_prepare_t* handle) { static_cast<Handles*>(handle->data)->reactor->Round(); });
  return reactor;
}

Reactor::Reactor(uv_loop_t* loop, UniqueFd epoll_fd) : loop_(loop), epoll_fd_(std::move(epoll_fd)) {}

Reactor::~Reactor() {
  disposed_.clear();
  uv_prepare_stop(&handles_->prepare);
  uv_timer_stop(&handles_->timer);
  uv_idle_stop(&handles_->idle);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->prepare), Handles::OnClose);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->idle), Handles::OnClose);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->timer), Handles::OnClose);
}

void Reactor::SetClosedCallback(void (*on_closed)(void*), void* data) {
  handles_->on_closed = on_closed;
  handles_->data = data;
}

int Reactor::Watch(int fd, uint32_t events, Watcher* watcher, Trigger trigger) {
  if (!watcher->watched()) Register(watcher);
  epoll_event event{};
  event.events = events | BitOf(trigger);
  event.data.u64 = NameOf(*watcher);
  if (epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  const int error = -errno;
  Forget(watcher);
  return error;
}

void Reactor::Rewatch(int fd, uint32_t events, Watcher* watcher, Trigger trigger) {
  epoll_event event{};
  event.events = events | BitOf(trigger);
  event.data.u64 = NameOf(*watcher);
  // This cannot fail for a registered descriptor.
  epoll_ctl(epoll_fd_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Reactor::Unwatch(int fd, Watcher* watcher) {
  if (!watcher->watched()) return;
  epoll_ctl(epoll_fd_.get(), EPOLL_CTL_DEL, fd, nullptr);
  Forget(watcher);
}

void Reactor::Register(Watcher* watcher) {
  if (free_registration_ == Watcher::kUnwatched) {
    free_registration_ = static_cast<uint32_t>(registrations_.size());
    registrations_.emplace_back();
  }
  watcher->registration_ = free_registration_;
  Registration& registration = registrations_[free_registration_];
  free_registration_ = registration.next_free;
  registration.watcher = watcher;
  if (watched_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&handles_->prepare));
}

void Reactor::Forget(Watcher* watcher) {
  if (!watcher->watched()) return;
  Registration& registration = registrations_[watcher->registration_];
  registration.watcher = nullptr;
  ++registration.generation;
  registration.next_free = free_registration_;
  free_registration_ = watcher->registration_;
  watcher->registration_ = Watcher::kUnwatched;
  watcher->place_.Unlink();
  if (--watched_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->prepare));
}

void Reactor::PassOn(Watcher& from, Watcher& to) {
  to.registration_ = std::exchange(from.registration_, Watcher::kUnwatched);
  registrations_[to.registration_].watcher = &to;
  from.place_.Unlink();
}

void Reactor::Again(Watcher* watcher) {
  if (!watcher->watched()) return;
  // A watcher that waits already keeps its place.
  if (!watcher->place_.linked()) again_.PushBack(&watcher->place_);
}

void Reactor::Dispose(std::unique_ptr<Disposable> object) {
  if (dispatching_) disposed_.push_back(std::move(object));
}

void Reactor::BeginTurn() {
  // Code that ran earlier in this round may have taken long, and deadlines are counted from now.
  uv_update_time(loop_);
  ++turn_;
  turn_cost_ = 0;
}

// Replaces the loop's own poll. One round may have many turns: while only sockets are ready, the loop has
// nothing to do. The loop gets its part of the round if its epoll instance is ready, if one of its timers is
// due (uv_backend_timeout), and if JavaScript has run, because that may have asked the loop for anything.
void Reactor::Round() {
  uv_idle_stop(&handles_->idle);
  // There is nothing to wait for here, so the loop may wait by itself.
  if (watched_ == 0) return;
  loop_wanted_ = false;
  for (int turns = 0; turns < kTurnsPerRound; ++turns) {
    const int wait_ms = again_.empty() ? uv_backend_timeout(loop_) : 0;
    const bool served = Turn(wait_ms);
    if (!served || wait_ms == 0 || loop_wanted_ || watched_ == 0) break;
  }
  uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
}

// Returns false if there was nothing to do for `wait_ms`; -1: waits until there is.
bool Reactor::Turn(int wait_ms) {
  epoll_event events[kBatch];
  const int count = PollEvents(epoll_fd_.get(), events, kBatch, wait_ms);
  // Or a signal has interrupted the call, which the loop handles.
  drained_ = count <= 0;
  if (drained_ && again_.empty()) return false;
  BeginTurn();
  if (count > 0) DispatchEvents(events, count);
  if (!again_.empty()) DispatchAgain();
  EndTurn();
  return true;
}

void Reactor::DispatchEvents(const epoll_event* events, int count) {
  dispatching_ = true;
  for (int i = 0; i < count; ++i) {
    unserved_ = count - i - 1;
    if (events[i].data.u64 == kLoopItself) {
      loop_wanted_ = true;
    } else if (Watcher* watcher = Named(events[i].data.u64)) {
      watcher->OnReady(events[i].events);
    }
  }
  EndBatch();
}

// Serves the waiting watchers in order, as long as the turn lasts; at least one, so that none waits for ever.
void Reactor::DispatchAgain() {
  dispatching_ = granted_ = true;
  // Watchers added meanwhile belong to the next turn.
  for (size_t left = again_.size(); left > 0 && !again_.empty(); --left) {
    if (!granted_ && turn_cost_ >= kTurnCost) break;
    Watcher& watcher = again_.Front()->watcher;
    watcher.place_.Unlink();
    watcher.OnReady(0);
    granted_ = false;
  }
  EndBatch();
}

void Reactor::DispatchDeadlines() {
  const uint64_t now = NowMs();
  const bool caught_up = catch_up_turns_ > 0;
  if (CatchUpFirst(now)) return;
  // Other timers of the loop take time too and may have led here before the sockets were polled again.
  if (caught_up && turn_ == caught_up_turn_) Turn(0);
  BeginTurn();
  dispatching_ = true;
  // By index, because a deadline may create or remove a queue.
  for (size_t i = 0; i < queues_.size(); ++i) {
    DeadlineQueue* queue = queues_[i];
    // Bounded by the current number, so that a deadline that restarts itself is not served twice.
    for (size_t left = queue->deadlines_.size(); left > 0; --left) {
      Deadline* first = queue->deadlines_.Front();
      if (first == nullptr || first->due_ms_ > now) break;
      first->Cancel();
      first->OnDeadline();
      if (i >= queues_.size() || queues_[i] != queue) break;
    }
  }
  for (size_t i = 0; i < turn_clients_.size(); ++i) turn_clients_[i]->OnTime(now);
  EndBatch();
  EndTurn();
  ArmTimer();
}

// Serves what arrived in time first, even if nobody has polled until now: by the clock alone, a request that
// waits in its connection, or a response, would be given up only because this thread did not run. Round polls
// the sockets before the timer leads here again.
bool Reactor::CatchUpFirst(uint64_t now) {
  const bool late = now >= armed_ms_ + kHeldUpMs;
  if ((!late && drained_) || catch_up_turns_ == kCatchUpTurns) {
    catch_up_turns_ = 0;
    drained_ = true;
    return false;
  }
  ++catch_up_turns_;
  caught_up_turn_ = turn_;
  // Stays true if there is nothing to serve.
  drained_ = true;
  StartTimer(now + 1);
  return true;
}

// Arms the timer for the earliest deadline. A cancelled deadline leaves the timer as it is: it fires, finds
// nothing due and is armed again, which is cheaper than to move it for every connection.
void Reactor::ArmTimer() {
  uint64_t due = kNever;
  for (const DeadlineQueue* queue : queues_) {
    if (const Deadline* first = queue->deadlines_.Front()) due = std::min(due, first->due_ms_);
  }
  for (const TurnClient* client : turn_clients_) due = std::min(due, client->NextDueMs());
  if (due == kNever) {
    armed_ms_ = kNever;
    uv_timer_stop(&handles_->timer);
    return;
  }
  StartTimer(due);
}

void Reactor::StartTimer(uint64_t due) {
  armed_ms_ = due;
  const uint64_t now = NowMs();
  uv_timer_start(
      &handles_->timer,
      [](uv_timer_t* handle) { static_cast<Handles*>(handle->data)->reactor->DispatchDeadlines(); },
      due > now ? due - now : 0, 0);
}

void Reactor::WakeAt(uint64_t due_ms) {
  if (due_ms < armed_ms_) ArmTimer();
}

void Reactor::EndBatch() {
  for (size_t i = 0; i < turn_clients_.size(); ++i) turn_clients_[i]->OnBatchEnd();
  dispatching_ = false;
  // Destructors may dispose of further objects.
  const std::vector<std::unique_ptr<Disposable>> disposed = std::move(disposed_);
  disposed_.clear();
}

void Reactor::EndTurn() {
  // Twice, because JavaScript that is called back may close an engine, and exchanges that end with it are
  // reported too.
  for (int pass = 0; pass < 2; ++pass) {
    // As within a batch: objects must not be destroyed while a client that calls them is on the stack.
    dispatching_ = true;
    for (size_t i = 0; i < turn_clients_.size(); ++i) turn_clients_[i]->OnTurnEnd();
    EndBatch();
  }
}

}  // namespace sideroute
