// Keeps the process below the memory limit of its container: sheds before the kernel kills.
//
//   calm --60 %--> tight --80 %--> refusing --90 %--> closing
//
// tight: reads are shorter, so that a stalled sink leaves less data behind. refusing: no connections are
// accepted, requests are answered with 503, idle connections are closed. This ends below
// 75 % usage; if that takes some seconds, connections that hold much and make no progress are closed. If
// connections hold almost nothing, the usage is the rest of the process; then nothing is refused below 90 %.
// closing: the largest holders are closed at once, those without progress for the longest time first, until
// usage is 85 %. At the end of each step freed pages go back to the kernel.
//
// Usage is that of the cgroup without what the kernel can reclaim. It is read when the loop turns: every few
// milliseconds and after each half megabyte of buffers, and not at all without traffic. The reclaimable part
// is read less often, because cgroup v2 sums it over all processors. The reactor limits what one turn can
// add. Stage before: the start of the addon. Stage after: the users of `refusing`.
#ifndef SIDEROUTE_NET_MEMORY_GUARD_H_
#define SIDEROUTE_NET_MEMORY_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/reactor.h"
#include "net/unique_fd.h"

namespace sideroute {

// Implemented by the owner of everything that holds memory for connections.
class MemoryHolders {
 public:
  // Approximate bytes of connections and their buffers: cheap to compute, and grows before the usage does.
  virtual size_t HeldBytes() const = 0;
  // The same for the other threads, each of which has a guard of its own and frees its part of the demand.
  virtual size_t BytesElsewhere() const { return 0; }
  // Maximum size of reads from now on.
  virtual void SetWindow(size_t bytes) = 0;
  // Closes idle connections.
  virtual void CloseIdleConnections() = 0;
  struct Demand {
    // Approximate number of bytes to free.
    size_t bytes;
    // Bytes that the kernel holds for a connection count too.
    bool sockets;
    // Only connections that have made no progress for this long.
    uint64_t still_ms;
  };
  // Closes the largest holders; returns how many were closed.
  virtual size_t CloseLargest(const Demand& demand) = 0;
  // Frees objects kept for reuse.
  virtual void FreeSpares() = 0;
  virtual void OnMemoryLevel() = 0;

 protected:
  ~MemoryHolders() = default;
};

class MemoryGuard final : private TurnClient {
 public:
  enum class Level : uint8_t { kCalm, kTight, kRefusing, kClosing };

  struct Limit {
    uint64_t bytes = 0;
    // Empty: the memory of the process itself is measured.
    std::string usage_path;
    std::string statistics_path;
    bool counts_sockets = false;
  };
  struct Counters {
    uint64_t limit = 0;
    uint64_t usage = 0;
    uint64_t closed = 0;
    // How often refusing began.
    uint64_t overloads = 0;
    Level level = Level::kCalm;
  };

  MemoryGuard(Reactor& reactor, MemoryHolders& holders);
  MemoryGuard(const MemoryGuard&) = delete;
  MemoryGuard& operator=(const MemoryGuard&) = delete;
  ~MemoryGuard();

  // Without Start nothing is watched. Returns 0, or a negative errno and the path that failed.
  int Start(const Limit& limit, const std::string** path);

  // Hot path.
  bool refusing() const { return level_ >= Level::kRefusing; }
  // Reads the usage again.
  Counters Look();

 private:
  void OnBatchEnd() override {}
  void OnTurnEnd() override;
  uint64_t NextDueMs() const override { return due_ms_; }
  void OnTime(uint64_t now_ms) override;

  void Check();
  Level NextLevel() const;
  bool Measure();
  bool MeasureOwn();
  void ReadStatistics();
  void SetLevel(Level level);
  void Shed();
  void GiveBack();
  uint64_t Share(unsigned percent) const { return limit_.bytes / 100 * percent; }
  // The share of `bytes` that this thread has to free.
  size_t OwnPart(uint64_t bytes) const;

  Reactor& reactor_;
  MemoryHolders& holders_;
  Limit limit_;
  UniqueFd usage_fd_;
  UniqueFd statistics_fd_;
  bool started_ = false;
  Level level_ = Level::kCalm;
  // Usage without the part that the kernel can reclaim, as far as that was read.
  uint64_t usage_ = 0;
  // As of the last read of the statistics; sockets only if they count.
  uint64_t reclaimable_ = 0;
  uint64_t sockets_ = 0;
  uint64_t statistics_ms_ = 0;
  uint64_t closed_ = 0;
  uint64_t overloads_ = 0;
  // When to look next: while the loop turns, and by a timer.
  uint64_t next_ms_ = 0;
  uint64_t due_ms_ = UINT64_MAX;
  uint64_t next_sweep_ms_ = 0;
  uint64_t refusing_since_ms_ = 0;
  // The last search for the largest holders has closed some.
  bool fruitful_ = true;
  size_t held_ = 0;
  // The maximum since memory was given back.
  size_t held_most_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_MEMORY_GUARD_H_
