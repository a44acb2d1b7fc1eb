#include "net/descriptor_budget.h"

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>
#include <climits>

namespace sideroute {

namespace {

// For listeners, pipes and a log that each further thread opens later.
constexpr size_t kPerWorker = 16;

size_t Total() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  return static_cast<size_t>(limit.rlim_cur);
}

size_t OpenNow() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  size_t entries = 0;
  while (readdir(directory) != nullptr) ++entries;
  closedir(directory);
  // Without `.`, `..` and the descriptor of the directory itself.
  return entries > 3 ? entries - 3 : 0;
}

}  // namespace

void DescriptorBudget::Measure() {
  const size_t total = Total();
  const size_t reserve = std::clamp<size_t>(total / 8, 8, 1024);
  spare_room_ = reserve / 2;
  size_t apart = OpenNow() + reserve;
  if (share_ != nullptr) {
    const size_t measured = share_->totals().descriptor_capacity.load();
    if (measured > 0) {
      capacity_ = measured;
      return;
    }
    apart += kPerWorker * (share_->workers() - 1);
  }
  // At least one connection: with none the process would be useless.
  capacity_ = std::max(total > apart ? total - apart : 0, kPerConnection);
  if (share_ != nullptr) share_->totals().descriptor_capacity.store(capacity_);
}

}  // namespace sideroute
