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
// Stage before: whoever dials. Stage after: acceptor, which closes what is proven.
#ifndef SIDEROUTE_OWN_DIALS_H_
#define SIDEROUTE_OWN_DIALS_H_

#include <cstdint>
#include <vector>

#include "net_address.h"
#include "unique_fd.h"

namespace sideroute {

class OwnDials {
 public:
  OwnDials();
  OwnDials(const OwnDials&) = delete;
  OwnDials& operator=(const OwnDials&) = delete;

  // StartConnect (socket.h), remembered.
  UniqueFd Dial(const NetAddress& destination, int* error);
  // Whether a socket of ours, open now, has these addresses, the peer's being its local one. Of those that
  // share a local port the one dialled last is known: who misses a captured connection meets the next one.
  bool Suspect(const NetAddress& peer, const NetAddress& destination);
  // From here on dials are marked.
  void Mark() { marking_ = true; }
  // Of an accepted connection whose listener saves SYNs (socket.h).
  static bool HasMark(int fd);

 private:
  // By local port, the descriptor last dialled from it, -1 for none. Nobody takes an entry out when the
  // socket closes: the kernel says what a descriptor is now.
  std::vector<int32_t> by_port_;
  bool marking_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_OWN_DIALS_H_
