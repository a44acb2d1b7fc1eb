#include "engine/outer_stream.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "http1/head_writer.h"
#include "http1/readers.h"
#include "http1/refusal.h"
#include "net/reactor.h"

namespace sideroute {

namespace {

using http::BodyKind;
using http::FieldId;

// Beyond this many bytes reading pauses while the exchange does not take the body.
constexpr size_t kEnoughKept = 64 * 1024;
// While the response waits for its peer, reading goes on up to this limit, because a carrier that stops
// reading stops writing too.
constexpr size_t kMostKept = 8 * 1024 * 1024;
constexpr std::string_view kVersion = "HTTP/1.1 ";
constexpr std::string_view kLineEnd = "\r\n";

// Whether the carrier can frame the request body and write the response.
bool IsCarried(const http::RequestHead& head) {
  return head.body != BodyKind::kChunked && head.target.form == http::TargetForm::kOrigin &&
         head.minor_version == 1 && head.method_id != http::MethodId::kConnect &&
         !head.facts.Has(FieldId::kUpgrade) && !head.facts.Has(FieldId::kExpect);
}

// Takes a complete head.
std::string_view BehindVersion(std::string_view head) {
  head.remove_prefix(kVersion.size());
  head.remove_suffix(2 * kLineEnd.size());
  return head;
}

}  // namespace

OuterStream::OuterStream(EngineContext& context, OuterStreams& streams, OuterCarrier& carrier,
                         uint32_t number)
    : context_(context), streams_(streams), carrier_(carrier), number_(number), in_(context.blocks) {}

OuterStream::~OuterStream() {
  if (awake_) std::erase(streams_.awake, this);
}

// Hot path.
std::optional<Reason> OuterStream::Start(const Caller& caller, const Arrived& arrived) {
  const std::string_view text = arrived.head;
  caller_ = caller;
  caller_.counts_bytes = false;
  auto reader = context_.readers.requests.Take(context_.settings);
  reader->head.Reset();
  const http1::ParseStatus status = reader->head.Parse(text.data(), text.size());
  const http1::RequestHead& head = reader->head.head();
  std::optional<Reason> refused;
  if (status == http1::ParseStatus::kError) {
    refused = http1::RefusalReason(reader->head.error());
  } else if (status == http1::ParseStatus::kNeedMore || head.length != text.size()) {
    // The head ended earlier than the carrier thought.
    refused = Reason::kBadRequest;
  } else if (arrived.lossy || !IsCarried(head)) {
    refused = Reason::kNotImplemented;
  } else if (context_.closing) {
    refused = Reason::kShutdown;
  } else if (context_.short_of_memory()) {
    refused = Reason::kOverload;
  }
  if (refused) {
    const LocalReply& reply = http1::ReplyFor(context_, *refused);
    context_.reactor.Enter([&] {
      http1::NoteRefused(context_, caller_, reply);
      http1::LogRefused(context_, caller_, reply, reader->head, text, 0);
    });
    context_.readers.requests.Give(std::move(reader));
    return refused;
  }
  method_ = head.method_id;
  keep_alive_ = head.keep_alive;
  gone_ = paused_ = close_ = false;
  done_ = !head.has_body();
  ended_ = done_ || arrived.last;
  length_ = kUnknownLength;
  at_hand_ = done_ ? std::string_view() : arrived.body;
  given_ = unsent_ = 0;
  streams_.open.PushBack(this);
  context_.reactor.Enter([&] {
    exchange_ = context_.servers.Take();
    starting_ = true;
    exchange_->Start(*this, head);
    starting_ = false;
    KeepRest();
  });
  context_.readers.requests.Give(std::move(reader));
  if (open() && !ended_) PauseOrGiveUp();
  return std::nullopt;
}

bool OuterStream::OnBody(std::string_view bytes, bool last) {
  if (!open() || ended_) return true;
  ended_ = last;
  if (context_.reactor.dispatching()) {
    // Must come after the bytes that the current call has brought.
    KeepRest();
    in_.Append(bytes);
    StepLater();
  } else {
    at_hand_ = bytes;
    context_.reactor.Enter([this] {
      Step();
      KeepRest();
    });
  }
  return !open() || ended_ || PauseOrGiveUp();
}

bool OuterStream::PauseOrGiveUp() {
  if (in_.size() <= kEnoughKept) return true;
  paused_ = unsent_ == 0;
  if (!paused_ && in_.size() > kMostKept && !context_.reactor.dispatching()) {
    context_.reactor.Enter([this] { Cut(Reason::kOverflow); });
  }
  return !paused_;
}

void OuterStream::OnRoom() {
  unsent_ = 0;
  StepLater();
}

void OuterStream::OnGone() {
  gone_ = true;
  StepLater();
}

void OuterStream::StepLater() {
  if (!open()) return;
  if (!context_.reactor.dispatching()) return context_.reactor.Enter([this] { Step(); });
  if (awake_) return;
  awake_ = true;
  streams_.awake.push_back(this);
}

void OuterStream::Wake() {
  awake_ = false;
  Step();
}

void OuterStream::Step() {
  if (open()) exchange_->OnDownstreamEvent();
}

// Copies the bytes at hand, because they are the carrier's again after this.
void OuterStream::KeepRest() {
  if (open()) in_.Append(at_hand_);
  at_hand_ = {};
}

// Hot path.
ReadResult OuterStream::ReadBody(BodyPiece* piece) {
  if (gone_) return ReadResult::kReset;
  given_kept_ = !in_.empty();
  piece->bytes = given_kept_ ? in_.view() : at_hand_;
  piece->last = ended_ && (!given_kept_ || at_hand_.empty());
  piece->wire_bytes = given_ = piece->bytes.size();
  if (given_ == 0 && (!piece->last || done_)) {
    if (std::exchange(paused_, false)) carrier_.Resume(*this);
    return ReadResult::kAgain;
  }
  done_ = piece->last;
  return ReadResult::kGiven;
}

void OuterStream::Took() {
  const size_t given = std::exchange(given_, 0);
  if (given == 0) return;
  if (given_kept_) {
    in_.Consume(given);
  } else {
    at_hand_.remove_prefix(given);
  }
}

size_t OuterStream::Pass(const OuterPart& part) {
  const size_t bytes = part.head.size() + part.body.size();
  context_.counters.bytes_downstream += bytes;
  if (gone_ || carrier_.Send(*this, part)) return bytes;
  if (unsent_ == 0) blocked_since_ms_ = context_.wheel.now_ms();
  unsent_ += std::max<size_t>(bytes, 1);
  return bytes;
}

// Hot path.
size_t OuterStream::SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                             const BodyPiece& first) {
  length_ = kUnknownLength;
  if (head.body == BodyKind::kNone) length_ = kBodiless;
  if (head.body == BodyKind::kLength) length_ = static_cast<int64_t>(head.content_length);
  // If the response ends before the request body does, the connection closes after it.
  close_ = !keep_alive_ || context_.closes() || !request_done();
  ResponseHeadOptions options;
  options.plan = plan;
  options.fields = fields;
  options.framed_elsewhere = true;
  ByteBuffer& out = context_.head;
  out.Restart();
  WriteResponseHead(head, options, out);
  const std::string_view text = BehindVersion(out.view());
  if (!first.last && first.bytes.empty()) {
    head_ = text;
    return 0;
  }
  return Pass({text, first.bytes, length_, first.last, close_});
}

