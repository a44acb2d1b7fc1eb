#include "net/reactor.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/syscalls.h"

namespace sideroute {

namespace {
constexpr int kBatch = 256;
constexpr uint64_t kNever = UINT64_MAX;
// A timer that fires so much later than it was set for shows that the thread did not run meanwhile: the
// process was stopped, or the machine had no time for it.
constexpr uint64_t kHeldUpMs = 2;
// So many turns, at most, what is due waits then for what has arrived.
constexpr int kCatchUpTurns = 4;
// Names the loop's own epoll instance among the events.
constexpr uint64_t kLoopItself = UINT64_MAX;
// After so many turns in a row the loop has a round, whether or not it is known to want one.
constexpr int kTurnsPerRound = 32;

constexpr uint32_t BitOf(Trigger trigger) { return trigger == Trigger::kEdge ? uint32_t{EPOLLET} : 0; }
}  // namespace

// libuv wants its handles to outlive the Reactor by the time of a close callback.
struct Reactor::Handles {
  uv_prepare_t prepare;
  uv_timer_t timer;
  // Runs so that the loop does not wait by itself.
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
  // Later ones find the timer already armed for the first; see ArmTimer for deadlines that were cancelled.
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
  // The loop stays alive for watched sockets only; every deadline belongs to one.
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
  Register(watcher);
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
  // Of a descriptor that is registered nothing can fail.
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
  // Who waits keeps its place.
  if (!watcher->place_.linked()) again_.PushBack(&watcher->place_);
}

void Reactor::Dispose(std::unique_ptr<Disposable> object) {
  if (dispatching_) disposed_.push_back(std::move(object));
}

void Reactor::BeginTurn() {
  // What ran before in this round of the loop may have taken long, and deadlines begin now.
  uv_update_time(loop_);
  ++turn_;
  turn_cost_ = 0;
}

// What the loop would do with its own poll. One round may have many turns: while nothing but sockets is ready
// the loop and its poll have nothing to add to them. The loop has its part of the round when its epoll
// instance has something, when a timer or anything else of it is due (uv_backend_timeout), and when
// JavaScript has run, since nobody can tell what that has asked of the loop.
void Reactor::Round() {
  uv_idle_stop(&handles_->idle);
  // Nothing to wait for: the loop may do so by itself.
  if (watched_ == 0) return;
  loop_wanted_ = false;
  for (int turns = 0; turns < kTurnsPerRound; ++turns) {
    const int wait_ms = again_.empty() ? uv_backend_timeout(loop_) : 0;
    const bool served = Turn(wait_ms);
    if (!served || wait_ms == 0 || loop_wanted_ || watched_ == 0) break;
  }
  uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
}

// False when there was nothing to do for `wait_ms`; -1: waits until there is.
bool Reactor::Turn(int wait_ms) {
  epoll_event events[kBatch];
  const int count = PollEvents(epoll_fd_.get(), events, kBatch, wait_ms);
  // Or a signal has come in between, which the loop hears of.
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

// Those who have waited, in their order, as far as the turn goes; one at least, so that nobody waits for
// ever.
void Reactor::DispatchAgain() {
  dispatching_ = granted_ = true;
  // What is asked for meanwhile belongs to the next turn.
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
  // Timers of others, which take time, too, may have led here before there was another look at the sockets.
  if (caught_up && turn_ == caught_up_turn_) Turn(0);
  BeginTurn();
  dispatching_ = true;
  // By index: a deadline may create or remove a queue.
  for (size_t i = 0; i < queues_.size(); ++i) {
    DeadlineQueue* queue = queues_[i];
    // Bounded by what waits now, so that a deadline which starts itself again is not served twice.
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

// What arrived in time is served first, although nobody has looked until now: by the clock alone a request
// that waits in its connection, or a response, would be given up just because this thread did not run.
// Round looks at the sockets before the timer leads here again.
bool Reactor::CatchUpFirst(uint64_t now) {
  const bool late = now >= armed_ms_ + kHeldUpMs;
  if ((!late && drained_) || catch_up_turns_ == kCatchUpTurns) {
    catch_up_turns_ = 0;
    drained_ = true;
    return false;
  }
  ++catch_up_turns_;
  caught_up_turn_ = turn_;
  // Stays true when there is nothing to serve.
  drained_ = true;
  StartTimer(now + 1);
  return true;
}

// Armed for the earliest deadline there is. A cancelled one leaves the timer as it is: it fires, finds
// nothing due, and is armed anew, which is cheaper than moving it for every connection.
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
  // Destructors may dispose of more.
  const std::vector<std::unique_ptr<Disposable>> disposed = std::move(disposed_);
  disposed_.clear();
}

void Reactor::EndTurn() {
  // Twice, because JavaScript that is called back may close an engine, and what ends with it is reported,
  // too.
  for (int pass = 0; pass < 2; ++pass) {
    // As within a batch: what a client calls must not destroy anything under its feet.
    dispatching_ = true;
    for (size_t i = 0; i < turn_clients_.size(); ++i) turn_clients_[i]->OnTurnEnd();
    EndBatch();
  }
}

}  // namespace sideroute
