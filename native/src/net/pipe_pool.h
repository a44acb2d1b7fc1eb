// Kernel pipes through which tunnels and long bodies are spliced. Either holds one only while bytes are in
// transit, so idle tunnels cost no pipe, and a few pipes serve many busy ones.
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
  // Bytes the kernel holds in one pipe: the bound on what a tunnel buffers per direction outside the sockets.
  static constexpr size_t kPipeBytes = 64 * 1024;

  // Of pipes that are opened ahead, so that tunnels move on when descriptors run out later.
  static constexpr size_t kTunnelReserve = 2;

  // Opens `reserve` pipes ahead, whatever else there is; keeps up to `max_idle` of those that come back.
  PipePool(DescriptorBudget& descriptors, size_t max_idle, size_t reserve = kTunnelReserve);
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  // Every pipe has come back by now.
  ~PipePool();

  // Empty when there is no descriptor left for it; try again later.
  Pipe Acquire();
  // `pipe` must be empty of bytes.
  void Release(Pipe pipe);
  // For a pipe that still holds bytes: closes it, and opens another in its place when the reserve runs low.
  void Discard(Pipe pipe);
  // Gives idle descriptors back to the process, down to the reserve.
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