// Hot path.
size_t OuterStream::SendBody(const BodyPiece& piece) {
  if (piece.bytes.empty() && !piece.last) return 0;
  const size_t bytes = Pass({head_, piece.bytes, length_, piece.last, close_});
  head_.clear();
  return bytes;
}

size_t OuterStream::SendReply(const LocalReply& reply, ReplyForm, std::string_view fields, bool may_keep) {
  // A 204 has neither body nor length (RFC 9110 section 8.6).
  const bool bodiless = reply.status == 204 || method_ == http::MethodId::kHead;
  ByteBuffer& out = context_.head;
  out.Restart();
  out.Append(reply.head);
  out.Append(fields);
  if (bodiless && reply.status != 204) {
    char length[32];
    const auto end = std::to_chars(length, length + sizeof length, reply.body.size()).ptr;
    out.Append("Content-Length: ");
    out.Append(length, static_cast<size_t>(end - length));
    out.Append(kLineEnd);
  }
  out.Append(kLineEnd);
  close_ = !may_keep || !keep_alive_ || !request_done() || context_.closes();
  const auto length = bodiless ? kBodiless : static_cast<int64_t>(reply.body.size());
  return Pass({BehindVersion(out.view()), bodiless ? std::string_view() : reply.body, length, true, close_});
}

// Hot path.
Progress OuterStream::End(StreamEnd how, StreamError) {
  exchange_ = nullptr;
  Unlink();
  in_.Clear();
  at_hand_ = {};
  head_.clear();
  if (how != StreamEnd::kComplete && !gone_) carrier_.Reset(*this);
  return Progress::kClosed;
}

size_t OuterStream::HeldBytes(bool sockets) const {
  return in_.capacity() + unsent_ + (open() ? exchange_->HeldBytes(sockets) : 0);
}

uint64_t OuterStream::StandsSinceMs() const {
  if (unsent_ > 0) return blocked_since_ms_;
  const uint64_t since_ms = open() ? exchange_->BlockedSinceMs() : 0;
  return since_ms > 0 ? since_ms : context_.wheel.now_ms();
}

size_t OuterStream::DropReplay() { return open() ? exchange_->DropReplay() : 0; }

void OuterStream::Cut(Reason reason) {
  if (open()) exchange_->Cut(reason);
}

}  // namespace sideroute
