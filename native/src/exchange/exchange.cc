// The request half of an exchange: decision, upstream connection, request body.
#include "exchange/exchange.h"

#include <algorithm>

#include "log/request_log.h"
#include "upstream/backends.h"

namespace sideroute {

namespace {

bool IsRepeatable(http::MethodId method) {
  switch (method) {
    case http::MethodId::kGet:
    case http::MethodId::kHead:
    case http::MethodId::kOptions:
    case http::MethodId::kTrace:
    case http::MethodId::kPut:
    case http::MethodId::kDelete:
      return true;
    default:
      return false;
  }
}

}  // namespace

Exchange::Exchange(EngineContext& context, ExchangePool& pool)
    : context_(context),
      pool_(pool),
      attempt_(context, *this),
      request_(context.blocks),
      wait_timer_(context.wheel, this),
      request_deadline_(context.wheel, this),
      attempt_deadline_(context.wheel, this),
      stall_timer_(context.wheel, this) {}

void Exchange::Clear(DownstreamStream& downstream) {
  downstream_ = &downstream;
  backend_ = nullptr;
  fields_.clear();
  status_ = 0;
  reason_ = -1;
  caller_ended_ = false;
  facts_.kept = false;
  facts_.taps = 0;
  facts_.fault = {};
  facts_.bytes_received = facts_.bytes_sent = 0;
  response_state_ = ResponseState::kHead;
  wait_ = Wait::kNothing;
  kept_ = may_resend_ = resent_ = fresh_only_ = response_begun_ = false;
  relay_ = relay_up_ended_ = relay_down_ended_ = false;
  interim_count_ = refused_ = 0;
  retries_ = 0;
  denial_ = RetryDenial::kNone;
  pending_reply_ = -1;
  decision_ = Decision{};
}

// Hot path.
Progress Exchange::Start(DownstreamStream& downstream, const http::RequestHead& head) {
  Clear(downstream);
  started_ns_ = context_.moment.NowNs();
  ++context_.counters.requests;
  ++context_.counters.requests_open;
  // HTTP/2 counts as a minor version of its own here, beside 1.0 and 1.1.
  protocol_ = downstream.caller().protocol;
  if (protocol_ == Protocol::kHttp2) {
    minor_version_ = 2;
    call_ = http::ReadCall(head.method_id, head.data, head.fields);
    grpc_status_ = call_.is_call ? http::kMissingStatus : http::kNoCall;
  } else {
    minor_version_ = head.minor_version;
    call_ = {};
    grpc_status_ = http::kNoCall;
  }
  repeatable_ = IsRepeatable(head.method_id);
  KeepExcerpt(head);
  body_held_ = head.expect_continue;
  request_state_ = head.has_body() ? RequestState::kBody : RequestState::kDone;
  long_request_ = IsLong(head);
  facts_.bytes_received = head.length;
  // The head to forward: the one received, unless the request is traced.
  const http::RequestHead& onward = context_.tracer == nullptr ? head : BeginSpan(head);

  const Caller& caller = downstream_->caller();
  const bool decided = context_.host.Decide(caller.frontend, head, &decision_);
  // After the decision, because taps can filter by route.
  if (context_.log != nullptr && context_.log->on()) NoteHead(head);
  // JavaScript may have closed the engine during the call; that takes effect at the end of the turn.
  if (!decided) {
    downstream_->Took();
    return ReplyReason(Reason::kInternal);
  }
  if (decision_.plan >= 0) plan_ = context_.plans.Find(decision_.plan);
  if (decision_.policy >= 0) {
    policy_ = context_.policies.Find(decision_.policy);
    if (policy_ && policy_->once) repeatable_ = false;
  }
  fields_.swap(context_.decided_fields);
  if (decision_.kind == DecisionKind::kLocal) {
    downstream_->Took();
    return Reply(decision_.reply, true);
  }
  // The caller's grpc-timeout is 0, so nobody waits for the answer.
  if (call_.timeout_ms == 0) {
    downstream_->Took();
    return ReplyReason(Reason::kTimeout);
  }
  backend_ = decision_.kind == DecisionKind::kForward ? context_.backends.Find(decision_.backend)
                                                      : context_.backends.Original(caller.original);
  // Before the mirrors start: a mirror that ends at once may call back, and the backend must exist then.
  if (backend_ != nullptr) backend_->AddExchange(1);
  if (decision_.mirrors >= 0) StartMirrors(onward);
  if (backend_ == nullptr) {
    downstream_->Took();
    return ReplyReason(Reason::kUnresolved);
  }
  request_.Keep(onward);
  backend_->budget().OnRequest();
  if (const uint64_t limit_ms = TimeLimitMs(); limit_ms > 0) request_deadline_.ArmAfter(limit_ms);

  // Fast path: an idle connection takes head and body directly from the buffer they were received in.
  if (request_state_ == RequestState::kBody && !body_held_ && downstream_->body_at_hand() &&
      attempt_.BeginIdle(*backend_, options()) == Attempt::Result::kLent) {
    ArmAttempt();
    BodyPiece first;
    const ReadResult result = downstream_->ReadBody(&first);
    const Progress progress = SendRequest(&first);
    if (progress != Progress::kOpen) return progress;
    downstream_->Took();
    facts_.bytes_received += first.wire_bytes;
    if (result != ReadResult::kGiven) return RequestBroken();
    if (first.last) RequestComplete();
    return request_state_ == RequestState::kBody ? AdvanceAll() : Progress::kOpen;
  }
  downstream_->Took();
  if (request_state_ == RequestState::kDone && downstream_->CallerEnded()) NoteCallerEnd();
  return BeginAttempt();
}

// Hot path. A request that no tap wants costs only the filter.
void Exchange::NoteHead(const http::RequestHead& head) {
  RequestLog& log = *context_.log;
  if (log.tapped()) log.Tap(head, decision_.series, &facts_);
  if (log.logs() || facts_.taps != 0) KeepFacts(head);
}

// Hot path.
void Exchange::KeepFacts(const http::RequestHead& head) {
  facts_.kept = true;
  facts_.texts.Take(head);
  facts_.received_ns = request_state_ == RequestState::kDone ? started_ns_ : 0;
  facts_.connected_ns = facts_.response_ns = 0;
  facts_.upstream = NetAddress();
  downstream_->LoadPeer();
}

// Hot path. `first`: the start of the body, straight from the receive buffer, if none of the body was kept;
// null: send the kept body.
Progress Exchange::SendRequest(const BodyPiece* first) {
  UpstreamStream& stream = *attempt_.stream();
  may_resend_ = repeatable_ && stream.executed() == Executed::kUnlikely;
  // Once the request is sent, only a response, or a failure that stands for a status, causes a retry.
  kept_ = may_resend_ || (stream.refusable() && !sends_once()) ||
          (has_retries() && retries_ < policy_->attempts && policy_->codes.any());
  response_begun_ = false;
  interim_count_ = 0;
  if (facts_.kept) {
    facts_.upstream = attempt_.address();
    facts_.connected_ns = 0;
  }
  if (span_ != nullptr) NoteAttempt();
  const bool stands = !stream.connecting();
  stream.SendHead(request_.head(), plan_.get(), RequestCopy::kOwn,
                  first == nullptr ? request_.body() : *first);
  if (stands) {
    if (facts_.kept) facts_.connected_ns = context_.moment.NowNs();
    if (first != nullptr) SendToAll(*first, true);
    ForgetSent();
    AwaitContinue();
  }
  if (first != nullptr) return Progress::kOpen;
  if (request_state_ == RequestState::kBody) return AdvanceAll();
  if (caller_ended_) PassOnEnd();
  return Progress::kOpen;
}

// A fresh connection gets its request only once, so a copy is needed only until the connection is
// established.
void Exchange::ForgetSent() {
  if (!kept_) request_.Clear();
}

void Exchange::AwaitContinue() {
  if (!body_held_ || wait_ != Wait::kNothing) return;
  wait_ = Wait::kExpect;
  wait_timer_.ArmAfter(context_.settings.expect_timeout_ms);
}

// Sends the piece to the backend (unless it went `with_head`), to the mirrors and to the kept copy.
void Exchange::SendToAll(const BodyPiece& piece, bool with_head) {
  if (piece.bytes.empty() && !piece.last) return;
  if (!with_head) attempt_.stream()->SendBody(piece);
  if (!mirrors_.empty()) SendToMirrors(piece);
  if (!kept_) return;
  if (request_.body_bytes() + piece.bytes.size() > context_.settings.max_replay_bytes) {
    kept_ = false;
    request_.Clear();
  } else {
    request_.Append(piece);
  }
}

void Exchange::RequestComplete() {
  request_state_ = RequestState::kDone;
  if (facts_.kept) facts_.received_ns = context_.moment.NowNs();
  if (!mirrors_.empty()) EndMirrors();
  if (downstream_->CallerEnded()) NoteCallerEnd();
}

// Hot path.
Progress Exchange::PumpRequest() {
  while (request_state_ == RequestState::kBody) {
    UpstreamStream* const stream = attempt_.stream();
    if (stream == nullptr || stream->connecting() || body_held_ || stream->unsent() > 0) break;
    BodyPiece piece;
    const std::optional<ReadResult> spliced = long_request_ ? SpliceRequest(&piece) : std::nullopt;
    switch (spliced ? *spliced : downstream_->ReadBody(&piece)) {
      case ReadResult::kAgain:
        return Progress::kOpen;
      case ReadResult::kEnded:
      case ReadResult::kReset:
        // The upstream must see that the body it has so far is incomplete.
        return Abandon();
      case ReadResult::kMalformed:
        return RequestBroken();
      case ReadResult::kGiven:
        break;
    }
    if (spliced) {
      stream->NoteSpliced(piece);
    } else {
      SendToAll(piece, false);
      downstream_->Took();
    }
    facts_.bytes_received += piece.wire_bytes;
    if (piece.last) RequestComplete();
  }
  return Progress::kOpen;
}

// The request body is malformed or ends too early. The upstream must not take it for complete, and the bytes
// after it must not be parsed as a request.
Progress Exchange::RequestBroken() {
  facts_.fault = downstream_->fault();
  attempt_.Reset();
  return status_ == 0 ? ReplyReason(Reason::kBadRequest)
                      : Truncate(Reason::kBadRequest, StreamError::kProtocol);
}

Progress Exchange::Advance() {
  if (relay_) return PumpRelay();
  if (wait_ == Wait::kDiscard) return DiscardRequestBody();
  UpstreamStream* const stream = attempt_.stream();
  if (stream != nullptr && !stream->connecting()) stream->Flush();
  if (!downstream_->Flush()) return Abandon();
  if (request_state_ == RequestState::kBody) {
    if (const Progress progress = PumpRequest(); progress != Progress::kOpen) return progress;
  }
  if (attempt_.state() == Attempt::State::kConnected && response_state_ != ResponseState::kFlush) {
    if (const Progress progress = PumpResponse(); progress != Progress::kOpen) return progress;
  }
  if (response_state_ == ResponseState::kFlush && downstream_->unsent() == 0)
    return End(StreamEnd::kComplete);
  return Progress::kOpen;
}

Progress Exchange::AdvanceAll() {
  const Progress progress = Advance();
  if (progress == Progress::kOpen) ArmStall();
  return progress;
}

Progress Exchange::OnDownstreamEvent() {
  if (downstream_->gone() && !relay_) return Abandon();
  if (!caller_ended_ && !relay_) {
    if (const Progress progress = OnCallerEnd(); progress != Progress::kOpen) return progress;
  }
  return AdvanceAll();
}

void Exchange::OnWaitTimer() {
  const Wait wait = wait_;
  wait_ = Wait::kNothing;
  switch (wait) {
    case Wait::kNothing:
      return;
    case Wait::kRetry:
      return Continue(BeginAttempt());
    case Wait::kDiscard:
      return Continue(SendReply(false));
    case Wait::kExpect:
      // The upstream ignores Expect (RFC 9110 section 10.1.1): to wait any longer would be a deadlock.
      body_held_ = false;
      return Continue(AdvanceAll());
  }
}

}  // namespace sideroute
