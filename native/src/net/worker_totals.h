// What the threads that serve one capture port have of limits in common: each has its own loop, connections
// and buffers, and the limits are those of the process.
//
// A connection is reserved in the sum before it is accepted, so that however many threads accept at the same
// time there are never more than allowed; what has ended is taken out at the end of a turn. Everything else
// is a figure that may be a turn old. Stage before: the acceptor of each thread. A thread that is alone has
// none of this.
#ifndef SIDEROUTE_NET_WORKER_TOTALS_H_
#define SIDEROUTE_NET_WORKER_TOTALS_H_

#include <atomic>
#include <cstddef>

namespace sideroute {

// Of all threads.
struct WorkerTotals {
  // Downstream connections, those about to be accepted included.
  std::atomic<size_t> connections = 0;
  // See DescriptorBudget; a capacity of 0 has not been measured yet.
  std::atomic<size_t> spare_descriptors = 0;
  std::atomic<size_t> descriptor_capacity = 0;
  // See MemoryHolders::HeldBytes.
  std::atomic<size_t> held_bytes = 0;
};

// What one thread has in them.
class WorkerShare {
 public:
  WorkerShare(WorkerTotals& totals, size_t workers) : totals_(totals), workers_(workers) {}
  WorkerShare(const WorkerShare&) = delete;
  WorkerShare& operator=(const WorkerShare&) = delete;
  ~WorkerShare() { Settle(0, 0); }

  // Threads, this one included.
  size_t workers() const { return workers_; }
  WorkerTotals& totals() { return totals_; }
  size_t connections_elsewhere() const { return totals_.connections.load() - connections_; }
  size_t bytes_elsewhere() const { return totals_.held_bytes.load(std::memory_order_relaxed) - held_bytes_; }

  // For one more connection than the `open` ones of this thread; false where all have `most` together.
  bool Reserve(size_t open, size_t most) {
    SettleConnections(open);
    size_t all = totals_.connections.load();
    do {
      if (all >= most) return false;
    } while (!totals_.connections.compare_exchange_weak(all, all + 1));
    ++connections_;
    return true;
  }

  // What this thread has now.
  void Settle(size_t open, size_t held_bytes) {
    SettleConnections(open);
    if (held_bytes == held_bytes_) return;
    totals_.held_bytes.fetch_add(held_bytes - held_bytes_, std::memory_order_relaxed);
    held_bytes_ = held_bytes;
  }

 private:
  // Sums of unsigned numbers go round, and come out right.
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
