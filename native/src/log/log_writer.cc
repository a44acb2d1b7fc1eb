#include "log/log_writer.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "log/json_line.h"

namespace sideroute {

namespace {

// How long lines gather before they are written, so that a busy proxy neither wakes the thread nor enters the
// kernel for each line.
constexpr int kGatherMs = 10;
constexpr size_t kStackBytes = 256 * 1024;
// Time for the thread to notice that its time is over.
constexpr uint64_t kStopMarginMs = 500;
constexpr size_t kFileChunk = 64 * 1024;

uint64_t NowMs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

uint64_t CountLines(const char* bytes, size_t length) {
  return static_cast<uint64_t>(std::count(bytes, bytes + length, '\n'));
}

// How often a thread that waits for the line of another one checks whether its own time is over.
constexpr auto kLineWait = std::chrono::milliseconds(100);

// A lock per file, held while a line is written in several writes, because other threads may write to the
// same pipe. Locks are never freed; there are two or three files.
std::timed_mutex& LineLock(const struct stat& status) {
  static std::mutex guard;
  static auto* const locks = new std::map<std::pair<dev_t, ino_t>, std::timed_mutex>;
  const std::lock_guard<std::mutex> lock(guard);
  return (*locks)[{status.st_dev, status.st_ino}];
}

enum class Rest : uint8_t { kNone, kGathering, kAsleep };

}  // namespace

struct LogWriterState {
  LogWriterState(UniqueFd out, UniqueFd event, size_t bytes, LogKind which)
      : fd(std::move(out)),
        wake(std::move(event)),
        kind(std::move(which)),
        size(bytes),
        ring(std::make_unique_for_overwrite<char[]>(bytes)) {}

  const UniqueFd fd;
  const UniqueFd wake;
  const LogKind kind;
  const size_t size;
  const std::unique_ptr<char[]> ring;
  // Bytes ever appended (written by the loop's thread), and ever taken out (written by the writer's thread).
  alignas(64) std::atomic<uint64_t> head{0};
  std::atomic<uint64_t> dropped{0};
  alignas(64) std::atomic<uint64_t> tail{0};
  std::atomic<uint64_t> written{0};
  std::atomic<Rest> rest{Rest::kNone};
  std::atomic<bool> stopping{false};
  // On the monotonic clock; valid after `stopping`.
  std::atomic<uint64_t> stop_at_ms{0};

  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t result = ::write(wake.get(), &one, sizeof one);
  }
};

namespace {

// The writer's thread.
class Writer {
 public:
  explicit Writer(LogWriterState& state) : state_(state) {
    struct stat status {};
    regular_ = fstat(state.fd.get(), &status) == 0 && S_ISREG(status.st_mode);
    line_ = std::unique_lock<std::timed_mutex>(LineLock(status), std::defer_lock);
    chunk_bytes_ = regular_ ? kFileChunk : static_cast<size_t>(PIPE_BUF);
    chunk_ = std::make_unique_for_overwrite<char[]>(chunk_bytes_);
  }

  void Run() {
    for (;;) {
      const bool stopping = state_.stopping.load();
      if (empty()) {
        if (stopping) return;
        Sleep(Rest::kAsleep, -1);
        continue;
      }
      if (!stopping) Sleep(Rest::kGathering, kGatherMs);
      if (!Drain()) return;
    }
  }

 private:
  enum class Result : uint8_t { kWritten, kFailed, kStopped };

  bool empty() const { return state_.head.load() == state_.tail.load(std::memory_order_relaxed); }

  void Sleep(Rest rest, int timeout_ms) {
    // The appending side reads `rest` after it has moved `head`; this side reads `head` after it has stored
    // `rest`. So at least one of them sees the change of the other.
    state_.rest.store(rest);
    const uint64_t used = state_.head.load() - state_.tail.load(std::memory_order_relaxed);
    const bool enough = rest == Rest::kAsleep ? used > 0 : used > state_.size / 2;
    if (!enough && !state_.stopping.load()) {
      pollfd event{state_.wake.get(), POLLIN, 0};
      if (poll(&event, 1, timeout_ms) > 0) Awake();
    }
    state_.rest.store(Rest::kNone);
  }

  void Awake() {
    uint64_t count;
    [[maybe_unused]] const ssize_t result = ::read(state_.wake.get(), &count, sizeof count);
  }

