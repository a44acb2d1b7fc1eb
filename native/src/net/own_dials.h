// Connections that the addon dials, told apart from those of the application when the rules capture them
// again.
//
// That happens when the process does not run as the uid that the rules exempt: its dial reaches its own
// listener, is dialled for once more, and so on without end. An accepted connection whose peer and original
// destination are the two addresses of an open socket of ours is suspected. It is no proof: address
// translation gives a captured connection another source port where one is in use already, and that may be
// the port of a socket of ours that went straight out. So from the first suspicion on every SYN of ours
// leaves with a mark that only the listener looks at, and a suspected connection whose SYN has it is ours.
// Until then nothing is marked and nobody looks, and a dial costs one getsockname.
//
// It also happens to a single dial although the rules are right: connection tracking remembers a captured
// connection for some seconds after it was reset, and a dial from its port to its destination is taken for
// more of it. So what is proven is passed on to where it goes, from another port, and only who is captured
// again and again is in a loop. The mark counts how often.
//
// One is for all threads of a process: descriptors are numbers of the process, and what one thread dials
// another may be given back, even before the first one has taken note of it.
//
// Stage before: whoever dials. Stage after: acceptor, which passes on, or closes, what is proven.
#ifndef SIDEROUTE_NET_OWN_DIALS_H_
#define SIDEROUTE_NET_OWN_DIALS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

class OwnDials {
 public:
  OwnDials();
  OwnDials(const OwnDials&) = delete;
  OwnDials& operator=(const OwnDials&) = delete;

  // So often in a row a dial may be captured before it is a loop: where one port in ten is remembered, one
  // dial in a hundred thousand is.
  static constexpr int kMostCaptures = 4;

  // StartConnect (socket.h), remembered. `captures`: how often what this is for was captured already.
  UniqueFd Dial(const NetAddress& destination, int* error, int captures = 0);
  // Whether a socket of ours, open now, has these addresses, the peer's being its local one. Of those that
  // share a local port the one dialled last is known: who misses a captured connection meets the next one.
  bool Suspect(const NetAddress& peer, const NetAddress& destination);
  // Several threads dial and listen from now on.
  void Share() { shared_.store(true); }
  // The descriptor of a listener: from the first call of Mark on it saves SYNs.
  void AddListener(int fd);
  // Before it is closed.
  void RemoveListener(int fd);
  // From here on dials are marked.
  void Mark();
  // Of a connection that is not suspected: whether it may be a dial of another thread that had not been noted
  // yet, and is by now. Ask again.
  bool MayBeNews();
  // Of an accepted connection whose listener saves SYNs (socket.h): the `captures` of its dial, -1 without a
  // mark. The kernel says it once.
  static int CapturesBefore(int fd);

 private:
  // By local port, the descriptor last dialled from it, -1 for none. Nobody takes an entry out when the
  // socket closes: the kernel says what a descriptor is now.
  static constexpr size_t kPorts = 65536;
  using Ports = std::array<std::atomic<int32_t>, kPorts>;
  const std::unique_ptr<Ports> by_port_;
  std::atomic<bool> marking_ = false;
  std::atomic<bool> shared_ = false;
  // Where there are several threads, each of them shares it from the beginning of a dial until that is noted:
  // microseconds.
  std::shared_mutex dialling_;
  std::mutex mutex_;
  // All that are open.
  std::vector<int> listeners_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_OWN_DIALS_H_
