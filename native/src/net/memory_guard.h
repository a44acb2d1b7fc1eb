// Keeps the process below the memory limit of its container: sheds before the kernel kills.
//
//   calm --60 %--> tight --80 %--> refusing --90 %--> closing
//
// tight: less is read at a time, so that a sink which stalls leaves less behind. refusing: nobody is
// accepted, requests are answered 503, what only waits is closed; until less than 75 % are used, which after
// some seconds is brought about by closing those who hold much and stand still. Where connections hold next
// to nothing, so that the rest of the process needs what is used, nobody is refused before 90 %. closing: the
// largest holders go at once, those first that have stood still for longest, until 85 % are left. At the end
// of each step freed pages go back to the kernel.
//
// Usage is what the cgroup says, without what the kernel can take back. It is read when the loop turns: every
// few milliseconds and after each half megabyte of buffers, and not at all without traffic. What can be taken
// back is asked for less often, as version 2 adds it up over all processors. What one turn can add is bounded
// by the reactor. Stage before: the addon's start. Stage after: whoever asks `refusing`.
#ifndef SIDEROUTE_NET_MEMORY_GUARD_H_
#define SIDEROUTE_NET_MEMORY_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/reactor.h"
#include "net/unique_fd.h"

namespace sideroute {

// Those who hold memory for connections.
class MemoryHolders {
 public:
  // About what connections and their buffers take: cheap, and grows before the usage does.
  virtual size_t HeldBytes() const = 0;
  // The same of other threads, each of which has a guard of its own and frees its part of what is asked for.
  virtual size_t BytesElsewhere() const { return 0; }
  // Reads are to be this long at most.
  virtual void SetWindow(size_t bytes) = 0;
  // Closes what only waits for something to come.
  virtual void CloseIdleConnections() = 0;
  struct Demand {
    // About so much is to become free.
    size_t bytes;
    // What the kernel holds for a connection counts.
    bool sockets;
    // Only of those where nothing has moved for so long.
    uint64_t still_ms;
  };
  // Closes the largest holders; returns how many.
  virtual size_t CloseLargest(const Demand& demand) = 0;
  // Frees what is kept for reuse.
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
    // Empty: the process's own memory counts.
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

  // Without it nothing is watched. 0 or a negative errno, with the path at fault.
  int Start(const Limit& limit, const std::string** path);

  // Hot path.
  bool refusing() const { return level_ >= Level::kRefusing; }
  // Reads the usage anew.
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
  // Of `bytes`, what this thread has to free.
  size_t OwnPart(uint64_t bytes) const;

  Reactor& reactor_;
  MemoryHolders& holders_;
  Limit limit_;
  UniqueFd usage_fd_;
  UniqueFd statistics_fd_;
  bool started_ = false;
  Level level_ = Level::kCalm;
  // Less what the kernel can take back, as far as that was asked for.
  uint64_t usage_ = 0;
  // As of the last look at the statistics; sockets only where they count.
  uint64_t reclaimable_ = 0;
  uint64_t sockets_ = 0;
  uint64_t statistics_ms_ = 0;
  uint64_t closed_ = 0;
  uint64_t overloads_ = 0;
  // When to look next while the loop turns, and by a clock.
  uint64_t next_ms_ = 0;
  uint64_t due_ms_ = UINT64_MAX;
  uint64_t next_sweep_ms_ = 0;
  uint64_t refusing_since_ms_ = 0;
  // The last walk for the largest holders has closed some.
  bool fruitful_ = true;
  size_t held_ = 0;
  // The most since memory was given back.
  size_t held_most_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_MEMORY_GUARD_H_
