// One connection to an endpoint of a backend: dialled for one user, lent to one user at a time, idle in
// between.
//
// Stage before: upstream_pool, which owns it. Stage after: the stream that it lends, of the HTTP that its
// backend speaks.
//
//   connecting --> in use <--> idle --> closed (stale, too old, used often enough, or simply idle for too
//   long)
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_

#include <cstdint>

#include "http/engine_context.h"
#include "http1/upstream.h"
#include "net/intrusive_list.h"
#include "net/timer_wheel.h"

namespace sideroute {

struct Endpoint;
// In the list of all connections to backends; the other lists they are in are those of idle ones.
struct EveryUpstream;
class StateRecords;

class UpstreamConnection final : public Disposable,
                                 public ListNode<UpstreamConnection>,
                                 public ListNode<UpstreamConnection, EveryUpstream>,
                                 private http1::UpstreamOwner {
 public:
  // In the list of idle ones.
  using ListNode<UpstreamConnection>::linked;
  using ListNode<UpstreamConnection>::Unlink;

  UpstreamConnection(EngineContext& context, Endpoint& endpoint);

  // Starts to connect on behalf of `user`. 0 or a negative errno.
  int Dial(StreamUser* user);
  // Its connect was refused or took too long; it is closed next.
  void CountConnectFailure();

  void Lend(StreamUser* user);
  // The stream that was lent last. Not after Close.
  UpstreamStream& stream() { return stream_; }
  bool connecting() const { return stream_.connecting(); }
  // Nothing is left of the stream that would disturb another one.
  bool clean() const { return stream_.clean(); }
  // May serve another request, as far as age, number and our own FIN go.
  bool fit() const;
  bool readable() const { return stream_.readable(); }
  // Asks the kernel: open, and nothing has arrived that was not read.
  bool Quiet() const { return stream_.Quiet(); }
  void BecomeIdle();
  uint64_t idle_since_ms() const { return idle_since_ms_; }
  void Close(bool reset);

  Endpoint& endpoint() const { return endpoint_; }

  uint64_t number() const { return number_; }
  void Describe(StateRecords& records) const;

 private:
  void OnStands() override;
  void OnIdleEvent() override;
  void OnIdleTimer();

  EngineContext& context_;
  Endpoint& endpoint_;
  const uint64_t number_;
  const uint64_t opened_ms_;
  bool idle_ = false;
  uint32_t requests_ = 0;
  uint64_t retire_ms_;
  uint64_t idle_since_ms_ = 0;
  MemberTimer<UpstreamConnection, &UpstreamConnection::OnIdleTimer> idle_timer_;
  http1::Upstream stream_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
