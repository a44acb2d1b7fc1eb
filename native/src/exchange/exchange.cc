// The request half of an exchange: decision, upstream connection, request body.
#include "exchange/exchange.h"

#include <uv.h>

#include <algorithm>

#include "engine/http_engine.h"
#include "http1/downstream_connection.h"
#include "log/access_log.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

bool IsRepeatable(http1::MethodId method) {
  switch (method) {
    case http1::MethodId::kGet:
    case http1::MethodId::kHead:
    case http1::MethodId::kOptions:
    case http1::MethodId::kTrace:
    case http1::MethodId::kPut:
    case http1::MethodId::kDelete:
      return true;
    default:
      return false;
  }
}

}  // namespace

Exchange::Exchange(EngineContext& context)
    : context_(context),
      sent_(context.blocks),
      request_sink_(*this),
      response_sink_(*this),
      wait_timer_(context.wheel, this),
      request_deadline_(context.wheel, this),
      attempt_deadline_(context.wheel, this),
      stall_timer_(context.wheel, this),
      request_parser_(request_fields_, context.settings.request_limits),
      response_parser_(response_fields_, context.settings.response_limits) {}

void Exchange::Begin(Downstream* downstream) {
  downstream_ = downstream;
  upstream_ = nullptr;
  backend_ = nullptr;
  fields_.clear();
  status_ = 0;
  reason_ = -1;
  started_ = caller_ended_ = false;
  facts_.kept = false;
  facts_.fault = {};
  facts_.bytes_received = facts_.bytes_sent = 0;
  request_state_ = RequestState::kHead;
  response_state_ = ResponseState::kHead;
  wait_ = Wait::kNothing;
  body_held_ = more_request_ = more_response_ = kept_ = may_resend_ = resent_ = false;
  fresh_only_ = response_begun_ = upstream_reusable_ = false;
  close_ = until_close_ = tunnel_ = tunnel_up_ended_ = tunnel_down_ended_ = false;
  interim_count_ = 0;
  dials_.Reset();
  retries_ = 0;
  denial_ = RetryDenial::kNone;
  pending_reply_ = -1;
  request_parser_.Reset();
}

