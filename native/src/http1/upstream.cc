#include "http1/upstream.h"

#include <sys/socket.h>

#include <utility>

#include "http/scan.h"
#include "http1/body_splice.h"
#include "http1/head_writer.h"

namespace sideroute::http1 {

namespace {

// Subtracted from the idle time a peer announces, because a request must reach it before that time is over.
constexpr uint32_t kIdleMarginMs = 500;

// Seconds of `Keep-Alive: timeout=N`; 0 if the value has none.
uint32_t KeepAliveSeconds(std::string_view value) {
  constexpr std::string_view kName = "timeout=";
  for (size_t at = 0; at + kName.size() < value.size(); ++at) {
    if (!TokenEquals(value.substr(at, kName.size() - 1), kName.substr(0, kName.size() - 1)) ||
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

Upstream::Upstream(EngineContext& context, Endpoint& endpoint)
    : UpstreamConnection(context, endpoint, Protocol::kHttp1, 1),
      StreamSocket(context.reactor, context.blocks, context.scratch),
      context_(context) {}

Upstream::~Upstream() = default;

// Hot path.
UpstreamStream* Upstream::BeginStream(StreamUser& user, bool careful) {
  const bool reused = requests() > 0;
  if (reused) {
    if (careful && !Quiet()) {
      ++context_.counters.upstream_stale;
      return nullptr;
    }
    if (readable()) return nullptr;
  }
  user_ = &user;
  // The peer may have closed a reused connection just now.
  executed_ = reused ? Executed::kUnlikely : Executed::kPossibly;
  begun_ = in_body_ = switched_ = request_done_ = response_done_ = keep_alive_ = at_hand_ = more_ = false;
  offered_ = 0;
  return this;
}

// Hot path.
bool Upstream::EndStream(UpstreamStream& /*stream*/, GivenBack how, StreamError /*why*/) {
  user_ = nullptr;
  if (reader_ != nullptr) context_.readers.responses.Give(std::move(reader_));
  if (how != GivenBack::kDone || !clean()) return false;
  // A read that takes everything available shows that nothing follows the body; a splice of its end does not.
  Settle();
  return true;
}

bool Upstream::clean() const {
  return keep_alive_ && request_done_ && response_done_ && !has_kept() && !has_unsent() &&
         !StreamSocket::write_failed() && !write_ended() && !peer_ended();
}

// Hot path.
void Upstream::SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                        const BodyPiece& first) {
  reader_ = context_.readers.responses.Take(context_.settings);
  response_context_ = {head.method_id, head.upgrade};
  reader_->head.Reset(response_context_);
  framing_ = head.body == BodyKind::kChunked ? OutFraming::kChunked : OutFraming::kRaw;
  request_done_ = first.last;
  ByteBuffer& out = context_.head;
  out.Restart();
  WriteRequestHead(head, plan, out, copy);
  FramedPiece framed(out.view(), first, framing_);
  SendFramed(framed);
}

void Upstream::SendBody(const BodyPiece& piece) {
  request_done_ = piece.last;
  FramedPiece framed({}, piece, framing_);
  if (framed.size() > 0) SendFramed(framed);
}

void Upstream::SendFramed(FramedPiece& framed) {
  Send(framed.parts());
  if (!connecting_) {
    context_.counters.bytes_upstream += framed.size();
    return;
  }
  offered_ += framed.size();
  // If the socket took bytes, the connection is established and the dial can no longer be repeated.
  if (StreamSocket::unsent() < offered_ && !StreamSocket::write_failed()) {
    Stand();
    user_->OnConnected();
  }
}

void Upstream::NoteSpliced(const BodyPiece& piece) {
  request_done_ = piece.last;
  context_.counters.bytes_upstream += piece.wire_bytes;
}

// The bytes offered before count as sent from now on.
void Upstream::Stand() {
  connecting_ = false;
  context_.counters.bytes_upstream += offered_;
  NoteStands();
}

bool Upstream::IsConnected() const {
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd(), reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

void Upstream::OnEvent() {
  if (user_ == nullptr) {
    // Bytes on an idle connection cannot be the response to the next request, so the connection is closed.
    if (!readable()) return;
    ++context_.counters.upstream_stale;
    return Drain();
  }
  if (connecting_) {
    if (gone() || !StreamSocket::Flush()) return user_->OnConnectFailed();
    // Nothing was taken yet; the event may not have been about the connect.
    if (StreamSocket::unsent() == offered_ && !IsConnected()) return;
    Stand();
    user_->OnConnected();
    if (user_ == nullptr) return;
  }
  user_->OnStreamEvent();
}

// Hot path.
ReadResult Upstream::ReadHead(const http::ResponseHead** head) {
  for (;;) {
    switch (Fill(more_, &window_)) {
      case FillResult::kAgain:
        return ReadResult::kAgain;
      case FillResult::kEnd:
        return ReadResult::kEnded;
      case FillResult::kError:
        return ReadResult::kReset;
      case FillResult::kBytes:
        break;
    }
    begun_ = true;
    executed_ = Executed::kPossibly;
    switch (reader_->head.Parse(window_.data, window_.length)) {
      case ParseStatus::kNeedMore:
        Use(window_, 0);
        more_ = true;
        continue;
      case ParseStatus::kError:
        return ReadResult::kMalformed;
      case ParseStatus::kComplete:
        break;
    }
    const ResponseHead& complete = reader_->head.head();
    more_ = false;
    at_hand_ = true;
    taken_ = complete.length;
    if (!complete.interim()) NoteHead(complete);
    *head = &complete;
    return ReadResult::kGiven;
  }
}

void Upstream::NoteHead(const ResponseHead& head) {
  in_body_ = true;
  switched_ = head.body == BodyKind::kSwitched;
  if (switched_) framing_ = OutFraming::kRaw;
  keep_alive_ = head.keep_alive;
  reader_->body.Start(head.body, head.content_length);
  if (head.facts.Has(FieldId::kKeepAlive)) NoteKeepAlive(head);
}

void Upstream::NoteKeepAlive(const ResponseHead& head) {
  for (const Field& field : head.fields) {
    if (field.id != FieldId::kKeepAlive) continue;
    const uint32_t seconds = KeepAliveSeconds(field.Value(head.data));
    if (seconds > 0) SetAnnouncedIdle(seconds * 1'000 - kIdleMarginMs);
  }
}

// Hot path.
ReadResult Upstream::ReadBody(BodyPiece* piece) {
  if (!at_hand_) {
    if (reader_->body.error() != Error::kNone) return ReadResult::kMalformed;
    taken_ = 0;
    switch (Fill(more_, &window_)) {
      case FillResult::kAgain:
        return ReadResult::kAgain;
      case FillResult::kEnd:
        if (switched_ || !reader_->body.End()) return ReadResult::kEnded;
        window_ = {};
        *piece = {};
        piece->last = response_done_ = true;
        keep_alive_ = false;
        return ReadResult::kGiven;
      case FillResult::kError:
        return ReadResult::kReset;
      case FillResult::kBytes:
        break;
    }
  }
  at_hand_ = false;
  const bool fine = reader_->body.Next(window_.data + taken_, window_.length - taken_, piece, switched_);
  taken_ += piece->wire_bytes;
  if (!switched_) response_done_ = piece->last;
  return fine ? ReadResult::kGiven : ReadResult::kMalformed;
}

std::optional<ReadResult> Upstream::SpliceBody(StreamSocket& sink, BodyPiece* piece) {
  // Bytes that came with the head are in the window already and have to be read.
  if (at_hand_) return std::nullopt;
  const std::optional<ReadResult> result = SplicePart(context_, *this, reader_->body, sink, piece);
  if (result == ReadResult::kGiven) response_done_ = piece->last;
  return result;
}

void Upstream::Took() {
  at_hand_ = false;
  if (window_.data != nullptr) Use(window_, taken_);
  if (in_body_) {
    more_ = !switched_ && taken_ < window_.length;
  } else {
    // Another head follows an interim one.
    reader_->head.Reset(response_context_);
  }
}

std::string_view Upstream::fault() const {
  return FaultOf(in_body_ ? reader_->body.error() : reader_->head.error());
}

}  // namespace sideroute::http1
