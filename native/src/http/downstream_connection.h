// A connection from an application, as whoever has all of them in view knows it: whatever its version of
// HTTP, it waits for requests, holds memory, and can be told to end.
//
// Stage before: the engine, which owns it. Stage after: http1 and http2, which implement it.
#ifndef SIDEROUTE_HTTP_DOWNSTREAM_CONNECTION_H_
#define SIDEROUTE_HTTP_DOWNSTREAM_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/disposable.h"
#include "net/intrusive_list.h"

namespace sideroute {

class StateRecords;

class DownstreamConnection : public Disposable, public ListNode<DownstreamConnection> {
 public:
  // Reads the first request, of which `first` is here.
  virtual void Begin(std::span<char> first) = 0;
  // Gives the peer the time an idle connection has from now on.
  virtual void AwaitRequest() = 0;
  // The engine drains: it takes no more requests than are on their way.
  virtual void Drain() = 0;
  // No request has begun.
  virtual bool idle() const = 0;
  // While idle.
  virtual uint64_t idle_since_ms() const = 0;
  // While idle: closes it unless something has arrived. False: something has.
  virtual bool CloseIdle() = 0;
  // Ends whatever goes on. For the end of the engine.
  virtual void Abandon() = 0;

  // What there is to gain by closing it: memory of its buffers, those of its exchanges included; `sockets`:
  // and what the kernel holds.
  virtual size_t HeldBytes(bool sockets) const = 0;
  // Since when nothing has become of what it holds, as far as that is known.
  virtual uint64_t StandsSinceMs() const = 0;
  virtual size_t DropReplay() = 0;
  // Ends what it does, and says why where there is somebody to hear it.
  virtual void Shed() = 0;

  virtual uint64_t number() const = 0;
  virtual void Describe(StateRecords& records) const = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_DOWNSTREAM_CONNECTION_H_
