// The read buffer that all connections of an engine share.
#ifndef SIDEROUTE_NET_SCRATCH_H_
#define SIDEROUTE_NET_SCRATCH_H_

#include <cstddef>

namespace sideroute {

// It is shared, so the data of a read is valid only until the next read of any socket.
inline constexpr size_t kScratchBytes = 64 * 1024;
struct Scratch {
  // Smaller while memory is short, because what a sink does not take has to be kept.
  size_t window = kScratchBytes;
  char bytes[kScratchBytes];
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SCRATCH_H_
