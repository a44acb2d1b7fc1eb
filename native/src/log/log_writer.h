// Writes lines to a descriptor that may stall, without ever holding up the thread that has them.
//
// Stage before: access_log and the log of the process, on the loop's thread. Stage after: write(2), on a
// thread of its own. Between them is a ring of bytes that one side fills and the other empties, with two
// counters and no lock. Where it is full, or the descriptor fails, lines are dropped whole, counted, and the
// loss is said in a line of its own as soon as writing works again.
//
// The descriptor may be shared with others, so its flags are left alone: a write of at most PIPE_BUF bytes
// after POLLOUT does not block on a pipe, and one that blocks nevertheless blocks this thread only.
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

// What one log has of its own.
struct LogKind {
  // Of the thread; at most 15 characters.
  const char* name;
  // JSON members of a line that tells of lost ones, between its time and their number.
  std::string loss;
};

class LogWriter {
 public:
  // `buffer_bytes`: a power of two. Null and a negative errno when there can be no thread.
  static std::unique_ptr<LogWriter> Start(UniqueFd fd, size_t buffer_bytes, LogKind kind, int* error);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  // Writes nothing more.
  ~LogWriter();

  // Hot path. `line` ends with a newline and holds no other. Dropped when there is no room.
  void Append(std::string_view line);
  // Waits until what was appended is written, at most `timeout_ms`; the rest is dropped, and so is what is
  // appended later.
  void Stop(uint32_t timeout_ms);

  // Lines written completely, and lines lost.
  uint64_t written() const;
  uint64_t dropped() const;

 private:
  explicit LogWriter(std::shared_ptr<LogWriterState> state) : state_(std::move(state)) {}

  // Shared with the thread, which outlives this object when it does not come back from a write.
  const std::shared_ptr<LogWriterState> state_;
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_LOG_WRITER_H_
