// The part of libuv's interface that the addon uses, on a loop that a test turns and a clock that it sets:
// see scripted_loop.h. In the unit tests it replaces the real header.
#ifndef SIDEROUTE_TEST_SCRIPTED_UV_H_
#define SIDEROUTE_TEST_SCRIPTED_UV_H_

#include <cstddef>
#include <cstdint>
#include <vector>

struct uv_handle_t;

struct uv_loop_t {
  // The real time of the clock, and the loop's cached time.
  uint64_t clock_ms = 1'000'000;
  uint64_t now_ms = 1'000'000;
  // Readable when something of the loop itself is ready.
  int backend_fd = -1;
  // How long the loop could wait, and how often it was asked.
  int idle_ms = 0;
  int asked = 0;
  std::vector<uv_handle_t*> handles;
};

// libuv's handles begin with the same members, so that one can be cast to another.
#define SIDEROUTE_HANDLE_FIELDS \
  void* data;                   \
  uv_loop_t* loop;              \
  int kind;                     \
  bool active;                  \
  bool referenced;              \
  void (*on_close)(uv_handle_t*)

struct uv_handle_t {
  SIDEROUTE_HANDLE_FIELDS;
};
struct uv_prepare_t {
  SIDEROUTE_HANDLE_FIELDS;
  void (*callback)(uv_prepare_t*);
};
struct uv_timer_t {
  SIDEROUTE_HANDLE_FIELDS;
  uint64_t due_ms;
  void (*callback)(uv_timer_t*);
};
struct uv_idle_t {
  SIDEROUTE_HANDLE_FIELDS;
  void (*callback)(uv_idle_t*);
};

inline uint64_t uv_now(const uv_loop_t* loop) { return loop->now_ms; }
inline void uv_update_time(uv_loop_t* loop) { loop->now_ms = loop->clock_ms; }
inline void uv_ref(uv_handle_t* handle) { handle->referenced = true; }
inline void uv_unref(uv_handle_t* handle) { handle->referenced = false; }
inline uint64_t uv_hrtime() { return 0; }
inline char* uv_err_name_r(int, char* name, size_t size) {
  if (size > 0) name[0] = '\0';
  return name;
}

inline int uv_backend_fd(const uv_loop_t* loop) { return loop->backend_fd; }
int uv_backend_timeout(const uv_loop_t* loop);
int uv_prepare_init(uv_loop_t* loop, uv_prepare_t* handle);
int uv_prepare_start(uv_prepare_t* handle, void (*callback)(uv_prepare_t*));
int uv_prepare_stop(uv_prepare_t* handle);
int uv_timer_init(uv_loop_t* loop, uv_timer_t* handle);
int uv_timer_start(uv_timer_t* handle, void (*callback)(uv_timer_t*), uint64_t timeout_ms,
                   uint64_t repeat_ms);
int uv_timer_stop(uv_timer_t* handle);
int uv_idle_init(uv_loop_t* loop, uv_idle_t* handle);
int uv_idle_start(uv_idle_t* handle, void (*callback)(uv_idle_t*));
int uv_idle_stop(uv_idle_t* handle);
void uv_close(uv_handle_t* handle, void (*on_close)(uv_handle_t*));

#endif  // SIDEROUTE_TEST_SCRIPTED_UV_H_
