// Limits that the threads behind one capture port share: each thread has its own loop, connections and
// buffers, but the limits are those of the process.
//
// A connection is added to the sum before it is accepted, so that there are never more than allowed, however
// many threads accept at the same time. Connections that have ended are subtracted at the end of a turn. All
// other figures may be one turn old. A thread that is alone uses none of this. Stage before: the acceptor of
// each thread.
#ifndef SIDEROUTE_NET_WORKER_TOTALS_H_
#define SIDEROUTE_NET_WORKER_TOTALS_H_

#include <atomic>
#include <cstddef>

namespace sideroute {

// Sums over all threads.
struct WorkerTotals {
  // Downstream connections, including those about to be accepted.
  std::atomic<size_t> connections = 0;
  // See DescriptorBudget; a capacity of 0 was not measured yet.
  std::atomic<size_t> spare_descriptors = 0;
  std::atomic<size_t> descriptor_capacity = 0;
  // See MemoryHolders::HeldBytes.
  std::atomic<size_t> held_bytes = 0;
};

// The part of one thread in these sums.
class WorkerShare {
 public:
  WorkerShare(WorkerTotals& totals, size_t workers) : totals_(totals), workers_(workers) {}
  WorkerShare(const WorkerShare&) = delete;
  WorkerShare& operator=(const WorkerShare&) = delete;
  ~WorkerShare() { Settle(0, 0); }

  // Number of threads, this one included.
  size_t workers() const { return workers_; }
  WorkerTotals& totals() { return totals_; }
  size_t connections_elsewhere() const { return totals_.connections.load() - connections_; }
  size_t bytes_elsewhere() const { return totals_.held_bytes.load(std::memory_order_relaxed) - held_bytes_; }

  // Reserves one connection beyond the `open` ones of this thread; false if all threads together have `most`.
  bool Reserve(size_t open, size_t most) {
    SettleConnections(open);
    size_t all = totals_.connections.load();
    do {
      if (all >= most) return false;
    } while (!totals_.connections.compare_exchange_weak(all, all + 1));
    ++connections_;
    return true;
  }

  // Updates the part of this thread.
  void Settle(size_t open, size_t held_bytes) {
    SettleConnections(open);
    if (held_bytes == held_bytes_) return;
    totals_.held_bytes.fetch_add(held_bytes - held_bytes_, std::memory_order_relaxed);
    held_bytes_ = held_bytes;
  }

 private:
  // The sums are unsigned and may wrap in between; the result is right all the same.
  void SettleConnections(size_t open) {
    if (open == connections_) return;
    totals_.connections.fetch_add(open - connections_);
    connections_ = open;
  }

  WorkerTotals& totals_;
  const size_t workers_;
  size_t connections_ = 0;
  size_t held_bytes_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_WORKER_TOTALS_H_
