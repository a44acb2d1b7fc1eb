#include "exchange/mirror.h"

#include "engine/http_engine.h"
#include "exchange/exchange.h"
#include "http1/head_writer.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

Mirror::Mirror(EngineContext& context)
    : context_(context),
      unsent_(context.blocks),
      deadline_(context.wheel, this),
      parser_(fields_, context.settings.response_limits) {}

bool Mirror::Start(Exchange& exchange, const MirrorTarget& target, const http::RequestHead& head,
                   bool complete) {
  exchange_ = &exchange;
  backend_ = context_.engine.FindBackend(target.backend);
  upstream_ = nullptr;
  series_ = target.series;
  method_ = head.method_id;
  request_complete_ = complete;
  in_body_ = more_ = reusable_ = false;
  interim_count_ = 0;
  dials_.Reset();
  unsent_.Clear();
  context_.engine.AddMirror(*this);
  if (backend_ == nullptr) {
    End(MirrorResult::kConnectFailure);
    return false;
  }
  if (backend_->mirrors() >= backend_->max_mirrors() || context_.memory.refusing() ||
      !context_.descriptors.TakeSpare(1)) {
    // Not one of those it counts.
    backend_ = nullptr;
    End(MirrorResult::kOverflow);
    return false;
  }
  backend_->AddMirror(1);
  if (!Connect(Backend::Turn::kNew)) return false;
  parser_.Reset({method_, false});
  ByteBuffer& out = context_.head;
  out.Clear();
  WriteRequestHead(head, target.plan.get(), out, RequestCopy::kMirror);
  context_.counters.bytes_upstream += out.size();
  iovec part{out.data(), out.size()};
  Send({&part, 1});
  return true;
}

bool Mirror::Connect(Backend::Turn turn) {
  for (;;) {
    // A connection that may have gone stale is looked at first, because there is no second try.
    const Backend::Wish wish{
        .user = this,
        .address = dials_.NextAddress(backend_->address_count()),
        .turn = turn,
        .may_displace = false,
    };
    switch (backend_->Acquire(wish, &upstream_)) {
      case Backend::Result::kReused:
        deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
        return true;
      case Backend::Result::kConnecting:
        deadline_.ArmAfter(dials_.Begin(backend_->dial_facts()));
        return true;
      case Backend::Result::kWait:
      case Backend::Result::kOverflow:
        End(MirrorResult::kOverflow);
        return false;
      case Backend::Result::kNoAddress:
        End(MirrorResult::kConnectFailure);
        return false;
      case Backend::Result::kConnectFailed:
        break;
    }
    uint32_t pause_ms = 0;
    if (!backend_->DialAgain(dials_, false, &pause_ms)) {
      End(MirrorResult::kConnectFailure);
      return false;
    }
    if (pause_ms > 0) {
      deadline_.ArmAfter(pause_ms);
      return true;
    }
    turn = Backend::Turn::kSame;
  }
}

bool Mirror::ConnectFailed(bool timed_out) {
  UpstreamConnection& failed = *upstream_;
  upstream_ = nullptr;
  failed.CountConnectFailure();
  backend_->Close(failed, true);
  uint32_t pause_ms = 0;
  if (!backend_->DialAgain(dials_, timed_out, &pause_ms)) {
    End(MirrorResult::kConnectFailure);
    return false;
  }
  if (pause_ms > 0) {
    deadline_.ArmAfter(pause_ms);
    return true;
  }
  if (!Connect(Backend::Turn::kSame)) return false;
  SendUnsent();
  return true;
}

// Until a connection stands everything is kept, for whichever it will be.
void Mirror::Send(std::span<iovec> parts) {
  if (connected()) {
    upstream_->Send(parts);
    return;
  }
  for (const iovec& part : parts) unsent_.Append(static_cast<const char*>(part.iov_base), part.iov_len);
}

void Mirror::SendUnsent() {
  if (!connected()) return;
  upstream_->Send(unsent_.data(), unsent_.size());
  unsent_.Clear();
}

bool Mirror::connected() const { return upstream_ != nullptr && !upstream_->connecting(); }

// A write that failed shows as an event of the socket.
void Mirror::SendBody(std::span<iovec> parts) {
  for (const iovec& part : parts) context_.counters.bytes_upstream += part.iov_len;
  Send(parts);
  if (Overfull()) return End(MirrorResult::kOverflow);
  if (connected()) deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
}

bool Mirror::Overfull() const {
  return (connected() ? upstream_->unsent() : unsent_.size()) > context_.settings.max_mirror_bytes;
}

void Mirror::OnRequestComplete() {
  request_complete_ = true;
  exchange_ = nullptr;
}

void Mirror::OnRequestAborted() {
  exchange_ = nullptr;
  End(MirrorResult::kAborted);
}

void Mirror::Abandon() { End(MirrorResult::kAborted); }

size_t Mirror::held_bytes() const {
  return unsent_.capacity() + (upstream_ == nullptr ? 0 : upstream_->held_bytes());
}

void Mirror::Shed() { End(MirrorResult::kOverflow); }

void Mirror::OnUpstreamEvent() {
  if (upstream_->connecting()) {
    if (upstream_->gone()) {
      ConnectFailed(false);
      return;
    }
    if (!upstream_->IsConnected()) return;
    upstream_->SetConnected();
    deadline_.ArmAfter(context_.settings.mirror_timeout_ms);
    SendUnsent();
  }
  if (!upstream_->Flush()) return End(MirrorResult::kReset);
  ReadResponse();
}

void Mirror::ReadResponse() {
  NullSink nowhere;
  for (;;) {
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
  if (upstream_ == nullptr) {
    if (Connect(Backend::Turn::kNew)) SendUnsent();
  } else if (upstream_->connecting()) {
    ConnectFailed(true);
  } else {
    End(MirrorResult::kTimeout);
  }
}

void Mirror::End(MirrorResult result) {
  deadline_.Cancel();
  unsent_.Clear();
  if (exchange_ != nullptr && !request_complete_) exchange_->OnMirrorEnded(*this);
  exchange_ = nullptr;
  if (upstream_ != nullptr) {
    UpstreamConnection& upstream = *upstream_;
    upstream_ = nullptr;
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
  if (backend_ != nullptr) {
    backend_->AddMirror(-1);
    context_.descriptors.GiveSpare(1);
  }
  backend_ = nullptr;
  context_.host.OnMirror(series_, result);
  context_.engine.GiveMirror(*this);
}

}  // namespace sideroute
