#include "net/own_dials.h"

#include "net/socket.h"

namespace sideroute {

namespace {

constexpr size_t kPorts = 65536;
// Hops that the SYN of a marked dial may take, one less for each time that it was captured. Every system
// begins with 64 or more, and within the pod none is used up.
constexpr int kMarkHops = 63;

}  // namespace

OwnDials::OwnDials() : by_port_(kPorts, -1) {}

UniqueFd OwnDials::Dial(const NetAddress& destination, int* error, int captures) {
  UniqueFd fd = StartConnect(destination, marking_ ? kMarkHops - captures : kDefaultHops, error);
  if (!fd) return fd;
  if (const auto local = LocalAddress(fd.get())) by_port_[local->port()] = fd.get();
  return fd;
}

bool OwnDials::Suspect(const NetAddress& peer, const NetAddress& destination) {
  int32_t& fd = by_port_[peer.port()];
  if (fd < 0) return false;
  const auto local = LocalAddress(fd);
  if (!local || local->port() != peer.port()) {
    // Closed since, the number perhaps in use for something else.
    fd = -1;
    return false;
  }
  // Not connected yet: its SYN has not been answered, so it cannot be the one that was accepted.
  return *local == peer && PeerAddress(fd) == destination;
}

int OwnDials::CapturesBefore(int fd) {
  const int captures = kMarkHops - SavedSynHops(fd);
  return captures >= 0 && captures <= kMostCaptures ? captures : -1;
}

}  // namespace sideroute
