#include "mirror.h"

#include "exchange.h"
#include "head_writer.h"
#include "http_engine.h"
#include "upstream_connection.h"
#include "upstream_pool.h"

namespace sideroute {

namespace {

constexpr int kWindowsPerTurn = 4;
}  // namespace

Mirror::Mirror(EngineContext& context)
    : context_(context), deadline_(context.wheel, this), parser_(fields_, context.settings.response_limits) {}

bool Mirror::Start(Exchange& exchange, const MirrorTarget& target, const http1::RequestHead& head,
                   const char* data, bool complete) {
  exchange_ = &exchange;
  backend_ = context_.engine.FindBackend(target.backend);
  upstream_ = nullptr;
  series_ = target.series;
  method_ = head.method_id;
  request_complete_ = complete;
  in_body_ = more_ = reusable_ = false;
  interim_count_ = 0;
  context_.engine.AddMirror(*this);
  const HeaderPlan* plan = nullptr;
  if (target.plan >= 0 && static_cast<size_t>(target.plan) < context_.plans.size()) {
    plan = context_.plans[static_cast<size_t>(target.plan)].get();
  }
  if (backend_ == nullptr) {
    End(MirrorResult::kConnectFailure);
    return false;
  }
  if (backend_->mirrors() >= context_.settings.max_mirrors) {
    // Not one of those it counts.
    backend_ = nullptr;
    End(MirrorResult::kOverflow);
    return false;
  }
  backend_->AddMirror(1);
  return Dial(head, data, plan);
}

bool Mirror::Dial(const http1::RequestHead& head, const char* data, const HeaderPlan* plan) {
  // A connection that may have gone stale is looked at first, because there is no second try.
  Backend::Wish wish{this, 0, true, false};
  Backend::Result result;
  do {
    result = backend_->Acquire(wish, &upstream_);
  } while (result == Backend::Result::kConnectFailed && ++wish.address < backend_->address_count());
  switch (result) {
    case Backend::Result::kReused:
      deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
      break;
    case Backend::Result::kConnecting:
      deadline_.ArmAfter(context_.settings.connect_timeout_ms);
      break;
    case Backend::Result::kWait:
    case Backend::Result::kOverflow:
      End(MirrorResult::kOverflow);
      return false;
    case Backend::Result::kConnectFailed:
    case Backend::Result::kNoAddress:
      End(MirrorResult::kConnectFailure);
      return false;
  }
  parser_.Reset({method_, false});
  ByteBuffer& out = context_.head;
  out.Clear();
  WriteRequestHead(head, data, plan, out, RequestCopy::kMirror);
  context_.counters.bytes_upstream += out.size();
  upstream_->Send(out.data(), out.size());
  return true;
}

// A write that failed shows as an event of the socket.
void Mirror::SendBody(std::span<iovec> parts) {
  for (const iovec& part : parts) context_.counters.bytes_upstream += part.iov_len;
  upstream_->Send(parts);
  if (Overfull()) return End(MirrorResult::kOverflow);
  if (!upstream_->connecting()) deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
}

bool Mirror::Overfull() const { return upstream_->unsent() > context_.settings.max_mirror_bytes; }

void Mirror::OnRequestComplete() {
  request_complete_ = true;
  exchange_ = nullptr;
}

void Mirror::OnRequestAborted() {
  exchange_ = nullptr;
  End(MirrorResult::kAborted);
}

void Mirror::Abandon() { End(MirrorResult::kAborted); }

void Mirror::OnUpstreamEvent() {
  if (upstream_->connecting()) {
    if (upstream_->gone() || !upstream_->Flush()) return End(MirrorResult::kConnectFailure);
    if (upstream_->has_unsent() && !upstream_->IsConnected()) return;
    upstream_->SetConnected();
    deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
  }
  if (!upstream_->Flush()) return End(MirrorResult::kReset);
  ReadResponse();
}

void Mirror::ReadResponse() {
  NullSink nowhere;
  for (int windows = 0;; ++windows) {
    if (windows == kWindowsPerTurn) return upstream_->Rearm();
    Window window;
    switch (upstream_->Fill(more_, &window)) {
      case FillResult::kAgain:
        return;
      case FillResult::kEnd:
        return End(in_body_ && body_.End(nowhere) == BodyRelay::Status::kDone ? MirrorResult::kAnswered
                                                                              : MirrorResult::kReset);
      case FillResult::kError:
        return End(MirrorResult::kReset);
      case FillResult::kBytes:
        break;
    }
    size_t used = 0;
    if (!in_body_) {
      switch (parser_.Parse(window.data, window.length)) {
        case http1::ParseStatus::kNeedMore:
          upstream_->Use(window, 0);
          more_ = true;
          continue;
        case http1::ParseStatus::kError:
          return End(MirrorResult::kReset);
        case http1::ParseStatus::kComplete:
          break;
      }
      more_ = false;
      const http1::ResponseHead& head = parser_.head();
      if (head.interim()) {
        if (++interim_count_ > context_.settings.max_interim_responses) return End(MirrorResult::kReset);
        upstream_->Use(window, head.length);
        parser_.Reset({method_, false});
        continue;
      }
      // 101 unasked, or 2xx to CONNECT: neither is ever mirrored.
      if (head.body == http1::BodyKind::kTunnel) return End(MirrorResult::kReset);
      reusable_ = head.keep_alive;
      in_body_ = true;
      body_.Start(head.body, head.content_length, OutFraming::kRaw);
      used = head.length;
    }
    size_t body_used = 0;
    const BodyRelay::Status status =
        body_.Pass({}, window.data + used, window.length - used, &body_used, nowhere);
    used += body_used;
    upstream_->Use(window, used);
    more_ = used < window.length;
    if (status == BodyRelay::Status::kBroken) return End(MirrorResult::kReset);
    if (status == BodyRelay::Status::kDone) return End(MirrorResult::kAnswered);
  }
}

void Mirror::OnDeadline() {
  End(upstream_->connecting() ? MirrorResult::kConnectFailure : MirrorResult::kTimeout);
}

void Mirror::End(MirrorResult result) {
  deadline_.Cancel();
  if (exchange_ != nullptr && !request_complete_) exchange_->OnMirrorEnded(*this);
  exchange_ = nullptr;
  if (upstream_ != nullptr) {
    UpstreamConnection& upstream = *upstream_;
    upstream_ = nullptr;
    if (result == MirrorResult::kConnectFailure) upstream.CountConnectFailure();
    const bool whole = result == MirrorResult::kAnswered && request_complete_;
    if (whole) {
      upstream.endpoint().backend.Release(upstream, reusable_ && !upstream.has_kept() &&
                                                        !upstream.has_unsent() && !upstream.write_failed() &&
                                                        !upstream.peer_ended());
    } else {
      // With RST: what the mirror has is not to be taken for a whole request.
      upstream.endpoint().backend.Close(upstream, true);
    }
  }
  if (backend_ != nullptr) backend_->AddMirror(-1);
  backend_ = nullptr;
  context_.host.OnMirror(series_, result);
  context_.engine.GiveMirror(*this);
}

}  // namespace sideroute
