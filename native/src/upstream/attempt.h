// One attempt at a backend: how it gets a stream (reused, dialled, dialled again, or waited for) and gives it
// back.
//
// Stage before: exchange or mirror. Stage after: upstream_pool, which lends the stream. Nothing of the
// request is sent before a stream is lent and its connection is established. So all dials of an attempt are
// one try of the request, and are safe for every method (dial_plan.h).
#ifndef SIDEROUTE_UPSTREAM_ATTEMPT_H_
#define SIDEROUTE_UPSTREAM_ATTEMPT_H_

#include <cstdint>

#include "http/engine_context.h"
#include "http/stream.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "net/timer_wheel.h"
#include "upstream/attempt_user.h"
#include "upstream/dial_plan.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

class Attempt final : public ListNode<Attempt>, public ListNode<Attempt, Displaceable>, private StreamUser {
 public:
  // The list of attempts that wait for a connection.
  using ListNode<Attempt>::linked;
  using ListNode<Attempt>::Unlink;

  enum class State : uint8_t {
    kNone,
    // In the queue of the backend.
    kQueued,
    // Between two dials.
    kPausing,
    kConnecting,
    // The stream is lent and its connection is established.
    kConnected,
  };
  enum class Result : uint8_t { kLent, kLater, kNone };
  struct Options {
    // A connection that was idle may be used.
    bool may_reuse = true;
    // The request is safe to send again if a reused connection turns out to be closed.
    bool repeatable = false;
    bool may_queue = true;
    // At the limit of connections, a displaceable attempt is ended in favour of this one.
    bool may_displace = true;
    // See OnCallerEnd.
    bool caller_ended = false;
    // The caller's protocol. The connection uses it too, unless the backend has a fixed protocol.
    Protocol protocol = Protocol::kHttp1;
  };

  Attempt(EngineContext& context, AttemptUser& user)
      : context_(context), user_(user), timer_(context.wheel, this) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Hot path. For kNone, `why` gives the reason.
  Result Begin(Backend& backend, const Options& options);
  // Hot path. The same, but only with idle connections; kNone if there is none.
  Result BeginIdle(Backend& backend, const Options& options);
  NoStream why() const { return why_; }
  State state() const { return state_; }
  // Null when there is none.
  UpstreamStream* stream() const { return stream_; }
  // The address of the stream's connection; no family if there is no stream.
  NetAddress address() const;

  // The caller has ended its side. It may have left, so the attempt must not wait in a queue; and the
  // connection gets a FIN, so it is of no use to others.
  void OnCallerEnd() { options_.caller_ended = true; }
  // Nobody may be left to read the response, so at the limit this connection goes to other attempts.
  void MakeDisplaceable() { backend_->MakeDisplaceable(*this); }
  void KeepInPlace() { ListNode<Attempt, Displaceable>::Unlink(); }

  // Ends the attempt, if there is one. The connection is kept for others if the stream has ended completely.
  void Release() { GiveBack(GivenBack::kDone, StreamError::kNone); }
  // Ends with a reset, so that the backend does not take what it has for a whole request.
  void Reset(StreamError why = StreamError::kCancelled) { GiveBack(GivenBack::kReset, why); }
  // Ends regularly, but the connection is not used again.
  void Close() { GiveBack(GivenBack::kClosed, StreamError::kNone); }

  // For the pool.
  void OnAvailable();
  void Displace() { user_.OnDisplaced(); }

 private:
  Result Seek(Backend::Turn turn);
  Result Fail(NoStream why);
  void Take(const Backend::Loan& loan);
  void GiveBack(GivenBack how, StreamError why);
  // Tells the user the result of a search that Begin did not start.
  void Tell(Result result);
  void DialFailed(bool timed_out);
  void OnTimer();

  void OnStreamEvent() override { user_.OnStreamEvent(); }
  void OnConnected() override;
  void OnConnectFailed() override { DialFailed(false); }

  EngineContext& context_;
  AttemptUser& user_;
  Backend* backend_ = nullptr;
  UpstreamConnection* connection_ = nullptr;
  UpstreamStream* stream_ = nullptr;
  Options options_;
  State state_ = State::kNone;
  NoStream why_ = NoStream::kOverflow;
  DialPlan dials_;
  // For the dial, the pause before the next dial, or the wait in the queue: one after another.
  MemberTimer<Attempt, &Attempt::OnTimer> timer_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_ATTEMPT_H_
