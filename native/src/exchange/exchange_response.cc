// The response half of an exchange: heads, body, tunnel, and what is done when the upstream fails.
#include <uv.h>

#include <algorithm>
#include <cstdlib>

#include "engine/http_engine.h"
#include "exchange/exchange.h"
#include "http/scan.h"
#include "http1/downstream_connection.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

// Taken off the time a peer says it keeps an idle connection: our request must reach it before that.
constexpr uint32_t kIdleMarginMs = 500;

// Seconds of `Keep-Alive: timeout=N`; 0 when there is none.
uint32_t KeepAliveSeconds(std::string_view value) {
  constexpr std::string_view kName = "timeout=";
  for (size_t at = 0; at + kName.size() < value.size(); ++at) {
    if (!http::TokenEquals(value.substr(at, kName.size() - 1), kName.substr(0, kName.size() - 1)) ||
        value[at + kName.size() - 1] != '=') {
      continue;
    }
    uint32_t seconds = 0;
    for (size_t i = at + kName.size();
         i < value.size() && value[i] >= '0' && value[i] <= '9' && seconds < 100'000; ++i) {
      seconds = seconds * 10 + static_cast<uint32_t>(value[i] - '0');
    }
    return seconds;
  }
  return 0;
}

}  // namespace

bool Exchange::ResponseSink::SendParts(std::span<iovec> parts) {
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  exchange.context_.counters.bytes_downstream += total;
  exchange.facts_.bytes_sent += total;
  return exchange.downstream_->Send(parts, exchange.close_ && exchange.response_body_.done());
}

// Hot path.
Progress Exchange::PumpResponse() {
  while (upstream_ != nullptr && response_state_ != ResponseState::kFlush) {
    if (downstream_->write_failed()) {
      Abandon();
      return Progress::kClosed;
    }
    if (downstream_->has_unsent()) break;
    Window window;
    switch (upstream_->Fill(more_response_, &window)) {
      case FillResult::kAgain:
        return Progress::kOpen;
      case FillResult::kEnd:
        return UpstreamEnded(false);
      case FillResult::kError:
        return UpstreamEnded(true);
      case FillResult::kBytes:
        break;
    }
    if (!response_begun_) {
      response_begun_ = true;
      // The engine's own second try is for requests that nobody has begun to answer.
      may_resend_ = false;
      if (!has_retries()) {
        kept_ = false;
        sent_.Clear();
      }
    }
    if (response_state_ == ResponseState::kHead) {
      switch (response_parser_.Parse(window.data, window.length)) {
        case http1::ParseStatus::kNeedMore:
          upstream_->Use(window, 0);
          more_response_ = true;
          continue;
        case http1::ParseStatus::kError:
          return UpstreamBroken(Reason::kUpstreamProtocol);
        case http1::ParseStatus::kComplete:
          break;
      }
      more_response_ = false;
      bool stop = true;
      const Progress progress = TakeResponseHead(window, &stop);
      if (stop) return progress;
      continue;
    }
    size_t used = 0;
    const BodyRelay::Status status =
        response_body_.Pass({}, window.data, window.length, &used, response_sink_);
    upstream_->Use(window, used);
    more_response_ = used < window.length;
    if (status == BodyRelay::Status::kBroken) return UpstreamBroken(Reason::kUpstreamProtocol);
    if (status == BodyRelay::Status::kDone) return ResponseProduced();
  }
  return Progress::kOpen;
}

