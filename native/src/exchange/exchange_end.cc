// How an exchange ends: with the upstream's response, with a local reply, or cut short.
#include "exchange/exchange.h"
#include "exchange/exchange_pool.h"
#include "log/request_log.h"

namespace sideroute {

namespace {

// True for faults of the proxy or the upstream: the request was well-formed, so the connection can be reused.
bool LeavesDownstreamIntact(Reason reason) { return reason < Reason::kBadRequest; }

// The error code for a caller whose response is broken off for this reason.
StreamError ErrorOf(Reason reason) {
  return reason == Reason::kOverload ? StreamError::kEnhanceYourCalm : StreamError::kCancelled;
}

}  // namespace

Progress Exchange::ReplyReason(Reason reason) {
  return Reply(context_.reason_replies[static_cast<size_t>(reason)], LeavesDownstreamIntact(reason));
}

Progress Exchange::Reply(int32_t index, bool may_keep) {
  if (index < 0 || static_cast<size_t>(index) >= context_.replies.size()) {
    index = context_.reason_replies[static_cast<size_t>(Reason::kInternal)];
    may_keep = false;
  }
  // If a backend was asked or a timeout has passed, the caller has had the time to send its body.
  const auto is_for = [&](Reason reason) {
    return index == context_.reason_replies[static_cast<size_t>(reason)];
  };
  const bool early = attempt_.state() != Attempt::State::kConnected && !is_for(Reason::kTimeout) &&
                     !is_for(Reason::kUpstreamReset) && !is_for(Reason::kRetriesExhausted);
  attempt_.Reset();
  // From here on only the downstream is waited for.
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  pending_reply_ = index;
  decided_reply_ = decision_.kind == DecisionKind::kLocal && index == decision_.reply;
  const uint32_t waits_ms = !may_keep || request_state_ == RequestState::kDone || body_held_
                                ? 0
                                : downstream_->reply_waits_ms(early);
  if (waits_ms == 0) return SendReply(may_keep);
  discarded_ = 0;
  wait_ = Wait::kDiscard;
  wait_timer_.ArmAfter(waits_ms);
  return DiscardRequestBody();
}

// Reads and drops the rest of the body, up to a limit, so that the connection can serve another request and
// the caller has sent everything before it gets the reply.
Progress Exchange::DiscardRequestBody() {
  constexpr size_t kMaxDiscarded = 256 * 1024;
  while (request_state_ == RequestState::kBody) {
    BodyPiece piece;
    const ReadResult result = downstream_->ReadBody(&piece);
    if (result == ReadResult::kAgain) return Progress::kOpen;
    if (result != ReadResult::kGiven) return SendReply(false);
    // Mirrors still get it.
    if (!mirrors_.empty()) SendToMirrors(piece);
    downstream_->Took();
    facts_.bytes_received += piece.wire_bytes;
    discarded_ += piece.wire_bytes;
    if (piece.last)
      RequestComplete();
    else if (discarded_ > kMaxDiscarded)
      return SendReply(false);
  }
  return SendReply(true);
}

Progress Exchange::SendReply(bool may_keep) {
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  const LocalReply& reply = context_.replies[static_cast<size_t>(pending_reply_)];
  const ReplyForm form = call_.is_call && !reply.grpc.empty() ? ReplyForm::kGrpc : ReplyForm::kHttp;
  status_ = form == ReplyForm::kGrpc ? kGrpcHttpStatus : reply.status;
  reason_ = reply.reason;
  if (form == ReplyForm::kGrpc) grpc_status_ = reply.grpc_status;
  const std::string_view fields = decided_reply_ ? std::string_view(fields_) : std::string_view();
  facts_.bytes_sent += downstream_->SendReply(reply, form, fields, may_keep);
  response_state_ = ResponseState::kFlush;
  if (downstream_->write_failed()) return Abandon();
  if (downstream_->unsent() == 0) return End(StreamEnd::kComplete);
  // Only the caller can go on now, and the code that got here may not run in an event of the caller.
  ArmStall();
  return Progress::kOpen;
}

// Hot path. The whole response is sent or waits for the downstream; the upstream is free.
Progress Exchange::ResponseProduced() {
  response_state_ = ResponseState::kFlush;
  attempt_.Release();
  if (downstream_->write_failed()) return Abandon();
  return downstream_->unsent() > 0 ? Progress::kOpen : End(StreamEnd::kComplete);
}

void Exchange::SetReason(Reason reason) {
  const LocalReply& reply =
      context_.replies[static_cast<size_t>(context_.reason_replies[static_cast<size_t>(reason)])];
  reason_ = reply.reason;
  if (call_.is_call) grpc_status_ = reply.grpc_status;
}

// The response has begun and cannot be completed; the downstream must be able to see that.
Progress Exchange::Truncate(Reason reason, StreamError why) {
  attempt_.Reset();
  SetReason(reason);
  if (!downstream_->Truncate(why)) return End(StreamEnd::kTruncated, why);
  response_state_ = ResponseState::kFlush;
  ArmStall();
  return Progress::kOpen;
}

Progress Exchange::BreakOff(Reason reason) {
  attempt_.Reset(downstream_->error());
  SetReason(reason);
  return End(StreamEnd::kReset, ErrorOf(reason));
}

Progress Exchange::Abandon() {
  const Reason reason = downstream_->why_gone();
  // A caller that has received the whole announced body need not wait for the end of the stream.
  if (reason == Reason::kDownstreamReset && status_ != 0 && attempt_.stream() != nullptr &&
      attempt_.stream()->gave_all() && downstream_->unsent() == 0) {
    attempt_.Reset();
    return End(StreamEnd::kReset, StreamError::kCancelled);
  }
  if (reason != Reason::kDownstreamReset) facts_.fault = downstream_->fault();
  return BreakOff(reason);
}

// A caller that has received nothing of a response yet gets a reply with the reason.
void Exchange::Cut(Reason reason) {
  // Without waiting for the rest of the request.
  if (status_ == 0) {
    const int32_t reply = context_.reason_replies[static_cast<size_t>(reason)];
    const Progress told = wait_ == Wait::kDiscard ? SendReply(false) : Reply(reply, false);
    if (told != Progress::kOpen) return;
  }
  BreakOff(reason);
}

// Hot path.
Progress Exchange::End(StreamEnd how, StreamError why) {
  DownstreamStream* const downstream = downstream_;
  Report();
  return downstream->End(how, why);
}

// Reports the outcome, once. The exchange is back in the pool afterwards.
void Exchange::Report() {
  if (relay_) --context_.counters.relays_open;
  --context_.counters.requests_open;
  const uint64_t ended_ns = context_.moment.NowNs();
  const double duration_ms = static_cast<double>(ended_ns - started_ns_) / 1e6;
  if (facts_.kept && context_.log != nullptr &&
      (context_.log->Wants(reason_, status_, grpc_status_) || facts_.taps != 0)) {
    context_.log->OnRequest(Entry(ended_ns), facts_);
    facts_.tapped_fields.reset();
  }
  if (span_ != nullptr) EndSpan(ended_ns);
  wait_timer_.Cancel();
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  stall_timer_.Cancel();
  request_.Clear();
  if (backend_ != nullptr) backend_->AddExchange(-1);
  backend_ = nullptr;
  plan_.Reset();
  policy_.Reset();
  if (!mirrors_.empty()) EndMirrors();
  context_.host.OnOutcome({decision_.series, status_, reason_, duration_ms, retries_, denial_, grpc_status_});
  pool_.Give(*this);
}

RequestEntry Exchange::Entry(uint64_t ended_ns) const {
  RequestEntry entry;
  entry.frontend = downstream_->caller().frontend;
  entry.series = decision_.series;
  entry.status = status_;
  entry.reason = reason_;
  entry.started_ns = started_ns_;
  entry.ended_ns = ended_ns;
  entry.retries = retries_;
  entry.denial = denial_;
  entry.grpc_status = grpc_status_;
  entry.minor_version = minor_version_;
  entry.counts_bytes = downstream_->caller().counts_bytes;
  entry.downstream = downstream_->caller().peer;
  entry.destination = downstream_->caller().original;
  return entry;
}

void Exchange::Continue(Progress progress) {
  if (progress == Progress::kNextRequest) downstream_->NextRequest();
}

// The request deadline covers all retries.
void Exchange::OnRequestDeadline() { TimedOut(); }

// An attempt that was not sent is retried without cost. An attempt that was sent may have been executed, so
// it is retried only if the route lists 504 and the method allows it.
void Exchange::OnAttemptDeadline() {
  constexpr uint16_t kGatewayTimeout = 504;
  const bool unsent = attempt_.state() != Attempt::State::kConnected;
  if (status_ == 0 && (unsent || RetriesProcessed(kGatewayTimeout)) && TakeRetry(!unsent)) {
    // A new connection, so that kube-proxy chooses an endpoint anew.
    fresh_only_ = true;
    attempt_.Reset();
    return Continue(TryAgain(Reason::kTimeout));
  }
  TimedOut();
}

void Exchange::TimedOut() {
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  // There is nothing left to wait for except the downstream itself.
  if (response_state_ == ResponseState::kFlush && attempt_.stream() == nullptr) return;
  if (status_ == 0) return Continue(ReplyReason(Reason::kTimeout));
  // Some HTTP clients take CANCEL for a regular end. gRPC clients read it as CANCELLED, or as their own
  // deadline if that has passed too.
  Continue(Truncate(Reason::kTimeout, call_.is_call ? StreamError::kCancelled : StreamError::kInternal));
}

void Exchange::OnStall() {
  if (status_ == 0) return Continue(ReplyReason(Reason::kTimeout));
  Abandon();
}

// Every event counts as progress, so the timer runs only while a side that could go on does not. The time an
// upstream takes for its answer is not limited here; the timeouts of a route do that.
void Exchange::ArmStall() {
  if (relay_) return;
  if (AwaitsPeer()) {
    stall_timer_.ArmAfter(context_.settings.stall_timeout_ms);
  } else {
    stall_timer_.Cancel();
  }
}

}  // namespace sideroute
