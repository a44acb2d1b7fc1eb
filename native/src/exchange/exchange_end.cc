// How an exchange ends: with the upstream's response, with one made here, or cut short.
#include <uv.h>

#include "engine/http_engine.h"
#include "exchange/exchange.h"
#include "http1/downstream_connection.h"
#include "log/access_log.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

// Faults of the proxy or the upstream; the request was understood, so the connection can go on.
bool LeavesDownstreamIntact(Reason reason) { return reason < Reason::kBadRequest; }

}  // namespace

Progress Exchange::ReplyReason(Reason reason) {
  return Reply(context_.reason_replies[static_cast<size_t>(reason)], LeavesDownstreamIntact(reason));
}

Progress Exchange::Reply(int32_t index, bool may_keep) {
  if (index < 0 || static_cast<size_t>(index) >= context_.replies.size()) {
    index = context_.reason_replies[static_cast<size_t>(Reason::kInternal)];
    may_keep = false;
  }
  DropUpstream();
  // Only the downstream can still be waited for.
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  pending_reply_ = index;
  decided_reply_ = decision_.kind == DecisionKind::kLocal && index == decision_.reply;
  if (!may_keep || !keep_alive_ || request_state_ == RequestState::kDone || body_held_ || context_.closes()) {
    return SendReply(may_keep);
  }
  discarded_ = 0;
  wait_ = Wait::kDiscard;
  wait_timer_.ArmAfter(context_.settings.discard_timeout_ms);
  return DiscardRequestBody();
}

// Reads a body that nobody wants, within reason, so that the connection can serve another request.
Progress Exchange::DiscardRequestBody() {
  constexpr size_t kMaxDiscarded = 256 * 1024;
  DiscardSink sink(*this);
  while (request_state_ == RequestState::kBody) {
    Window window;
    const FillResult result = downstream_->Fill(more_request_, &window);
    if (result == FillResult::kAgain) return Progress::kOpen;
    if (result != FillResult::kBytes) return SendReply(false);
    size_t used = 0;
    const BodyRelay::Status status = request_body_.Pass({}, window.data, window.length, &used, sink);
    downstream_->Use(window, used);
    facts_.bytes_received += used;
    more_request_ = used < window.length;
    discarded_ += used;
    if (status == BodyRelay::Status::kDone)
      RequestComplete();
    else if (status == BodyRelay::Status::kBroken || discarded_ > kMaxDiscarded)
      return SendReply(false);
  }
  return SendReply(true);
}

Progress Exchange::SendReply(bool may_keep) {
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  const LocalReply& reply = context_.replies[static_cast<size_t>(pending_reply_)];
  status_ = reply.status;
  reason_ = reply.reason;
  close_ = !may_keep || !keep_alive_ || request_state_ != RequestState::kDone || context_.closes();
  ConnectionField connection = ConnectionField::kNone;
  if (close_) {
    connection = ConnectionField::kClose;
  } else if (http10_) {
    connection = ConnectionField::kKeepAlive;
  }
  ByteBuffer& out = context_.head;
  out.Clear();
  context_.engine.WriteReply(reply, decided_reply_ ? std::string_view(fields_) : std::string_view(),
                             connection, method_ != http1::MethodId::kHead, out);
  context_.counters.bytes_downstream += out.size();
  facts_.bytes_sent += out.size();
  downstream_->Send(out.data(), out.size(), close_);
  response_state_ = ResponseState::kFlush;
  if (downstream_->write_failed()) {
    Abandon();
    return Progress::kClosed;
  }
  return downstream_->has_unsent() ? Progress::kOpen : Finish();
}

// Hot path. Everything of the response is sent or waits for the socket; the upstream is free.
Progress Exchange::ResponseProduced() {
  response_state_ = ResponseState::kFlush;
  // SAFETY 90, 92: bytes beyond the response are nobody's. A request that is not through leaves the
  // connection unusable.
  ReleaseUpstream(upstream_reusable_ && request_state_ == RequestState::kDone && !upstream_->has_kept() &&
                  !upstream_->has_unsent() && !upstream_->write_failed() && !upstream_->peer_ended());
  if (request_state_ != RequestState::kDone) close_ = true;
  if (downstream_->write_failed()) {
    Abandon();
    return Progress::kClosed;
  }
  return downstream_->has_unsent() ? Progress::kOpen : Finish();
}

// Hot path.
Progress Exchange::Finish() {
  Downstream* const downstream = downstream_;
  const bool close = close_;
  // Unread bytes at close() would turn the FIN into a reset, which may overtake the response.
  const bool orderly = request_state_ == RequestState::kDone && !downstream->readable();
  const bool reset = until_close_ && reason_ >= 0;
  Report();
  if (!close) return Progress::kNextRequest;
  if (reset) {
    downstream->CloseNow(true);
  } else {
    downstream->CloseAfterResponse(orderly);
  }
  return Progress::kClosed;
}

