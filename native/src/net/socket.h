// The socket calls and options shared by listeners, tunnels and dialled connections. Errors are negative
// errno.
#ifndef SIDEROUTE_NET_SOCKET_H_
#define SIDEROUTE_NET_SOCKET_H_

#include <cstddef>
#include <optional>

#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

// Sets TCP_NODELAY, and keepalive that notices a dead peer within 40 s. Sockets accepted from a listener
// inherit both.
//
// TCP_USER_TIMEOUT is not set: it would also end a connection whose reader pauses with a closed window
// although the peer is alive.
void ConfigureTcp(int fd);

// The addresses of a socket; empty if the kernel gives none, as for a peer that has reset the connection.
std::optional<NetAddress> LocalAddress(int fd);
std::optional<NetAddress> PeerAddress(int fd);

// close() will send RST and drop unsent bytes.
void ResetOnClose(int fd);

// Who may listen on the same port: no other socket; later sockets of the same user (kFirst binds exclusively
// first, so that a port in use is an error); or the sockets that listen already (kJoin).
enum class PortSharing : uint8_t { kNone, kFirst, kJoin };

// Returns a non-blocking, close-on-exec listener; `bound` is the address with the port the kernel chose.
// `syscall` names the call that failed.
UniqueFd Listen(const NetAddress& address, NetAddress* bound, int* error, const char** syscall,
                PortSharing sharing = PortSharing::kNone);

// The system's default TTL or hop limit.
inline constexpr int kDefaultHops = -1;

// Starts a non-blocking connection attempt; wait for EPOLLOUT, then call TakeSocketError. Empty, with
// `error`, if it failed at once. `syn_hops`: TTL or hop limit of the packets that are sent within the call:
// the SYN, and the ACK if the answer comes that soon. Later packets have the default.
UniqueFd StartConnect(const NetAddress& destination, int syn_hops, int* error);

// The listener keeps the SYN of each connection for SavedSynHops from now on.
void SaveSyns(int listener);

// The TTL or hop limit that was left in the SYN of an accepted connection; -1 if the SYN was not saved.
int SavedSynHops(int fd);

// Returns the pending error of the socket as negative errno, 0 if there is none, and clears it.
int TakeSocketError(int fd);

// Bytes that the kernel holds for the socket: received and not read, or sent and not acknowledged.
size_t QueuedBytes(int fd);

// Makes room for `bytes` unread bytes in the receive buffer without turning off its automatic growth.
void GrowReceiveBuffer(int fd, int bytes);

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SOCKET_H_
