// Who may have how many of the file descriptors of the process, so that an accepted connection never lacks
// the one for its dial.
//
// A downstream connection counts twice, for itself and for the connection it leads to. What can wait or be
// done without (pipes of tunnels, mirrors) is spare and has a little more room, so that connections that fill
// their part do not stop it. The rest is for listeners, probes, DNS and files. Threads that share the limits
// of the process have one capacity, which the first one measures. Stage before: the acceptor, which pauses.
// Nothing here asks the kernel after Measure.
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

  // The descriptors are those of several threads, from before Measure on.
  void Share(WorkerShare& share) { share_ = &share; }
  // Everything that is open now is none of the connections to come.
  void Measure();

  // For one more downstream connection.
  bool HasRoom() const { return used() + kPerConnection <= capacity_; }
  // The most downstream connections there can be.
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
  // Null: this thread is the only one.
  WorkerShare* share_ = nullptr;
  // Without Measure there is no limit.
  size_t capacity_ = static_cast<size_t>(-1) / 4;
  size_t spare_room_ = 0;
  size_t spare_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_DESCRIPTOR_BUDGET_H_
