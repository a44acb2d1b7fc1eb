// Where reads go, for all connections of an engine.
#ifndef SIDEROUTE_NET_SCRATCH_H_
#define SIDEROUTE_NET_SCRATCH_H_

#include <cstddef>

namespace sideroute {

// Shared, so what a read has put into it is there only until the next one of any socket.
inline constexpr size_t kScratchBytes = 64 * 1024;
struct Scratch {
  // Less while memory is short: what a sink does not take is kept.
  size_t window = kScratchBytes;
  char bytes[kScratchBytes];
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SCRATCH_H_
