// One connection to an endpoint of a backend: dialled for one user, lent to one user at a time, idle in
// between.
//
// Stage before: upstream_pool, which owns it. Stage after: the exchange or mirror that uses it.
//
//   connecting --> in use <--> idle --> closed (stale, too old, used often enough, or simply idle for too
//   long)
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_

#include <cstdint>

#include "http/engine_context.h"
#include "net/intrusive_list.h"
#include "net/stream_socket.h"
#include "net/timer_wheel.h"
#include "upstream/upstream_user.h"

namespace sideroute {

struct Endpoint;
class StateRecords;

class UpstreamConnection final : public StreamSocket,
                                 public Disposable,
                                 public ListNode<UpstreamConnection>,
                                 public ListNode<UpstreamConnection, EveryUpstream> {
 public:
  // In the list of idle ones.
  using ListNode<UpstreamConnection>::linked;
  using ListNode<UpstreamConnection>::Unlink;

  UpstreamConnection(EngineContext& context, Endpoint& endpoint);

  // Starts to connect on behalf of `user`. 0 or a negative errno.
  int Dial(UpstreamUser* user);
  // The connect has succeeded, which a write that was taken proves.
  void SetConnected();
  bool connecting() const { return connecting_; }
  // Its connect was refused or took too long; it is closed next.
  void CountConnectFailure();
  // Asks the kernel.
  bool IsConnected() const;
  // Served another request before this one: its peer may just have closed it.
  bool reused() const { return requests_ > 1; }

  void Lend(UpstreamUser* user);
  // The peer announced how long it keeps an idle connection.
  void LimitIdle(uint32_t idle_ms) { idle_ms_ = idle_ms; }
  // May serve another request, as far as age, number and our own FIN go.
  bool fit() const;
  void BecomeIdle();
  uint64_t idle_since_ms() const { return idle_since_ms_; }

  Endpoint& endpoint() const { return endpoint_; }

  uint64_t number() const { return number_; }
  void Describe(StateRecords& records) const;

 private:
  void OnEvent() override;
  void OnIdleTimer();

  EngineContext& context_;
  Endpoint& endpoint_;
  const uint64_t number_;
  const uint64_t opened_ms_;
  UpstreamUser* user_ = nullptr;
  bool connecting_ = true;
  uint32_t requests_ = 0;
  uint32_t idle_ms_;
  uint64_t retire_ms_;
  uint64_t idle_since_ms_ = 0;
  MemberTimer<UpstreamConnection, &UpstreamConnection::OnIdleTimer> idle_timer_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
