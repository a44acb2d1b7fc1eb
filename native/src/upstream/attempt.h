// One attempt at a backend: how it comes by a stream - reused, dialled, dialled again, waited for - and gives
// it back.
//
// Stage before: exchange or mirror. Stage after: upstream_pool, which lends the stream. Nothing of the
// request leaves before a stream is lent and its connection stands, so all dials of an attempt are one try of
// the request, safe for every method (dial_plan.h).
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
  // In the list of those that wait for a connection.
  using ListNode<Attempt>::linked;
  using ListNode<Attempt>::Unlink;

  enum class State : uint8_t {
    kNone,
    // In the queue of the backend.
    kQueued,
    // Between two dials.
    kPausing,
    kConnecting,
    // The stream is there, and its connection stands.
    kConnected,
  };
  enum class Result : uint8_t { kLent, kLater, kNone };
  struct Options {
    // A connection that was idle will do.
    bool may_reuse = true;
    // Safe to send again should a reused connection turn out to be closed.
    bool repeatable = false;
    bool may_queue = true;
    // At the limit, one that is displaceable goes.
    bool may_displace = true;
    // See OnCallerEnd.
    bool caller_ended = false;
    // What the caller speaks, and so does the connection unless the backend speaks one thing alone.
    Protocol protocol = Protocol::kHttp1;
  };

  Attempt(EngineContext& context, AttemptUser& user)
      : context_(context), user_(user), timer_(context.wheel, this) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Hot path. kNone: `why` says why not.
  Result Begin(Backend& backend, const Options& options);
  // Hot path. The same with what is idle alone: kNone when nothing is.
  Result BeginIdle(Backend& backend, const Options& options);
  NoStream why() const { return why_; }
  State state() const { return state_; }
  // Null when there is none.
  UpstreamStream* stream() const { return stream_; }
  // Where the stream goes; of no family when there is none.
  NetAddress address() const;

  // The caller has ended: nobody may be there any more to be served after a wait, and the connection is of no
  // use to others.
  void OnCallerEnd() { options_.caller_ended = true; }
  // Its response, when it comes, may find nobody to read it: at the limit its connection goes to others.
  void MakeDisplaceable() { backend_->MakeDisplaceable(*this); }
  void KeepInPlace() { ListNode<Attempt, Displaceable>::Unlink(); }

  // Ends the attempt, if there is one. The connection is kept for others if nothing is left of the stream.
  void Release() { GiveBack(GivenBack::kDone, StreamError::kNone); }
  // With a reset: what the backend has is not to be taken for a whole request.
  void Reset(StreamError why = StreamError::kCancelled) { GiveBack(GivenBack::kReset, why); }
  // Orderly, but for good.
  void Close() { GiveBack(GivenBack::kClosed, StreamError::kNone); }

  // For the pool.
  void OnAvailable();
  void Displace() { user_.OnDisplaced(); }

 private:
  Result Seek(Backend::Turn turn);
  Result Fail(NoStream why);
  void Take(const Backend::Loan& loan);
  void GiveBack(GivenBack how, StreamError why);
  // Tells the user what a search that it did not begin has led to.
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
  // Of the dial, of the pause before the next, of the wait in the queue: one after the other.
  MemberTimer<Attempt, &Attempt::OnTimer> timer_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_ATTEMPT_H_
