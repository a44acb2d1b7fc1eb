// Divides the file descriptors of the process, so that every accepted connection has a descriptor for its
// dial.
//
// A downstream connection counts twice: for itself and for the connection that it leads to. Things that can
// wait or be left out (pipes of tunnels, mirrors) are spare; they have a little more room, so that they work
// even when connections fill their part. The rest is for listeners, probes, DNS and files. Threads that share
// the limits of the process share one capacity, which the first one measures. Nothing here asks the kernel
// after Measure. Stage before: the acceptor, which pauses when there is no room.
#ifndef SIDEROUTE_NET_DESCRIPTOR_BUDGET_H_
#define SIDEROUTE_NET_DESCRIPTOR_BUDGET_H_

#include <cstddef>

#include "net/downstreams.h"
#include "net/worker_totals.h"

namespace sideroute {

class DescriptorBudget {
 public:
  explicit DescriptorBudget(const Downstreams& downstreams) : downstreams_(downstreams) {}
  DescriptorBudget(const DescriptorBudget&) = delete;
  DescriptorBudget& operator=(const DescriptorBudget&) = delete;

  // Several threads share the descriptors. Call it before Measure.
  void Share(WorkerShare& share) { share_ = &share; }
  // Counts the descriptors that are open now; they are not part of the budget.
  void Measure();

  // Whether there is room for one more downstream connection.
  bool HasRoom() const { return used() + kPerConnection <= capacity_; }
  // Maximum number of downstream connections.
  size_t max_connections() const { return capacity_ / kPerConnection; }

  bool TakeSpare(size_t count) {
    if (used() + count > capacity_ + spare_room_) return false;
    AddSpare(count);
    return true;
  }
  void GiveSpare(size_t count) { AddSpare(size_t{0} - count); }

 private:
  static constexpr size_t kPerConnection = 2;

  size_t used() const {
    return kPerConnection * downstreams_.connections() +
           (share_ == nullptr ? spare_ : share_->totals().spare_descriptors.load(std::memory_order_relaxed));
  }
  void AddSpare(size_t count) {
    if (share_ == nullptr) {
      spare_ += count;
    } else {
      share_->totals().spare_descriptors.fetch_add(count, std::memory_order_relaxed);
    }
  }

  const Downstreams& downstreams_;
  // Null if there is only this thread.
  WorkerShare* share_ = nullptr;
  // There is no limit before Measure.
  size_t capacity_ = static_cast<size_t>(-1) / 4;
  size_t spare_room_ = 0;
  size_t spare_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_DESCRIPTOR_BUDGET_H_
