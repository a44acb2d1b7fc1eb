// Connections dialled by the addon, recognised when the iptables rules capture them again.
//
// That happens if the process does not run as the uid that the rules exempt: its dial reaches its own
// listener, is dialled for again, and so on without end. An accepted connection is suspected if its peer and
// its original destination are the two addresses of an open socket of ours. That is no proof: address
// translation gives a captured connection another source port if its own is in use, and that may be the port
// of a socket of ours that was not captured. So from the first suspicion on every SYN of ours carries a mark
// that only the listener reads; a suspected connection whose SYN has the mark is ours. Until then nothing is
// marked, and a dial costs one getsockname.
//
// It also happens to a single dial although the rules are right: connection tracking remembers a captured
// connection for some seconds after it was reset, and takes a dial from the same port to the same destination
// for a part of it. So a proven own dial is passed on to its destination from another port; only one that is
// captured several times in a row is in a loop. The mark counts the captures.
//
// One object serves all threads of a process. Descriptors are numbers of the process, and the dial of one
// thread may arrive at the listener of another, even before the first thread has recorded it.
//
// Stage before: whoever dials. Stage after: acceptor, which passes on or closes a proven own dial.
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

  // A dial captured more often than this in a row is in a loop. If connection tracking remembers one port in
  // ten, one dial in a hundred thousand reaches this number by chance.
  static constexpr int kMostCaptures = 4;

  // StartConnect (socket.h), recorded. `captures`: how often the connection it is for has been captured
  // already.
  UniqueFd Dial(const NetAddress& destination, int* error, int captures = 0);
  // Whether an open socket of ours has these addresses, with `peer` as its local one. Of sockets that share a
  // local port only the one dialled last is known; a captured connection that is missed here is captured
  // again, and then recognised.
  bool Suspect(const NetAddress& peer, const NetAddress& destination);
  // Several threads dial and listen from now on.
  void Share() { shared_.store(true); }
  // `fd`: a listener. After the first call of Mark it saves SYNs.
  void AddListener(int fd);
  // Call it before the listener is closed.
  void RemoveListener(int fd);
  // Dials are marked from now on.
  void Mark();
  // For a connection that is not suspected: whether it may be a dial of another thread that was not recorded
  // yet. When this returns true it is recorded: call Suspect again.
  bool MayBeNews();
  // For an accepted connection whose listener saves SYNs (socket.h): the `captures` of its dial; -1 without a
  // mark. The kernel answers only once.
  static int CapturesBefore(int fd);

 private:
  // Indexed by local port: the descriptor that was last dialled from it; -1 for none. Entries are not removed
  // when a socket closes; the kernel is asked what a descriptor is now.
  static constexpr size_t kPorts = 65536;
  using Ports = std::array<std::atomic<int32_t>, kPorts>;
  const std::unique_ptr<Ports> by_port_;
  std::atomic<bool> marking_ = false;
  std::atomic<bool> shared_ = false;
  // With several threads, each holds it shared from the start of a dial until that is recorded: for
  // microseconds.
  std::shared_mutex dialling_;
  std::mutex mutex_;
  // All open listeners.
  std::vector<int> listeners_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_OWN_DIALS_H_
