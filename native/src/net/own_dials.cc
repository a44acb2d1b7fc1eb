#include "net/own_dials.h"

#include "net/socket.h"

namespace sideroute {

namespace {

// The TTL or hop limit of the SYN of a marked dial; one less for each earlier capture. Every system begins
// with 64 or more, and within the pod none is used up.
constexpr int kMarkHops = 63;

}  // namespace

OwnDials::OwnDials() : by_port_(std::make_unique<Ports>()) {
  for (std::atomic<int32_t>& fd : *by_port_) fd.store(-1, std::memory_order_relaxed);
}

UniqueFd OwnDials::Dial(const NetAddress& destination, int* error, int captures) {
  std::shared_lock<std::shared_mutex> noting(dialling_, std::defer_lock);
  if (shared_.load(std::memory_order_relaxed)) noting.lock();
  const bool marking = marking_.load(std::memory_order_relaxed);
  UniqueFd fd = StartConnect(destination, marking ? kMarkHops - captures : kDefaultHops, error);
  if (fd) {
    const auto local = LocalAddress(fd.get());
    if (local) (*by_port_)[local->port()].store(fd.get(), std::memory_order_relaxed);
  }
  return fd;
}

void OwnDials::AddListener(int fd) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listeners_.push_back(fd);
  if (marking_.load()) SaveSyns(fd);
}

void OwnDials::RemoveListener(int fd) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase(listeners_, fd);
}

void OwnDials::Mark() {
  const std::lock_guard<std::mutex> lock(mutex_);
  marking_.store(true);
  for (const int fd : listeners_) SaveSyns(fd);
}

bool OwnDials::MayBeNews() {
  if (!shared_.load(std::memory_order_relaxed)) return false;
  // Waits until the dials in progress are recorded.
  const std::lock_guard<std::shared_mutex> all_noted(dialling_);
  return true;
}

bool OwnDials::Suspect(const NetAddress& peer, const NetAddress& destination) {
  std::atomic<int32_t>& known = (*by_port_)[peer.port()];
  int32_t fd = known.load(std::memory_order_relaxed);
  if (fd < 0) return false;
  const auto local = LocalAddress(fd);
  if (!local || local->port() != peer.port()) {
    // Closed since then; the number may be in use for something else.
    known.compare_exchange_strong(fd, -1, std::memory_order_relaxed);
    return false;
  }
  // If it is not connected yet, its SYN was not answered, so it cannot be the accepted connection.
  return *local == peer && PeerAddress(fd) == destination;
}

int OwnDials::CapturesBefore(int fd) {
  const int captures = kMarkHops - SavedSynHops(fd);
  return captures >= 0 && captures <= kMostCaptures ? captures : -1;
}

}  // namespace sideroute
