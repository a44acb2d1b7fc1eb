// Kernel pipes through which tunnels and long bodies are spliced. A pipe is held only while bytes are in it,
// so idle tunnels hold none, and a few pipes serve many busy tunnels.
#ifndef SIDEROUTE_NET_PIPE_POOL_H_
#define SIDEROUTE_NET_PIPE_POOL_H_

#include <cstddef>
#include <vector>

#include "net/descriptor_budget.h"
#include "net/unique_fd.h"

namespace sideroute {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  explicit operator bool() const { return static_cast<bool>(read_end); }
};

class PipePool {
 public:
  // Bytes the kernel holds in one pipe: the limit for what a tunnel buffers per direction outside the
  // sockets.
  static constexpr size_t kPipeBytes = 64 * 1024;

  // Number of pipes opened in advance, so that tunnels make progress even when descriptors run out later.
  static constexpr size_t kTunnelReserve = 2;

  // Opens `reserve` pipes at once, whatever the budget; keeps up to `max_idle` of the pipes that come back.
  PipePool(DescriptorBudget& descriptors, size_t max_idle, size_t reserve = kTunnelReserve);
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  // All pipes must have come back.
  ~PipePool();

  // Empty if there is no descriptor for it; try again later.
  Pipe Acquire();
  // `pipe` must hold no bytes.
  void Release(Pipe pipe);
  // For a pipe that still holds bytes: closes it, and opens a new one if the reserve runs low.
  void Discard(Pipe pipe);
  // Closes idle pipes down to the reserve.
  void Trim();

 private:
  Pipe Open();
  void Close(Pipe pipe);

  DescriptorBudget& descriptors_;
  const size_t reserve_;
  const size_t max_idle_;
  size_t open_ = 0;
  std::vector<Pipe> idle_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_PIPE_POOL_H_
