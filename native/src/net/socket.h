// The socket calls and options shared by listeners, tunnels and dialled connections. Errors are negative
// errno.
#ifndef SIDEROUTE_NET_SOCKET_H_
#define SIDEROUTE_NET_SOCKET_H_

#include <cstddef>
#include <optional>

#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

// TCP_NODELAY, and keepalive that notices a dead peer within 40 s. Sockets accepted from a listener inherit
// both.
//
// No TCP_USER_TIMEOUT: it also ends a connection whose reader pauses with a closed window, although the peer
// is alive.
void ConfigureTcp(int fd);

// The addresses of a socket; null where the kernel does not say, as of a peer that has reset the connection.
std::optional<NetAddress> LocalAddress(int fd);
std::optional<NetAddress> PeerAddress(int fd);

// close() will send RST and drop what is still unsent.
void ResetOnClose(int fd);

// Who else listens where a listener does: nobody; later ones of this user, before which it binds as one that
// is alone, so that a port that somebody has is an error; or those that are there.
enum class PortSharing : uint8_t { kNone, kFirst, kJoin };

// A non-blocking, close-on-exec listener; `bound` is the address with the port the kernel chose. `syscall`
// names the call that failed.
UniqueFd Listen(const NetAddress& address, NetAddress* bound, int* error, const char** syscall,
                PortSharing sharing = PortSharing::kNone);

// As many as the system gives every packet.
inline constexpr int kDefaultHops = -1;

// A non-blocking connection attempt; wait for EPOLLOUT, then ask TakeSocketError. Empty with `error` when it
// failed at once. `syn_hops`: TTL or hop limit of what leaves within the call, which is the SYN,
// and the ACK when the answer comes that soon; what follows has the default.
UniqueFd StartConnect(const NetAddress& destination, int syn_hops, int* error);

// From now on the listener keeps the SYN of each connection for SavedSynHops.
void SaveSyns(int listener);

// Hops that were left to the SYN of an accepted connection; -1 when it was not saved.
int SavedSynHops(int fd);

// The pending error of the socket as negative errno, 0 if none; clears it.
int TakeSocketError(int fd);

// Bytes that the kernel holds for the socket: received and not read, sent and not acknowledged.
size_t QueuedBytes(int fd);

// Makes room for `bytes` unread bytes in the receive buffer without ending its automatic growth.
void GrowReceiveBuffer(int fd, int bytes);

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SOCKET_H_
