// All downstream connections of the process, whoever holds them: acceptors, engines, lingering ends,
// JavaScript.
//
// Stage before: the acceptor, which accepts no more of them than there may be. Implemented by what knows all
// holders.
#ifndef SIDEROUTE_NET_DOWNSTREAMS_H_
#define SIDEROUTE_NET_DOWNSTREAMS_H_

#include <cstddef>

namespace sideroute {

class Downstreams {
 public:
  // Open now.
  virtual size_t connections() const = 0;
  // Asked before one is accepted, where there is room for it: false when another thread was faster.
  virtual bool Reserve(size_t /*most*/) { return true; }
  // Closes up to `count` that wait for a request, those first that have waited longest.
  virtual void CloseIdle(size_t count) = 0;
  // While others wait to be accepted, a response is the last one of its connection.
  virtual void SetCrowded(bool crowded) = 0;
  // Closes a connection to a backend that waits for a request; false when there is none.
  virtual bool CloseIdleUpstream() = 0;

 protected:
  ~Downstreams() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_DOWNSTREAMS_H_
