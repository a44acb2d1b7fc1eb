// A connection from an application: reading requests, and closing it. Responses: downstream_response.cc.
#include "http1/downstream.h"

#include <memory>
#include <utility>
#include <vector>

#include "http1/body_splice.h"
#include "http1/head_writer.h"
#include "http1/refusal.h"
#include "log/request_log.h"
#include "net/lingering_close.h"
#include "net/memory_guard.h"
#include "net/socket.h"
#include "net/state_records.h"

namespace sideroute::http1 {

namespace {

// What a request that is answered at once costs of the connection's share of a turn, as a number of bytes.
constexpr size_t kRequestCost = 16 * 1024;
// After this time of an exchange, the descriptor is added to epoll, so that the end of the caller is noticed.
// Most exchanges are over by then; those that also end their connection have saved a system call.
constexpr uint64_t kUnattendedMs = 20;
// While draining, an idle connection stays open this long, because a request may be on its way.
constexpr uint64_t kDrainIdleMs = 1000;

}  // namespace

Downstream::Downstream(EngineContext& context, int32_t frontend, const NetAddress& original,
                       const NetAddress& peer)
    : StreamSocket(context.reactor, context.blocks, context.scratch),
      context_(context),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      idle_since_ms_(opened_ms_),
      caller_{frontend, original, peer},
      timer_(context.wheel, this) {}

Downstream::~Downstream() = default;

void Downstream::OnEvent() {
  if (exchange_ != nullptr) {
    if (exchange_->OnDownstreamEvent() == Progress::kNextRequest) ReadRequests({});
    return;
  }
  // After a reset nobody waits for a response, whatever bytes precede it. No further event would report the
  // reset.
  if (StreamSocket::gone()) return OnReadEnd(true);
  ReadRequests({});
}

void Downstream::Begin(std::span<char> first) {
  Spend(first.size());
  ReadRequests(first);
}

// Hot path.
void Downstream::ReadRequests(std::span<char> first_bytes) {
  bool more = reader_ != nullptr;
  for (;;) {
    // Bytes that were read elsewhere are in a scratch buffer too.
    window_ = {first_bytes.data(), first_bytes.size(), true};
    switch (first_bytes.empty() ? Fill(more, &window_) : FillResult::kBytes) {
      case FillResult::kAgain:
        if (reader_ == nullptr) AwaitRequest();
        return;
      case FillResult::kEnd:
        return OnReadEnd(false);
      case FillResult::kError:
        return OnReadEnd(true);
      case FillResult::kBytes:
        first_bytes = {};
        break;
    }
    const bool first = reader_ == nullptr;
    if (first) {
      reader_ = context_.readers.requests.Take(context_.settings);
      reader_->head.Reset();
    }
    switch (reader_->head.Parse(window_.data, window_.length)) {
      case ParseStatus::kNeedMore:
        Use(window_, 0);
        more = true;
        if (first) timer_.ArmAfter(context_.settings.header_timeout_ms);
        if (context_.memory.refusing()) return Refuse(Reason::kOverload);
        continue;
      case ParseStatus::kError:
        return Refuse(RefusalReason(reader_->head.error()), &window_);
      case ParseStatus::kComplete:
        break;
    }
    timer_.Cancel();
    if (context_.memory.refusing()) return Refuse(Reason::kOverload, &window_);
    if (Serve() != Progress::kNextRequest) return;
    more = false;
    Spend(kRequestCost);
    if (!MayGoOn()) return;
  }
}

Progress Downstream::Serve() {
  const RequestHead& head = reader_->head.head();
  reader_->body.Start(head.body, head.content_length);
  http10_ = head.minor_version == 0;
  keep_alive_ = head.keep_alive;
  close_ = until_close_ = switched_ = more_ = false;
  framing_ = OutFraming::kRaw;
  at_hand_ = true;
  taken_ = head.length;
  exchange_ = context_.servers.Take();
  if (!attended()) timer_.ArmAfter(kUnattendedMs);
  return exchange_->Start(*this, head);
}

void Downstream::AwaitRequest() {
  timer_.ArmAfter(context_.draining ? kDrainIdleMs : context_.settings.downstream_idle_ms);
}

// Hot path.
ReadResult Downstream::ReadBody(BodyPiece* piece) {
  if (!at_hand_) {
    if (reader_->body.error() != Error::kNone) return ReadResult::kMalformed;
    taken_ = 0;
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
  }
  at_hand_ = false;
  const bool fine = reader_->body.Next(window_.data + taken_, window_.length - taken_, piece, switched_);
  taken_ += piece->wire_bytes;
  return fine ? ReadResult::kGiven : ReadResult::kMalformed;
}

std::optional<ReadResult> Downstream::SpliceBody(StreamSocket& sink, BodyPiece* piece) {
  // Bytes that came with the head are in the window already and have to be read.
  if (at_hand_) return std::nullopt;
  return SplicePart(context_, *this, reader_->body, sink, piece);
}

void Downstream::Took() {
  Use(window_, taken_);
  // After a head the window may hold body bytes that were not looked at; they are kept and read first.
  more_ = !at_hand_ && !switched_ && !request_done() && taken_ < window_.length;
  at_hand_ = false;
}

void Downstream::EndRead() {
  if (reader_ != nullptr) context_.readers.requests.Give(std::move(reader_));
}

void Downstream::OnReadEnd(bool broken) {
  // Without registration the connection cannot wait for another request, but its last response must arrive.
  if (reader_ == nullptr) return CloseNow(broken && !attend_refused());
  // If the peer ends its side within a head, it may still read, so it gets a reply.
  if (broken) {
    EndRead();
    return CloseNow(true);
  }
  Refuse(Reason::kBadRequest);
}

void Downstream::OnTimer() {
  if (exchange_ != nullptr) {
    if (!Attend()) OnEvent();
    return;
  }
  if (reader_ == nullptr) {
    // A request may have arrived since the last event; it is still served.
    if (Arrived()) return ReadRequests({});
    return CloseAfterResponse(false);
  }
  Refuse(Reason::kRequestTimeout);
}

void Downstream::Refuse(Reason reason, const Window* window) {
  const LocalReply& reply = ReplyFor(context_, reason);
  NoteRefused(context_, caller_, reply);
  ByteBuffer bytes(context_.blocks);
  WriteReply(reply, {}, context_.DateLine(), ConnectionField::kClose, true, bytes);
  if (context_.log != nullptr && context_.log->on()) {
    LoadPeer();
    const std::string_view head =
        window == nullptr ? std::string_view() : std::string_view(window->data, window->length);
    LogRefused(context_, caller_, reply, reader_->head, head, bytes.size());
  }
  EndRead();
  Send(bytes.data(), bytes.size(), true);
  CloseAfterResponse(false);
}

void Downstream::LoadPeer() {
  if (caller_.peer.family() == AF_UNSPEC && open()) caller_.peer = PeerAddress(fd()).value_or(NetAddress());
}

void Downstream::CloseAfterResponse(bool orderly) {
  if (!open()) return;
  if (orderly && !has_unsent()) return CloseNow(false);
  LingeringClose* const lingering = context_.Linger(*this);
  CloseNow(false);
  if (lingering != nullptr) lingering->Start();
}

void Downstream::CloseNow(bool reset) {
  timer_.Cancel();
  Close(reset);
  if (!linked()) return;
  Unlink();
  --context_.counters.downstream_open;
  context_.Bury(std::unique_ptr<Disposable>(this));
}

bool Downstream::CloseIdle() {
  if (readable() || !Quiet()) return false;
  CloseNow(false);
  return true;
}

void Downstream::Abandon() {
  if (exchange_ != nullptr) return exchange_->Cut(Reason::kShutdown);
  EndRead();
  CloseNow(true);
}

size_t Downstream::HeldBytes(bool sockets) const {
  size_t held = held_bytes();
  if (sockets) held += QueuedBytes();
  return exchange_ == nullptr ? held : held + exchange_->HeldBytes(sockets);
}

uint64_t Downstream::StandsSinceMs() const {
  if (has_unsent()) return blocked_since_ms();
  if (exchange_ != nullptr) {
    if (const uint64_t since_ms = exchange_->BlockedSinceMs(); since_ms > 0) return since_ms;
  } else if (reader_ != nullptr) {
    // For an unfinished head: the time at which it began.
    return timer_.due_ms() - context_.settings.header_timeout_ms;
  }
  return context_.wheel.now_ms();
}

size_t Downstream::DropReplay() { return exchange_ == nullptr ? 0 : exchange_->DropReplay(); }

void Downstream::Shed() {
  if (reader_ == nullptr) return CloseNow(true);
  if (exchange_ == nullptr) return Refuse(Reason::kOverload);
  exchange_->Cut(Reason::kOverload);
}

void Downstream::Describe(StateRecords& records) const {
  enum class State : uint8_t { kIdle, kReadingHead, kRequest, kRelay, kDraining };
  const uint64_t now_ms = context_.wheel.now_ms();
  State state = context_.draining ? State::kDraining : State::kIdle;
  if (exchange_ != nullptr) {
    state = switched_ ? State::kRelay : State::kRequest;
  } else if (reader_ != nullptr) {
    state = State::kReadingHead;
  }
  records.Count(number_);
  records.Number(caller_.frontend);
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(reader_ == nullptr ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(served_);
  records.Address(caller_.original);
  records.Socket(fd());
  records.Number(static_cast<double>(Protocol::kHttp1));
  const size_t requests = exchange_ == nullptr ? 0 : 1;
  records.Count(requests);
  records.Count(requests);
  if (exchange_ != nullptr) exchange_->Describe(records);
}

}  // namespace sideroute::http1
