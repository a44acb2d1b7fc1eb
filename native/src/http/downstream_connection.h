// A connection from an application, for code that handles all of them: whatever its version of HTTP, it waits
// for requests, holds memory, and can be told to end.
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
  // Reads the first request; `first` holds the bytes that were read already.
  virtual void Begin(std::span<char> first) = 0;
  // Starts the idle timeout anew.
  virtual void AwaitRequest() = 0;
  // The engine drains: after this, only requests that are on their way already are served.
  virtual void Drain() = 0;
  // No request has begun.
  virtual bool idle() const = 0;
  // Only valid while idle.
  virtual uint64_t idle_since_ms() const = 0;
  // Only while idle: closes the connection unless bytes have arrived; returns false if they have.
  virtual bool CloseIdle() = 0;
  // Ends everything in progress. For the end of the engine.
  virtual void Abandon() = 0;

  // Bytes that closing the connection would free: its buffers and those of its exchanges; with `sockets`,
  // those in the kernel too.
  virtual size_t HeldBytes(bool sockets) const = 0;
  // Since when the held bytes have not moved, on the clock of the timer wheel, as far as that is known.
  virtual uint64_t StandsSinceMs() const = 0;
  virtual size_t DropReplay() = 0;
  // Ends what is in progress, with a reply or error code that says why if the peer can still be told.
  virtual void Shed() = 0;

  virtual uint64_t number() const = 0;
  virtual void Describe(StateRecords& records) const = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_DOWNSTREAM_CONNECTION_H_
