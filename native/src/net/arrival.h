// A connection that changes hands within the addon, with everything that is known of it: whoever takes it
// asks the kernel nothing again.
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

// What a connection is registered for that has not been written to: the first write finds room.
inline constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP;

struct Arrival {
  // Non-blocking, configured as a connection.
  UniqueFd fd;
  // Has the registration of `fd`, for kReadEvents; its object lives until the batch ends.
  Watcher& watcher;
  // There may be more to read than `first`.
  bool readable = false;
  // The peer has sent FIN or RST, though unread bytes may come before it.
  bool peer_ended = false;
  // What was read; may be changed in place, and is there during the call that hands it over.
  std::span<char> first;
  // It has begun with the preface of HTTP/2.
  bool http2 = false;
  int64_t frontend = 0;
  NetAddress destination;
  NetAddress peer;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_ARRIVAL_H_