// Hot path.
Progress Exchange::Start(const Window& window) {
  started_ = true;
  started_ns_ = uv_hrtime();
  ++context_.counters.requests;
  ++context_.counters.requests_open;
  const http1::RequestHead& head = request_parser_.head();
  method_ = head.method_id;
  http10_ = head.minor_version == 0;
  upgrade_ = head.upgrade;
  keep_alive_ = head.keep_alive;
  repeatable_ = IsRepeatable(method_);
  KeepExcerpt(head);
  body_held_ = head.expect_continue;
  request_body_.Start(head.body, head.content_length,
                      head.body == http1::BodyKind::kChunked ? OutFraming::kChunked : OutFraming::kRaw);
  request_state_ = request_body_.done() ? RequestState::kDone : RequestState::kBody;
  facts_.bytes_received = head.length;
  if (context_.log != nullptr && context_.log->on()) KeepFacts(head);

  decision_ = Decision{};
  const bool decided = context_.host.Decide(downstream_->frontend(), head, &decision_);
  // JavaScript may have closed the engine meanwhile; that takes effect at the end of the turn.
  if (!decided) {
    downstream_->Use(window, head.length);
    return ReplyReason(Reason::kInternal);
  }
  if (decision_.plan >= 0) plan_ = context_.plans.Find(decision_.plan);
  if (decision_.policy >= 0) {
    policy_ = context_.policies.Find(decision_.policy);
    if (policy_ && policy_->once) repeatable_ = false;
  }
  fields_.swap(context_.decided_fields);
  if (decision_.kind == DecisionKind::kLocal) {
    downstream_->Use(window, head.length);
    return Reply(decision_.reply, true);
  }
  backend_ = decision_.kind == DecisionKind::kForward
                 ? context_.engine.FindBackend(decision_.backend)
                 : context_.engine.OriginalBackend(downstream_->original());
  WriteRequestHead(head, plan_.get(), sent_);
  sent_head_length_ = sent_.size();
  // Before the mirrors: one that ends at once may call back, and the backend must not be dropped then.
  if (backend_ != nullptr) backend_->AddExchange(1);
  if (decision_.mirrors >= 0) StartMirrors(head);
  const auto head_length = head.length;
  if (backend_ == nullptr) {
    downstream_->Use(window, head_length);
    return ReplyReason(Reason::kUnresolved);
  }
  backend_->budget().OnRequest();
  if (policy_ && policy_->request_timeout_ms > 0) {
    request_deadline_.ArmAfter(policy_->request_timeout_ms);
  }

  // The shortest way: an idle connection takes head and body from where they were received.
  if (request_state_ == RequestState::kDone || window.length == head_length) {
    downstream_->Use(window, head_length);
    if (request_state_ == RequestState::kDone && downstream_->peer_ended()) NoteCallerEnd();
    return BeginAttempt();
  }
  const Backend::Wish wish{.user = this, .repeatable = repeatable_};
  UpstreamConnection* idle = nullptr;
  if (!body_held_ && backend_->Acquire(wish, &idle, true) == Backend::Result::kReused) {
    upstream_ = idle;
    StartAttempt();
    const Window rest{window.data, window.length, window.in_scratch};
    return SendRequest(&rest);
  }
  downstream_->Use(window, head_length);
  return BeginAttempt();
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

void Exchange::NoteConnected() {
  if (facts_.kept) facts_.connected_ns = uv_hrtime();
}

// Hot path. `window`: the request as received, to take the first body bytes from; null when they are not at
// hand.
Progress Exchange::SendRequest(const Window* window) {
  may_resend_ = upstream_->reused() && repeatable_;
  // Once it has been sent only an answer, or what stands for one, brings a retry (SPEC V2).
  kept_ = may_resend_ || (has_retries() && retries_ < policy_->attempts && policy_->codes.any());
  response_begun_ = false;
  more_response_ = false;
  interim_count_ = 0;
  response_parser_.Reset({method_, upgrade_});
  if (facts_.kept) {
    facts_.upstream = upstream_->endpoint().address;
    facts_.connected_ns = 0;
  }
  if (window == nullptr) {
    // While it still connects nothing has left: see Connected.
    if (!upstream_->connecting()) context_.counters.bytes_upstream += sent_.size();
    upstream_->Send(sent_.data(), sent_.size());
  } else {
    const auto head_length = request_parser_.head().length;
    size_t used = 0;
    BodyRelay::Status status;
    PassRequestBody(sent_.view(), window->data + head_length, window->length - head_length, &used, &status);
    downstream_->Use(*window, head_length + used);
    facts_.bytes_received += used;
    more_request_ = status == BodyRelay::Status::kNeedMore && head_length + used < window->length;
    if (status == BodyRelay::Status::kBroken) return RequestBroken();
    if (status == BodyRelay::Status::kDone) RequestComplete();
  }
  if (!upstream_->connecting()) {
    NoteConnected();
    ForgetSent();
  } else if (upstream_->unsent() < sent_.size() && !upstream_->write_failed()) {
    // Something was taken: this is no dial any more that could be repeated.
    Connected();
  }
  if (body_held_ && wait_ == Wait::kNothing) {
    wait_ = Wait::kExpect;
    wait_timer_.ArmAfter(context_.settings.expect_timeout_ms);
  }
  if (request_state_ == RequestState::kBody) return AdvanceAll();
  if (caller_ended_) PassOnEnd();
  return Progress::kOpen;
}

// A fresh connection that stands gets its request once; until it stands nothing has left.
void Exchange::ForgetSent() {
  if (!kept_) sent_.Clear();
}

bool Exchange::RequestSink::SendParts(std::span<iovec> parts) {
  // When a head is in front it is sent_ itself.
  const bool with_head = !exchange.sent_.empty() && parts[0].iov_base == exchange.sent_.data();
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  exchange.context_.counters.bytes_upstream += total;
  const bool taken = exchange.upstream_->Send(parts);
  const std::span<iovec> body = parts.subspan(with_head ? 1 : 0);
  if (!exchange.mirrors_.empty()) exchange.SendToMirrors(body);
  if (!exchange.kept_) return taken;
  const size_t kept = exchange.sent_.size() + total - (with_head ? parts[0].iov_len : 0);
  if (kept > exchange.sent_head_length_ + exchange.context_.settings.max_replay_bytes) {
    exchange.kept_ = false;
    exchange.sent_.Clear();
    return taken;
  }
  for (const iovec& part : body) {
    exchange.sent_.Append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return taken;
}

void Exchange::RequestComplete() {
  request_state_ = RequestState::kDone;
  if (facts_.kept) facts_.received_ns = uv_hrtime();
  if (!mirrors_.empty()) EndMirrors();
  if (downstream_->peer_ended()) NoteCallerEnd();
}

bool Exchange::PassRequestBody(std::string_view head, char* data, size_t length, size_t* used,
                               BodyRelay::Status* status) {
  *status = request_body_.Pass(head, data, length, used, request_sink_);
  return *status != BodyRelay::Status::kBroken;
}

// Hot path.
Progress Exchange::PumpRequest() {
  while (request_state_ == RequestState::kBody) {
    if (upstream_ == nullptr || upstream_->connecting() || body_held_ || upstream_->has_unsent()) break;
    Window window;
    switch (downstream_->Fill(more_request_, &window)) {
      case FillResult::kAgain:
        return Progress::kOpen;
      case FillResult::kEnd:
      case FillResult::kError:
        // SAFETY 61: what has gone on so far ends visibly too short.
        Abandon();
        return Progress::kClosed;
      case FillResult::kBytes:
        break;
    }
    size_t used = 0;
    BodyRelay::Status status;
    const bool fine = PassRequestBody({}, window.data, window.length, &used, &status);
    downstream_->Use(window, used);
    facts_.bytes_received += used;
    more_request_ = used < window.length;
    if (!fine) return RequestBroken();
    if (status == BodyRelay::Status::kDone) RequestComplete();
  }
  return Progress::kOpen;
}

// The request body is malformed or ends too early: the upstream must not take it for complete, nothing behind
// it is a request (SAFETY 49-61).
Progress Exchange::RequestBroken() {
  facts_.fault = http1::FaultOf(request_body_.error());
  DropUpstream();
  return status_ == 0 ? ReplyReason(Reason::kBadRequest) : Truncate(Reason::kBadRequest);
}

Progress Exchange::Advance() {
  if (tunnel_) return PumpTunnel();
  if (wait_ == Wait::kDiscard) return DiscardRequestBody();
  if (upstream_ != nullptr && !upstream_->connecting()) upstream_->Flush();
  if (!downstream_->Flush()) {
    Abandon();
    return Progress::kClosed;
  }
  if (request_state_ == RequestState::kBody) {
    if (const Progress progress = PumpRequest(); progress != Progress::kOpen) return progress;
  }
  if (upstream_ != nullptr && !upstream_->connecting() && response_state_ != ResponseState::kFlush) {
    if (const Progress progress = PumpResponse(); progress != Progress::kOpen) return progress;
  }
  if (response_state_ == ResponseState::kFlush && !downstream_->has_unsent()) return Finish();
  return Progress::kOpen;
}

Progress Exchange::AdvanceAll() {
  const Progress progress = Advance();
  if (progress == Progress::kOpen) ArmStall();
  return progress;
}

Progress Exchange::OnDownstreamEvent() {
  if (downstream_->gone() && !tunnel_) {
    Abandon();
    return Progress::kClosed;
  }
  if (downstream_->peer_ended() && !caller_ended_ && !tunnel_) {
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
    case Wait::kConnect:
      return Continue(ConnectFailed(true));
    case Wait::kQueue:
      Unlink();
      return Continue(ReplyReason(Reason::kOverflow));
    case Wait::kRetry:
      return Continue(BeginAttempt());
    case Wait::kRedial:
      return Continue(AcquireUpstream(Backend::Turn::kAgain));
    case Wait::kDiscard:
      return Continue(SendReply(false));
    case Wait::kExpect:
      // The upstream ignores the expectation (RFC 9110 section 10.1.1): waiting on would deadlock.
      body_held_ = false;
      return Continue(AdvanceAll());
  }
}

}  // namespace sideroute
