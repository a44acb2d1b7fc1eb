// Where a redirected connection was going before iptables REDIRECT took it.
#ifndef SIDEROUTE_ACCEPT_ORIGINAL_DESTINATION_H_
#define SIDEROUTE_ACCEPT_ORIGINAL_DESTINATION_H_

#include "net/net_address.h"

namespace sideroute {

// Asks connection tracking (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST) about an accepted socket of `family`.
// Returns 0, or a negative errno: -ENOENT for a connection that was never translated, which means it was
// dialled directly.
int GetOriginalDestination(int fd, int family, NetAddress* destination);

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_ORIGINAL_DESTINATION_H_
