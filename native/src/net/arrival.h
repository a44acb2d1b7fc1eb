// A connection that is handed over within the addon, with everything known about it, so that the new owner
// need not ask the kernel again.
//
// Stage before: detection. Stage after: an HTTP engine in the addon.
#ifndef SIDEROUTE_NET_ARRIVAL_H_
#define SIDEROUTE_NET_ARRIVAL_H_

#include <sys/epoll.h>

#include <cstdint>
#include <span>

#include "net/net_address.h"
#include "net/reactor.h"
#include "net/unique_fd.h"

namespace sideroute {

// The events for a connection that was not written to yet: its first write finds room in the socket buffer.
inline constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP;

struct Arrival {
  // Non-blocking, configured as ConfigureTcp does.
  UniqueFd fd;
  // Holds the registration of `fd`; the object lives until the batch ends.
  Watcher& watcher;
  // True if `fd` is in the epoll instance, for kReadEvents. Otherwise no event has told of bytes that arrived
  // after the last read.
  bool watched = true;
  // There may be more to read than `first`.
  bool readable = false;
  // The peer has sent FIN or RST; unread bytes may precede it.
  bool peer_ended = false;
  // The bytes read so far. They may be changed in place, and are valid during the call that hands them over.
  std::span<char> first;
  // The connection begins with the HTTP/2 preface.
  bool http2 = false;
  int64_t frontend = 0;
  NetAddress destination;
  NetAddress peer;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_ARRIVAL_H_
