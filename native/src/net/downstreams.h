// All downstream connections of the process, whoever holds them: acceptors, engines, lingering closes,
// JavaScript. Implemented by the class that knows all holders.
//
// Stage before: the acceptor, which limits their number.
#ifndef SIDEROUTE_NET_DOWNSTREAMS_H_
#define SIDEROUTE_NET_DOWNSTREAMS_H_

#include <cstddef>

namespace sideroute {

class Downstreams {
 public:
  // Number of connections that are open now.
  virtual size_t connections() const = 0;
  // Called before a connection is accepted, if there is room for it. Returns false if another thread took the
  // place.
  virtual bool Reserve(size_t /*most*/) { return true; }
  // Closes up to `count` idle connections, those that have been idle longest first.
  virtual void CloseIdle(size_t count) = 0;
  // While others wait to be accepted, every response is the last one of its connection.
  virtual void SetCrowded(bool crowded) = 0;
  // Closes one idle connection to a backend; returns false if there is none.
  virtual bool CloseIdleUpstream() = 0;

 protected:
  ~Downstreams() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_DOWNSTREAMS_H_
