// How an exchange gets an upstream stream: one attempt, and perhaps another after a failure.
#include "exchange/exchange.h"

namespace sideroute {

Attempt::Options Exchange::options() const {
  return {.may_reuse = !fresh_only_,
          .repeatable = repeatable_,
          .caller_ended = caller_ended_,
          .protocol = protocol_};
}

void Exchange::ArmAttempt() {
  if (policy_ && policy_->attempt_timeout_ms > 0) {
    attempt_deadline_.ArmAfter(policy_->attempt_timeout_ms);
  }
}

// The attempt timeout includes connecting, however many dials that takes.
Progress Exchange::BeginAttempt() {
  ArmAttempt();
  switch (attempt_.Begin(*backend_, options())) {
    case Attempt::Result::kLent:
      return SendRequest(nullptr);
    case Attempt::Result::kLater:
      return Progress::kOpen;
    case Attempt::Result::kNone:
      break;
  }
  return NoConnection(attempt_.why());
}

// If every dial of an attempt failed, a retry of the route starts a new attempt.
Progress Exchange::NoConnection(NoStream why) {
  switch (why) {
    case NoStream::kOverflow:
      return ReplyReason(Reason::kOverflow);
    case NoStream::kNoAddress:
      return ReplyReason(Reason::kUnresolved);
    case NoStream::kRefused:
    case NoStream::kTimedOut:
      break;
  }
  const Reason reason = why == NoStream::kTimedOut ? Reason::kConnectTimeout : Reason::kConnectFailure;
  return TakeRetry(false) ? TryAgain(reason) : ReplyReason(reason);
}

void Exchange::OnStreamLent() { Continue(SendRequest(nullptr)); }

void Exchange::OnNoStream(NoStream why) { Continue(NoConnection(why)); }

void Exchange::OnConnected() {
  if (facts_.kept) facts_.connected_ns = context_.moment.NowNs();
  ForgetSent();
  AwaitContinue();
}

void Exchange::OnDisplaced() { Continue(ReplyReason(Reason::kDownstreamReset)); }

}  // namespace sideroute