// `stop` is cleared when the pump should go on.
Progress Exchange::TakeResponseHead(const Window& window, bool* stop) {
  const http1::ResponseHead& head = response_parser_.head();
  if (head.interim()) {
    *stop = false;
    const Progress progress = RelayInterim(window);
    if (progress != Progress::kOpen) *stop = true;
    return progress;
  }
  if (head.body == http1::BodyKind::kTunnel) return SwitchToTunnel(window);
  if (has_retries()) {
    if (policy_->Retries(head.status) && TakeRetry(true)) {
      ReleaseRetried(window);
      return TryAgain();
    }
    kept_ = false;
    sent_.Clear();
  }
  status_ = head.status;
  if (caller_ended_) backend_->KeepInPlace(*this);
  if (facts_.kept) facts_.response_ns = uv_hrtime();
  if (wait_ == Wait::kExpect) {
    wait_ = Wait::kNothing;
    wait_timer_.Cancel();
  }
  const bool unframed = head.body == http1::BodyKind::kChunked || head.body == http1::BodyKind::kUntilClose;
  ResponseHeadOptions options;
  options.plan = plan_.get();
  options.fields = fields_;
  options.downstream_http10 = http10_;
  options.framing = unframed && !http10_ ? OutFraming::kChunked : OutFraming::kRaw;
  until_close_ = unframed && http10_;
  // SAFETY 46: a response that does not wait for the body ends the connection with it.
  close_ = !keep_alive_ || until_close_ || context_.closes() || request_state_ != RequestState::kDone;
  if (close_) {
    options.connection = ConnectionField::kClose;
  } else if (http10_) {
    options.connection = ConnectionField::kKeepAlive;
  }
  upstream_reusable_ = head.keep_alive;
  if (head.facts.Has(http1::FieldId::kKeepAlive)) {
    for (const http1::Field& field : head.fields) {
      if (field.id != http1::FieldId::kKeepAlive) continue;
      const uint32_t seconds = KeepAliveSeconds(field.Value(window.data));
      if (seconds == 0) continue;
      const uint32_t announced_ms = seconds * 1'000 - kIdleMarginMs;
      upstream_->LimitIdle(std::min(context_.settings.upstream_idle_ms, announced_ms));
    }
  }
  ByteBuffer& out = context_.head;
  out.Clear();
  WriteResponseHead(head, options, out);
  response_body_.Start(head.body, head.content_length, options.framing);
  response_state_ = ResponseState::kBody;
  size_t used = 0;
  const uint32_t length = head.length;
  const BodyRelay::Status status =
      response_body_.Pass(out.view(), window.data + length, window.length - length, &used, response_sink_);
  upstream_->Use(window, length + used);
  more_response_ = length + used < window.length;
  if (status == BodyRelay::Status::kBroken) return UpstreamBroken(Reason::kUpstreamProtocol);
  if (status == BodyRelay::Status::kDone) return ResponseProduced();
  *stop = false;
  return Progress::kOpen;
}

Progress Exchange::RelayInterim(const Window& window) {
  const http1::ResponseHead& head = response_parser_.head();
  // SAFETY 86.
  if (++interim_count_ > context_.settings.max_interim_responses)
    return UpstreamBroken(Reason::kUpstreamProtocol);
  const bool go_on = head.status == 100 && body_held_;
  // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2). The 100 of a further attempt answers nothing
  // that the downstream still waits for.
  if (!http10_ && (retries_ == 0 || head.status != 100 || go_on)) {
    ByteBuffer& out = context_.head;
    out.Clear();
    WriteResponseHead(head, {}, out);
    context_.counters.bytes_downstream += out.size();
    facts_.bytes_sent += out.size();
    downstream_->Send(out.data(), out.size());
  }
  upstream_->Use(window, head.length);
  response_parser_.Reset({method_, upgrade_});
  if (!go_on) return Progress::kOpen;
  body_held_ = false;
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  return PumpRequest();
}

// The upstream's bytes have ended, orderly or not.
Progress Exchange::UpstreamEnded(bool broken) {
  if (!broken && response_state_ == ResponseState::kBody &&
      response_body_.End(response_sink_) == BodyRelay::Status::kDone) {
    upstream_reusable_ = false;
    return ResponseProduced();
  }
  return UpstreamBroken(Reason::kUpstreamReset);
}

Progress Exchange::UpstreamBroken(Reason reason) {
  if (reason == Reason::kUpstreamProtocol)
    facts_.fault = http1::FaultOf(response_state_ == ResponseState::kHead ? response_parser_.error()
                                                                          : response_body_.error());
  // SAFETY 95: a connection that may have been closed while idle, and a request that may be sent twice.
  // It counts as one of the attempts of the route, which says how often the backend may see a request (SPEC
  // R1).
  const bool again = !response_begun_ && may_resend_ && kept_ && !resent_ && status_ == 0 && !caller_ended_ &&
                     (!has_retries() || retries_ < policy_->attempts);
  DropUpstream();
  // Where one pooled connection has failed others of its age may: whatever follows dials.
  fresh_only_ = true;
  if (again) {
    resent_ = true;
    if (has_retries()) ++retries_;
    ++context_.counters.retries_reset;
    return BeginAttempt();
  }
  // A backend that was told of the end gives up, as it would without us in between.
  if (caller_ended_ && reason == Reason::kUpstreamReset) reason = Reason::kDownstreamReset;
  if (status_ != 0) return Truncate(reason);
  constexpr uint16_t kBadGateway = 502;
  if (reason != Reason::kUpstreamReset || !RetriesProcessed(kBadGateway)) return ReplyReason(reason);
  // SPEC R5.
  return TakeRetry(true) ? TryAgain() : ReplyReason(Reason::kRetriesExhausted);
}

