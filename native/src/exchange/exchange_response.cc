// The response half of an exchange: heads, body, and what happens when the upstream fails.
#include "exchange/exchange.h"

namespace sideroute {

// Hot path.
Progress Exchange::PumpResponse() {
  while (response_state_ != ResponseState::kFlush) {
    UpstreamStream* const stream = attempt_.stream();
    if (stream == nullptr) break;
    if (downstream_->write_failed()) return Abandon();
    if (downstream_->unsent() > 0) break;
    if (response_state_ == ResponseState::kHead) {
      const http::ResponseHead* head = nullptr;
      const ReadResult result = stream->ReadHead(&head);
      if (!response_begun_ && stream->begun()) NoteBegun();
      if (result != ReadResult::kGiven) return ReadFailed(result);
      bool stop = true;
      const Progress progress = TakeResponseHead(*head, &stop);
      if (stop) return progress;
      continue;
    }
    BodyPiece piece;
    const std::optional<ReadResult> spliced = long_response_ ? SpliceResponse(&piece) : std::nullopt;
    if (const ReadResult result = spliced ? *spliced : stream->ReadBody(&piece); result != ReadResult::kGiven)
      return ReadFailed(result);
    if (spliced) {
      facts_.bytes_sent += downstream_->NoteSpliced(piece);
    } else {
      if (call_.is_call) NoteGrpcStatus(piece.trailers);
      facts_.bytes_sent += downstream_->SendBody(piece);
      stream->Took();
    }
    if (piece.last) return ResponseProduced();
  }
  return Progress::kOpen;
}

// The engine itself resends only requests to which no response has begun.
void Exchange::NoteBegun() {
  response_begun_ = true;
  may_resend_ = false;
  if (has_retries()) return;
  kept_ = false;
  request_.Clear();
}

Progress Exchange::ReadFailed(ReadResult result) {
  if (result == ReadResult::kAgain) return Progress::kOpen;
  return UpstreamBroken(result == ReadResult::kMalformed ? Reason::kUpstreamProtocol
                                                         : Reason::kUpstreamReset);
}

// `stop` is set to false if the pump should go on.
Progress Exchange::TakeResponseHead(const http::ResponseHead& head, bool* stop) {
  if (head.interim()) {
    const Progress progress = RelayInterim(head);
    *stop = progress != Progress::kOpen;
    return progress;
  }
  if (head.body == http::BodyKind::kSwitched) return SwitchToRelay(head);
  if (head.status < 300 && downstream_->takes_success_for_switch())
    return UpstreamBroken(Reason::kUpstreamProtocol);
  if (has_retries()) {
    if (policy_->Retries(head.status) && TakeRetry(true)) {
      ReleaseRetried();
      return TryAgain(Reason::kRetriesExhausted, head.status);
    }
    kept_ = false;
    request_.Clear();
  }
  NoteResponse(head.status);
  long_response_ = IsLong(head);
  if (wait_ == Wait::kExpect) {
    wait_ = Wait::kNothing;
    wait_timer_.Cancel();
  }
  UpstreamStream& stream = *attempt_.stream();
  BodyPiece first;
  const ReadResult result = stream.ReadBody(&first);
  if (call_.is_call) {
    NoteGrpcStatus(head);
    NoteGrpcStatus(first.trailers);
  }
  facts_.bytes_sent += downstream_->SendHead(head, plan_.get(), fields_, first);
  response_state_ = ResponseState::kBody;
  stream.Took();
  if (result == ReadResult::kMalformed) return UpstreamBroken(Reason::kUpstreamProtocol);
  if (first.last) return ResponseProduced();
  *stop = false;
  return Progress::kOpen;
}

// From here on the caller gets this response and no other.
void Exchange::NoteResponse(uint16_t status) {
  status_ = status;
  attempt_.KeepInPlace();
  if (facts_.kept) facts_.response_ns = context_.moment.NowNs();
}

Progress Exchange::RelayInterim(const http::ResponseHead& head) {
  // Without this limit a backend could keep a request open for ever, a few bytes at a time.
  if (++interim_count_ > context_.settings.max_interim_responses)
    return UpstreamBroken(Reason::kUpstreamProtocol);
  const bool go_on = head.status == 100 && body_held_;
  // A 100 from a retry answers nothing: the caller has had its 100 already.
  if (retries_ == 0 || head.status != 100 || go_on) facts_.bytes_sent += downstream_->SendInterim(head);
  attempt_.stream()->Took();
  if (!go_on) return Progress::kOpen;
  body_held_ = false;
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  return PumpRequest();
}

Progress Exchange::UpstreamBroken(Reason reason) {
  UpstreamStream& stream = *attempt_.stream();
  if (reason == Reason::kUpstreamProtocol) facts_.fault = stream.fault();
  // Resend if a reused connection was perhaps closed while idle and the request may be sent twice. The resend
  // counts as one of the route's attempts, because those limit how often the backend may see a request.
  const bool again = !response_begun_ && may_resend_ && stream.executed() == Executed::kUnlikely && kept_ &&
                     !resent_ && status_ == 0 && !caller_ended_ &&
                     (!has_retries() || retries_ < policy_->attempts);
  const bool reset = reason == Reason::kUpstreamReset;
  const StreamError why = reset ? stream.error() : StreamError::kInternal;
  const bool nothing = reset && !response_begun_ && stream.executed() == Executed::kNothing;
  attempt_.Reset(reset ? StreamError::kCancelled : StreamError::kProtocol);
  if (nothing && !caller_ended_) return NothingExecuted();
  // Other pooled connections of the same age may have failed too, so the next attempt dials.
  fresh_only_ = true;
  if (again) {
    resent_ = true;
    if (has_retries()) ++retries_;
    ++context_.counters.retries_reset;
    return BeginAttempt();
  }
  // The backend was told that the caller ended its side, so it gives up, as it would without a proxy.
  if (caller_ended_ && reason == Reason::kUpstreamReset) reason = Reason::kDownstreamReset;
  if (status_ != 0) return Truncate(reason, why);
  constexpr uint16_t kBadGateway = 502;
  if (reason != Reason::kUpstreamReset) return ReplyReason(reason);
  if (!RetriesProcessed(kBadGateway))
    return call_.is_call && IsVerdict(why) ? PassReset(why) : ReplyReason(reason);
  // If the last of several attempts failed, the caller learns that retries are exhausted, not that a
  // connection broke.
  return TakeRetry(true) ? TryAgain(reason) : ReplyReason(Reason::kRetriesExhausted);
}

// The peer executed nothing, so another stream may be tried for every method, and it does not count as a
// retry of the route. A peer that refuses several requests in a row is overloaded, though: all resends after
// the first are charged to the retry budget.
Progress Exchange::NothingExecuted() {
  constexpr uint8_t kMostRefused = 4;
  if (kept_ && refused_ < kMostRefused &&
      (refused_ == 0 || backend_->budget().Withdraw(context_.wheel.now_ms()))) {
    ++refused_;
    ++context_.counters.retries_reset;
    return BeginAttempt();
  }
  return TakeRetry(true) ? TryAgain(Reason::kUpstreamReset) : ReplyReason(Reason::kUpstreamReset);
}

// This response is dropped for a retry. Its connection can be reused if the rest of the response has arrived.
void Exchange::ReleaseRetried() {
  UpstreamStream& stream = *attempt_.stream();
  BodyPiece rest;
  stream.ReadBody(&rest);
  stream.Took();
  if (!rest.last || request_state_ != RequestState::kDone) return attempt_.Reset();
  attempt_.Release();
}

}  // namespace sideroute