// The response has begun and cannot be completed: the downstream must be able to see that (SAFETY 89, 93).
Progress Exchange::Truncate(Reason reason) {
  DropUpstream();
  reason_ =
      context_.replies[static_cast<size_t>(context_.reason_replies[static_cast<size_t>(reason)])].reason;
  close_ = true;
  if (!until_close_ && downstream_->has_unsent()) {
    // What has arrived is still worth delivering; its framing shows that it is not all.
    response_state_ = ResponseState::kFlush;
    return Progress::kOpen;
  }
  Downstream* const downstream = downstream_;
  Report();
  downstream->CloseNow(until_close_);
  return Progress::kClosed;
}

void Exchange::BreakOff(Reason reason) {
  DropUpstream();
  reason_ =
      context_.replies[static_cast<size_t>(context_.reason_replies[static_cast<size_t>(reason)])].reason;
  Downstream* const downstream = downstream_;
  Report();
  downstream->CloseNow(true);
}

// A caller that has nothing of a response yet is told why there will be none.
void Exchange::Cut(Reason reason) {
  if (status_ == 0 && ReplyReason(reason) != Progress::kOpen) return;
  BreakOff(reason);
}

void Exchange::ReleaseUpstream(bool reusable) {
  if (upstream_ == nullptr) return;
  UpstreamConnection& upstream = *upstream_;
  upstream_ = nullptr;
  if (caller_ended_) backend_->KeepInPlace(*this);
  upstream.endpoint().backend.Release(upstream, reusable);
}

// With RST: whatever the upstream has of the request is not to be taken for all of it.
void Exchange::DropUpstream() {
  if (linked()) Unlink();
  if (upstream_ == nullptr) return;
  UpstreamConnection& upstream = *upstream_;
  upstream_ = nullptr;
  if (caller_ended_) backend_->KeepInPlace(*this);
  upstream.endpoint().backend.Close(upstream, true);
}

// The one outcome. The exchange is free from here on.
void Exchange::Report() {
  if (tunnel_) --context_.counters.tunnels_open;
  --context_.counters.requests_open;
  const uint64_t ended_ns = uv_hrtime();
  const double duration_ms = static_cast<double>(ended_ns - started_ns_) / 1e6;
  if (facts_.kept && context_.log->Wants(reason_, status_)) Log(ended_ns);
  wait_timer_.Cancel();
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  stall_timer_.Cancel();
  sent_.Clear();
  if (backend_ != nullptr) backend_->AddExchange(-1);
  backend_ = nullptr;
  plan_.Reset();
  policy_.Reset();
  if (!mirrors_.empty()) EndMirrors();
  downstream_->OnExchangeEnded();
  context_.host.OnOutcome({decision_.series, status_, reason_, duration_ms, retries_, denial_});
  context_.engine.GiveExchange(this);
}

void Exchange::Log(uint64_t ended_ns) {
  RequestEntry entry;
  entry.frontend = downstream_->frontend();
  entry.series = decision_.series;
  entry.status = status_;
  entry.reason = reason_;
  entry.started_ns = started_ns_;
  entry.ended_ns = ended_ns;
  entry.retries = retries_;
  entry.denial = denial_;
  entry.minor_version = http10_ ? 0 : 1;
  entry.downstream = downstream_->peer();
  entry.destination = downstream_->original();
  context_.log->OnRequest(entry, facts_);
}

void Exchange::Continue(Progress progress) {
  if (progress == Progress::kNextRequest) downstream_->ReadRequests();
}

// SPEC T1, R6: no retry goes on beyond it.
void Exchange::OnRequestDeadline() { TimedOut(); }

// SPEC R3, V2, V4.
void Exchange::OnAttemptDeadline() {
  constexpr uint16_t kGatewayTimeout = 504;
  const bool unsent = upstream_ == nullptr || upstream_->connecting();
  if (status_ == 0 && (unsent || RetriesProcessed(kGatewayTimeout)) && TakeRetry(!unsent)) {
    // kube-proxy shall choose anew.
    fresh_only_ = true;
    DropUpstream();
    return Continue(TryAgain());
  }
  TimedOut();
}

void Exchange::TimedOut() {
  request_deadline_.Cancel();
  attempt_deadline_.Cancel();
  // Nothing left to wait for but the downstream itself.
  if (response_state_ == ResponseState::kFlush && upstream_ == nullptr) return;
  if (status_ == 0) return Continue(ReplyReason(Reason::kTimeout));
  Continue(Truncate(Reason::kTimeout));
}

void Exchange::OnStall() {
  if (status_ == 0) return Continue(ReplyReason(Reason::kTimeout));
  Abandon();
}

// Every event is progress, so the timer runs only while a side that could go on does not. An upstream that
// thinks about its answer may take as long as it wants: that is what the timeouts of a route are for.
void Exchange::ArmStall() {
  if (tunnel_) return;
  if (request_state_ == RequestState::kBody || downstream_->has_unsent()) {
    stall_timer_.ArmAfter(context_.settings.stall_timeout_ms);
  } else {
    stall_timer_.Cancel();
  }
}

}  // namespace sideroute