  // Writes everything that is in the ring now. Returns false if the time is over.
  bool Drain() {
    const uint64_t end = state_.head.load();
    uint64_t at = state_.tail.load(std::memory_order_relaxed);
    while (at != end) {
      const size_t length = TakeChunk(at, end);
      size_t done = 0;
      if (!BeginLine()) {
        DropUntil(at, state_.head.load());
        return false;
      }
      const Result result = EndTornLine() ? WriteAll(chunk_.get(), length, &done) : Result::kFailed;
      state_.written.fetch_add(CountLines(chunk_.get(), done), std::memory_order_relaxed);
      at += done;
      if (done > 0) within_line_ = chunk_[done - 1] != '\n';
      if (!within_line_ || result != Result::kWritten) line_.unlock();
      if (result != Result::kWritten) {
        torn_ = within_line_;
        DropUntil(at, result == Result::kFailed ? end : state_.head.load());
        return result == Result::kFailed;
      }
      state_.tail.store(at, std::memory_order_release);
    }
    TellLoss();
    return true;
  }

  // Makes sure that no other thread writes to the same file until the line ends. Returns false if the time is
  // over.
  bool BeginLine() {
    while (!line_.owns_lock() && !line_.try_lock_for(kLineWait)) {
      if (state_.stopping.load() && NowMs(CLOCK_MONOTONIC) >= state_.stop_at_ms.load()) return false;
    }
    return true;
  }

  // Copies the next bytes to write: whole lines if at least one fits, so that other writers to the same pipe
  // cannot write in between.
  size_t TakeChunk(uint64_t at, uint64_t end) {
    const size_t length = static_cast<size_t>(std::min<uint64_t>(end - at, chunk_bytes_));
    Copy(at, chunk_.get(), length);
    const auto* last = static_cast<const char*>(memrchr(chunk_.get(), '\n', length));
    return last == nullptr ? length : static_cast<size_t>(last - chunk_.get()) + 1;
  }

  void Copy(uint64_t at, char* to, size_t length) const {
    const size_t offset = static_cast<size_t>(at & (state_.size - 1));
    const size_t first = std::min(length, state_.size - offset);
    std::memcpy(to, state_.ring.get() + offset, first);
    std::memcpy(to + first, state_.ring.get(), length - first);
  }

  void DropUntil(uint64_t at, uint64_t end) {
    uint64_t lines = 0;
    while (at != end) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(end - at, chunk_bytes_));
      Copy(at, chunk_.get(), length);
      lines += CountLines(chunk_.get(), length);
      at += length;
    }
    state_.dropped.fetch_add(lines);
    state_.tail.store(end, std::memory_order_release);
  }

  // A failed write may have left an incomplete line.
  bool EndTornLine() {
    size_t done = 0;
    if (torn_ && WriteAll("\n", 1, &done) == Result::kWritten) torn_ = within_line_ = false;
    return !torn_;
  }

  void TellLoss() {
    const uint64_t dropped = state_.dropped.load();
    if (dropped == told_) return;
    JsonLine line;
    line.Time("time", NowMs(CLOCK_REALTIME));
    line.Members(state_.kind.loss);
    line.Number("lines", dropped - told_);
    const std::string_view text = line.End();
    size_t done = 0;
    if (!BeginLine()) return;
    const Result result = WriteAll(text.data(), text.size(), &done);
    line_.unlock();
    torn_ = within_line_ = done > 0 && done < text.size();
    if (result == Result::kWritten) told_ = dropped;
  }

  Result WriteAll(const char* bytes, size_t length, size_t* done) {
    while (*done < length) {
      if (!regular_ && !WaitWritable()) return Result::kStopped;
      const ssize_t count = ::write(state_.fd.get(), bytes + *done, length - *done);
      if (count > 0) {
        *done += static_cast<size_t>(count);
      } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        return Result::kFailed;
      }
    }
    return Result::kWritten;
  }

  // Also returns for a failed descriptor: the following write then reports the error. Returns false if the
  // time is over.
  bool WaitWritable() {
    for (;;) {
      int timeout_ms = -1;
      if (state_.stopping.load()) {
        const uint64_t now = NowMs(CLOCK_MONOTONIC);
        const uint64_t until = state_.stop_at_ms.load();
        timeout_ms = now < until ? static_cast<int>(until - now) : 0;
      }
      pollfd events[] = {{state_.fd.get(), POLLOUT, 0}, {state_.wake.get(), POLLIN, 0}};
      const int ready = poll(events, 2, timeout_ms);
      if (ready > 0 && events[0].revents != 0) return true;
      if (ready > 0) Awake();
      if (ready == 0 && timeout_ms >= 0 && NowMs(CLOCK_MONOTONIC) >= state_.stop_at_ms.load()) return false;
    }
  }

  LogWriterState& state_;
  bool regular_ = false;
  // `within_line_`: the last byte written is inside a line, and the rest follows; `torn_`: the rest will not
  // follow.
  bool within_line_ = false;
  bool torn_ = false;
  std::unique_lock<std::timed_mutex> line_;
  // Number of lost lines reported so far.
  uint64_t told_ = 0;
  size_t chunk_bytes_ = 0;
  std::unique_ptr<char[]> chunk_;
};