// The response in `window` is not wanted. Its connection is, when all of it is at hand.
void Exchange::ReleaseRetried(const Window& window) {
  NullSink nowhere;
  const http1::ResponseHead& head = response_parser_.head();
  const uint32_t length = head.length;
  const bool keep_alive = head.keep_alive;
  size_t used = 0;
  response_body_.Start(head.body, head.content_length, OutFraming::kRaw);
  const BodyRelay::Status status =
      response_body_.Pass({}, window.data + length, window.length - length, &used, nowhere);
  upstream_->Use(window, length + used);
  if (status != BodyRelay::Status::kDone || request_state_ != RequestState::kDone) return DropUpstream();
  ReleaseUpstream(keep_alive && !upstream_->has_kept() && !upstream_->has_unsent() &&
                  !upstream_->write_failed() && !upstream_->peer_ended());
}

Progress Exchange::SwitchToTunnel(const Window& window) {
  const http1::ResponseHead& head = response_parser_.head();
  if (request_state_ != RequestState::kDone) return UpstreamBroken(Reason::kUpstreamProtocol);
  status_ = head.status;
  if (caller_ended_) backend_->KeepInPlace(*this);
  if (facts_.kept) facts_.response_ns = uv_hrtime();
  ResponseHeadOptions options;
  options.plan = plan_.get();
  options.fields = fields_;
  ByteBuffer& out = context_.head;
  out.Clear();
  WriteResponseHead(head, options, out);
  iovec parts[] = {{out.data(), out.size()}, {window.data + head.length, window.length - head.length}};
  response_sink_.SendParts(parts);
  upstream_->Use(window, window.length);
  tunnel_ = true;
  close_ = true;
  ++context_.counters.tunnels_open;
  attempt_deadline_.Cancel();
  request_deadline_.Cancel();
  stall_timer_.Cancel();
  return PumpTunnel();
}

Progress Exchange::PumpTunnel() {
  bool broken = !downstream_->Flush() || !upstream_->Flush();
  if (!broken) PumpTunnelFlow(true, &broken);
  if (!broken) PumpTunnelFlow(false, &broken);
  // A side that is not read, because it has ended or the other takes nothing, does not show its reset.
  broken = broken || (downstream_->failed() && (tunnel_up_ended_ || upstream_->has_unsent())) ||
           (upstream_->failed() && (tunnel_down_ended_ || downstream_->has_unsent()));
  if (!broken &&
      !(tunnel_up_ended_ && tunnel_down_ended_ && !downstream_->has_unsent() && !upstream_->has_unsent())) {
    return Progress::kOpen;
  }
  Downstream* downstream = downstream_;
  // A reset on one side is a reset on the other.
  upstream_->endpoint().backend.Close(*upstream_, broken);
  upstream_ = nullptr;
  Report();
  downstream->CloseNow(broken);
  return Progress::kClosed;
}

bool Exchange::PumpTunnelFlow(bool upward, bool* broken) {
  StreamSocket& from = upward ? static_cast<StreamSocket&>(*downstream_) : *upstream_;
  StreamSocket& to = upward ? static_cast<StreamSocket&>(*upstream_) : *downstream_;
  bool& ended = upward ? tunnel_up_ended_ : tunnel_down_ended_;
  uint64_t& total = upward ? context_.counters.bytes_upstream : context_.counters.bytes_downstream;
  uint64_t& own = upward ? facts_.bytes_received : facts_.bytes_sent;
  while (!ended && !to.has_unsent()) {
    Window window;
    switch (from.Fill(false, &window)) {
      case FillResult::kAgain:
        return true;
      case FillResult::kEnd:
        ended = true;
        to.ShutdownWrite();
        return true;
      case FillResult::kError:
        *broken = true;
        return false;
      case FillResult::kBytes:
        break;
    }
    total += window.length;
    own += window.length;
    if (!to.Send(window.data, window.length)) {
      *broken = true;
      return false;
    }
    from.Use(window, window.length);
  }
  return true;
}

}  // namespace sideroute
