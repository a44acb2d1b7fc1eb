#include "exchange/mirror.h"

#include "exchange/exchange.h"
#include "exchange/exchange_pool.h"
#include "upstream/backends.h"

namespace sideroute {

Mirror::Mirror(EngineContext& context, ExchangePool& pool)
    : context_(context),
      pool_(pool),
      attempt_(context, *this),
      request_(context.blocks),
      deadline_(context.wheel, this) {}

bool Mirror::Start(Exchange& exchange, const MirrorTarget& target, const http::RequestHead& head,
                   bool complete) {
  exchange_ = &exchange;
  backend_ = context_.backends.Find(target.backend);
  plan_ = target.plan;
  series_ = target.series;
  request_complete_ = complete;
  in_body_ = false;
  interim_count_ = 0;
  if (backend_ == nullptr) {
    End(MirrorResult::kConnectFailure);
    return false;
  }
  if (backend_->mirrors() >= backend_->max_mirrors() || context_.short_of_memory() ||
      !context_.descriptors.TakeSpare(1)) {
    // A mirror that is rejected here must not be counted by the backend.
    backend_ = nullptr;
    End(MirrorResult::kOverflow);
    return false;
  }
  backend_->AddMirror(1);
  // A reused connection is checked for a close first, because a mirror has no second try.
  const Attempt::Options options{.may_queue = false, .may_displace = false, .protocol = exchange.protocol()};
  if (attempt_.Begin(*backend_, options) == Attempt::Result::kNone) {
    OnNoStream(attempt_.why());
    return false;
  }
  if (connected()) {
    BodyPiece nothing;
    nothing.last = complete;
    attempt_.stream()->SendHead(head, plan_.get(), RequestCopy::kMirror, nothing);
    AwaitResponse();
  } else {
    request_.Keep(head);
  }
  return true;
}

void Mirror::OnStreamLent() {
  if (connected()) SendKept();
}

void Mirror::OnNoStream(NoStream why) {
  End(why == NoStream::kOverflow ? MirrorResult::kOverflow : MirrorResult::kConnectFailure);
}

void Mirror::OnConnected() { SendKept(); }

void Mirror::SendKept() {
  attempt_.stream()->SendHead(request_.head(), plan_.get(), RequestCopy::kMirror, request_.body());
  request_.Clear();
  AwaitResponse();
}

// A failed write shows up later as an event of the stream.
void Mirror::SendBody(const BodyPiece& piece) {
  if (piece.bytes.empty() && !piece.last) return;
  if (connected()) {
    attempt_.stream()->SendBody(piece);
  } else {
    request_.Append(piece);
  }
  if (Overfull()) return End(MirrorResult::kOverflow);
  if (connected()) AwaitResponse();
}

bool Mirror::Overfull() const {
  const size_t waiting = connected() ? attempt_.stream()->unsent() : request_.bytes();
  return waiting > context_.settings.max_mirror_bytes;
}

void Mirror::OnRequestComplete() {
  request_complete_ = true;
  exchange_ = nullptr;
}

void Mirror::OnRequestAborted() {
  exchange_ = nullptr;
  End(MirrorResult::kAborted);
}

size_t Mirror::held_bytes() const {
  const UpstreamStream* const stream = attempt_.stream();
  return request_.capacity() + (stream == nullptr ? 0 : stream->held_bytes());
}

void Mirror::OnStreamEvent() {
  if (!attempt_.stream()->Flush()) return End(MirrorResult::kReset);
  ReadResponse();
}

void Mirror::ReadResponse() {
  UpstreamStream& stream = *attempt_.stream();
  for (;;) {
    const http::ResponseHead* head = nullptr;
    BodyPiece piece;
    switch (in_body_ ? stream.ReadBody(&piece) : stream.ReadHead(&head)) {
      case ReadResult::kAgain:
        return;
      case ReadResult::kEnded:
      case ReadResult::kReset:
      case ReadResult::kMalformed:
        return End(MirrorResult::kReset);
      case ReadResult::kGiven:
        break;
    }
    if (head != nullptr && !head->interim()) {
      // An unrequested 101, or a 2xx to CONNECT; requests with Upgrade and CONNECT are never mirrored.
      if (head->body == http::BodyKind::kSwitched) return End(MirrorResult::kReset);
      in_body_ = true;
      // Go on with the part of the body that came with the head.
      continue;
    }
    if (head != nullptr && ++interim_count_ > context_.settings.max_interim_responses)
      return End(MirrorResult::kReset);
    stream.Took();
    if (piece.last) return End(MirrorResult::kAnswered);
  }
}

void Mirror::End(MirrorResult result) {
  deadline_.Cancel();
  request_.Clear();
  plan_.Reset();
  if (exchange_ != nullptr && !request_complete_) exchange_->OnMirrorEnded(*this);
  exchange_ = nullptr;
  if (result == MirrorResult::kAnswered && request_complete_) {
    attempt_.Release();
  } else {
    // Reset, so that the backend does not take what it has for a whole request.
    attempt_.Reset();
  }
  if (backend_ != nullptr) {
    backend_->AddMirror(-1);
    context_.descriptors.GiveSpare(1);
  }
  backend_ = nullptr;
  context_.host.OnMirror(series_, result);
  pool_.GiveMirror(*this);
}

}  // namespace sideroute