void* RunWriter(void* argument) {
  const std::unique_ptr<std::shared_ptr<LogWriterState>> state(
      static_cast<std::shared_ptr<LogWriterState>*>(argument));
  Writer(**state).Run();
  return nullptr;
}

// All signals are blocked, because Node's threads handle them; for SIGPIPE this thread needs only the EPIPE.
int StartThread(std::shared_ptr<LogWriterState> state, pthread_t* thread) {
  const char* const name = state->kind.name;
  auto argument = std::make_unique<std::shared_ptr<LogWriterState>>(std::move(state));
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return -error;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(thread, &attributes, RunWriter, argument.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) return -error;
  [[maybe_unused]] const auto* taken = argument.release();
  pthread_setname_np(*thread, name);
  return 0;
}

}  // namespace

std::unique_ptr<LogWriter> LogWriter::Start(UniqueFd fd, size_t buffer_bytes, LogKind kind, int* error) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  *error = wake ? 0 : -errno;
  if (!wake) return nullptr;
  auto state =
      std::make_shared<LogWriterState>(std::move(fd), std::move(wake), buffer_bytes, std::move(kind));
  std::unique_ptr<LogWriter> writer(new LogWriter(std::move(state)));
  *error = StartThread(writer->state_, &writer->thread_);
  writer->running_ = *error == 0;
  return *error == 0 ? std::move(writer) : nullptr;
}

LogWriter::~LogWriter() { Stop(0); }

void LogWriter::Append(std::string_view line) {
  LogWriterState& state = *state_;
  const uint64_t head = state.head.load(std::memory_order_relaxed);
  const uint64_t used = head - state.tail.load(std::memory_order_acquire);
  if (!running_ || line.size() > state.size - used) {
    state.dropped.fetch_add(1);
    return;
  }
  const size_t offset = static_cast<size_t>(head & (state.size - 1));
  const size_t first = std::min(line.size(), state.size - offset);
  std::memcpy(state.ring.get() + offset, line.data(), first);
  std::memcpy(state.ring.get(), line.data() + first, line.size() - first);
  state.head.store(head + line.size());
  Rest rest = state.rest.load();
  if (rest == Rest::kAsleep || (rest == Rest::kGathering && used + line.size() > state.size / 2)) {
    if (state.rest.compare_exchange_strong(rest, Rest::kNone)) state.Wake();
  }
}

void LogWriter::Stop(uint32_t timeout_ms) {
  if (!running_) return;
  running_ = false;
  state_->stop_at_ms.store(NowMs(CLOCK_MONOTONIC) + timeout_ms);
  state_->stopping.store(true);
  state_->Wake();
  const uint64_t until_ms = NowMs(CLOCK_REALTIME) + timeout_ms + kStopMarginMs;
  const timespec until{static_cast<time_t>(until_ms / 1'000),
                       static_cast<long>(until_ms % 1'000) * 1'000'000};
  // If the thread is stuck in a write, it is detached and keeps the state until the process ends.
  if (pthread_timedjoin_np(thread_, nullptr, &until) != 0) pthread_detach(thread_);
}

uint64_t LogWriter::written() const { return state_->written.load(std::memory_order_relaxed); }
uint64_t LogWriter::dropped() const { return state_->dropped.load(std::memory_order_relaxed); }

}  // namespace sideroute
