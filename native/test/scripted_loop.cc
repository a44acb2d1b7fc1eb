#include "scripted_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "check.h"

namespace {

enum Kind { kPrepare, kTimer, kIdle, kClosing };

template <typename Handle>
uv_handle_t* Base(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

template <typename Handle>
int Init(uv_loop_t* loop, Handle* handle, Kind kind) {
  handle->loop = loop;
  handle->kind = kind;
  handle->active = false;
  handle->referenced = true;
  loop->handles.push_back(Base(handle));
  return 0;
}

// The active handles of one kind; a copy, because a callback may stop others.
template <typename Handle>
std::vector<Handle*> ActiveOf(const uv_loop_t& loop, Kind kind) {
  std::vector<Handle*> active;
  for (uv_handle_t* handle : loop.handles) {
    if (handle->kind == kind && handle->active) active.push_back(reinterpret_cast<Handle*>(handle));
  }
  return active;
}

bool Exists(const uv_loop_t& loop, uv_handle_t* handle) {
  return std::find(loop.handles.begin(), loop.handles.end(), handle) != loop.handles.end();
}

}  // namespace

int uv_backend_timeout(const uv_loop_t* loop) {
  ++const_cast<uv_loop_t*>(loop)->asked;
  return loop->idle_ms;
}
int uv_prepare_init(uv_loop_t* loop, uv_prepare_t* handle) { return Init(loop, handle, kPrepare); }
int uv_prepare_start(uv_prepare_t* handle, void (*callback)(uv_prepare_t*)) {
  handle->callback = callback;
  handle->active = true;
  return 0;
}
int uv_prepare_stop(uv_prepare_t* handle) {
  handle->active = false;
  return 0;
}
int uv_timer_init(uv_loop_t* loop, uv_timer_t* handle) { return Init(loop, handle, kTimer); }
int uv_timer_start(uv_timer_t* handle, void (*callback)(uv_timer_t*), uint64_t timeout_ms, uint64_t) {
  handle->callback = callback;
  handle->due_ms = handle->loop->now_ms + timeout_ms;
  handle->active = true;
  return 0;
}
int uv_timer_stop(uv_timer_t* handle) {
  handle->active = false;
  return 0;
}
int uv_idle_init(uv_loop_t* loop, uv_idle_t* handle) { return Init(loop, handle, kIdle); }
int uv_idle_start(uv_idle_t* handle, void (*callback)(uv_idle_t*)) {
  handle->callback = callback;
  handle->active = true;
  return 0;
}
int uv_idle_stop(uv_idle_t* handle) {
  handle->active = false;
  return 0;
}
void uv_close(uv_handle_t* handle, void (*on_close)(uv_handle_t*)) {
  handle->active = false;
  handle->kind = kClosing;
  handle->on_close = on_close;
}

namespace sideroute::test {

ScriptedLoop::ScriptedLoop() { loop_.backend_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

ScriptedLoop::~ScriptedLoop() {
  Turn();
  CHECK(loop_.handles.empty());
  close(loop_.backend_fd);
}

std::unique_ptr<Reactor> ScriptedLoop::MakeReactor() {
  int error = 0;
  auto reactor = Reactor::Create(&loop_, &error);
  CHECK(error == 0);
  return reactor;
}

void ScriptedLoop::Turn() {
  uv_update_time(&loop_);
  loop_.asked = 0;
  for (uv_timer_t* timer : ActiveOf<uv_timer_t>(loop_, kTimer)) {
    if (!Exists(loop_, Base(timer)) || !timer->active || timer->due_ms > loop_.now_ms) continue;
    timer->active = false;
    timer->callback(timer);
  }
  for (uv_idle_t* idle : ActiveOf<uv_idle_t>(loop_, kIdle)) {
    if (idle->active) idle->callback(idle);
  }
  for (uv_prepare_t* prepare : ActiveOf<uv_prepare_t>(loop_, kPrepare)) {
    if (prepare->active) prepare->callback(prepare);
  }
  const std::vector<uv_handle_t*> handles = loop_.handles;
  for (uv_handle_t* handle : handles) {
    if (handle->kind != kClosing) continue;
    std::erase(loop_.handles, handle);
    handle->on_close(handle);
  }
}

void ScriptedLoop::Serve() {
  uv_update_time(&loop_);
  // No callback of the addon adds or removes a handle.
  for (uv_handle_t* handle : loop_.handles) {
    auto* timer = reinterpret_cast<uv_timer_t*>(handle);
    if (handle->kind != kTimer || !handle->active || timer->due_ms > loop_.now_ms) continue;
    timer->active = false;
    timer->callback(timer);
  }
  for (uv_handle_t* handle : loop_.handles) {
    auto* prepare = reinterpret_cast<uv_prepare_t*>(handle);
    if (handle->kind == kPrepare && handle->active) prepare->callback(prepare);
  }
}

void ScriptedLoop::Pass(uint64_t ms) {
  const uint64_t end = loop_.clock_ms + ms;
  for (;;) {
    loop_.clock_ms = std::max(loop_.clock_ms, std::min(end, next_timer_ms()));
    Turn();
    if (loop_.clock_ms >= end && next_timer_ms() > end) return;
  }
}

bool ScriptedLoop::alive() const {
  return std::any_of(loop_.handles.begin(), loop_.handles.end(), [](const uv_handle_t* handle) {
    return handle->kind == kClosing || (handle->active && handle->referenced);
  });
}

uint64_t ScriptedLoop::next_timer_ms() const {
  uint64_t next = UINT64_MAX;
  for (const uv_timer_t* timer : ActiveOf<uv_timer_t>(loop_, kTimer)) next = std::min(next, timer->due_ms);
  return next;
}

void ScriptedLoop::Want(bool wanted) {
  eventfd_t value = 1;
  if (wanted) {
    CHECK(eventfd_write(loop_.backend_fd, value) == 0);
  } else {
    CHECK(eventfd_read(loop_.backend_fd, &value) == 0);
  }
}

bool ScriptedLoop::waits_by_itself() const { return ActiveOf<uv_idle_t>(loop_, kIdle).empty(); }

}  // namespace sideroute::test
