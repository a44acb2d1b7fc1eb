// Writes lines to a descriptor that may stall, without ever blocking the thread that produces them.
//
// Stage before: access_log and the log of the process, on the loop's thread. Stage after: write(2), on a
// thread of its own. Between them is a ring buffer that one side fills and the other empties, with two
// counters and no lock. If it is full or the descriptor fails, whole lines are dropped and counted, and a
// line of its own reports the loss as soon as writing works again.
//
// The descriptor may be shared with other processes, so its flags are not changed. After POLLOUT a write of
// at most PIPE_BUF bytes does not block on a pipe (pipe(7)); a write that blocks nevertheless blocks only
// this thread.
#ifndef SIDEROUTE_LOG_LOG_WRITER_H_
#define SIDEROUTE_LOG_LOG_WRITER_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/unique_fd.h"

namespace sideroute {

struct LogWriterState;

// What differs between logs.
struct LogKind {
  // Name of the thread; at most 15 characters.
  const char* name;
  // JSON members of the line that reports lost lines, between its time and their number.
  std::string loss;
};

class LogWriter {
 public:
  // `buffer_bytes`: a power of two. Returns null, with a negative errno in `error`, if no thread can be
  // started.
  static std::unique_ptr<LogWriter> Start(UniqueFd fd, size_t buffer_bytes, LogKind kind, int* error);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  // Drops lines that are not written yet.
  ~LogWriter();

  // Hot path. `line` must end with a newline and contain no other. It is dropped if there is no room.
  void Append(std::string_view line);
  // Waits at most `timeout_ms` until all appended lines are written; the rest and later lines are dropped.
  void Stop(uint32_t timeout_ms);

  // Numbers of lines written completely, and of lines lost.
  uint64_t written() const;
  uint64_t dropped() const;

 private:
  explicit LogWriter(std::shared_ptr<LogWriterState> state) : state_(std::move(state)) {}

  // Shared with the thread, which outlives this object if it is stuck in a write.
  const std::shared_ptr<LogWriterState> state_;
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_LOG_WRITER_H_
