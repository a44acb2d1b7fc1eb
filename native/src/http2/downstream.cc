#include "http2/downstream.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "net/lingering_close.h"
#include "net/memory_guard.h"
#include "net/socket.h"

namespace sideroute::http2 {

namespace {

// What a request that is answered at once costs of the connection's share of a turn, as a number of bytes. It
// is less than in HTTP/1.1, because requests that arrive together share reads and sends.
constexpr size_t kRequestCost = 4 * 1024;
constexpr uint32_t kMostStreams = 250;
// The time between the two GOAWAYs: requests may be on their way that were sent before the first one arrived.
constexpr uint64_t kLeaveMs = 1000;

Reason ToReason(HeadFault fault) {
  switch (fault) {
    case HeadFault::kTargetTooLong:
      return Reason::kUriLimit;
    case HeadFault::kTooManyFields:
    case HeadFault::kHeadTooLarge:
      return Reason::kHeaderLimit;
    default:
      return Reason::kBadRequest;
  }
}

}  // namespace

Downstream::Downstream(EngineContext& context, int32_t frontend, const NetAddress& original,
                       const NetAddress& peer)
    : Connection(context, Side::kServer),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      idle_since_ms_(opened_ms_),
      caller_{frontend, original, peer, Protocol::kHttp2},
      timer_(context.wheel, this) {}

Downstream::~Downstream() = default;

void Downstream::Begin(std::span<char> first) {
  const std::array<std::pair<Setting, uint32_t>, 3> settings{
      {{Setting::kMaxConcurrentStreams, kMostStreams},
       {Setting::kEnableConnectProtocol, 1},
       {Setting::kMaxHeaderListSize,
        static_cast<uint32_t>(context_.settings.request_limits.max_head_bytes)}}};
  Greet(settings);
  // Runs until the client's preface is complete.
  timer_.ArmAfter(context_.settings.header_timeout_ms);
  if (!first.empty()) {
    Spend(first.size());
    Receive(first);
  }
  // A FIN that arrived together with the first bytes raises no further event.
  if (!over()) OnEvent();
}

void Downstream::OnEvent() {
  Connection::OnEvent();
  if (!over() && context_.closes() && leaving_ == Leaving::kNo) Drain();
}

void Downstream::AwaitRequest() {
  idle_since_ms_ = context_.wheel.now_ms();
  if (leaving_ != Leaving::kAnnounced) timer_.ArmAfter(context_.settings.downstream_idle_ms);
}

// The client learns that it has to leave before a stream of it is refused (RFC 9113 section 6.8).
void Downstream::Drain() {
  if (over() || leaving_ != Leaving::kNo) return;
  leaving_ = Leaving::kAnnounced;
  Goaway(kMaxStreamId, ErrorCode::kNoError);
  timer_.ArmAfter(kLeaveMs);
  // Drain may be called outside a batch, where nothing else would flush.
  FlushFrames();
}

void Downstream::NameLast() {
  leaving_ = Leaving::kNamed;
  Goaway(last_peer_stream(), ErrorCode::kNoError);
  if (streams() == 0) CloseLingering();
}

void Downstream::OnTimer() {
  if (over()) return;
  if (partial_block_ || !greeted()) {
    timed_out_ = true;
    return Fail(ErrorCode::kEnhanceYourCalm);
  }
  if (leaving_ == Leaving::kAnnounced) return NameLast();
  if (streams() > 0) return;
  // A request may have arrived since the last event; it is still served.
  if (Arrived()) {
    OnEvent();
    if (!over() && streams() == 0 && !timer_.armed()) AwaitRequest();
    return;
  }
  Goaway(last_peer_stream(), ErrorCode::kNoError);
  CloseLingering();
}

void Downstream::OnPartialBlock(bool partial) {
  partial_block_ = partial;
  if (partial) {
    timer_.ArmAfter(context_.settings.header_timeout_ms);
  } else if (leaving_ == Leaving::kAnnounced) {
    timer_.ArmAfter(kLeaveMs);
  } else if (streams() == 0 && leaving_ == Leaving::kNo) {
    AwaitRequest();
  } else {
    timer_.Cancel();
  }
}

void Downstream::OnStreams() {
  if (streams() > 0) return;
  if (leaving_ == Leaving::kNamed) return CloseLingering();
  AwaitRequest();
}

Connection::Block Downstream::OnBlock(uint32_t id, Stream* stream, bool ended) {
  if (stream != nullptr) {
    if (stream->is_reset()) return {.stray = true};
    if (stream->remote_ended()) {
      FailStream(id, stream, ErrorCode::kStreamClosed, "headers-after-end");
      return {};
    }
    // Trailers, which must end the stream.
    if (!ended) {
      FailStream(id, stream, ErrorCode::kProtocolError, "trailers");
      return {};
    }
    commons_.trailers.StartTrailers(context_.settings.request_limits);
    return {&commons_.trailers, stream};
  }
  if ((id & 1) == 0) return Fail(ErrorCode::kProtocolError), Block{};
  if (id <= last_peer_stream()) {
    if (!WasReset(id)) Fail(ErrorCode::kStreamClosed);
    return {.stray = true};
  }
  // After the second GOAWAY, new streams are ignored; the client knows from it that they were not processed.
  set_last_peer_stream(id);
  if (leaving_ == Leaving::kNamed) return Ignore(id), Block{.stray = true};
  if (too_much_waits()) return FailFlood(Flood::kBacklog), Block{};
  if (streams() >= kMostStreams || context_.memory.refusing()) {
    RefuseStream(id);
    return {};
  }
  // Told first, because the previous head is still in the builder.
  TellCurrent();
  if (over()) return {};
  if (leaving_ != Leaving::kAnnounced) timer_.Cancel();
  auto request = std::make_unique<DownstreamRequest>(*this, context_.blocks, id);
  commons_.head.StartRequest(context_.settings.request_limits);
  Stream* const added = request.release();
  Add(*added);
  return {&commons_.head, added};
}

void Downstream::RefuseStream(uint32_t id) {
  Charge(noise_, 1, Flood::kStreams);
  if (over()) return;
  if (context_.memory.refusing()) NoteRefused(Reason::kOverload, {}, 0);
  ++context_.counters.refused;
  ResetUnknown(id, ErrorCode::kRefusedStream);
}

void Downstream::OnBlockEnd(uint32_t, const Block& block, bool ended) {
  auto& request = static_cast<DownstreamRequest&>(*block.stream);
  if (block.builder == &commons_.trailers) {
    if (commons_.trailers.FinishTrailers() != HeadFault::kNone)
      return FailStream(request.id(), &request, ErrorCode::kProtocolError, "trailers");
    TakeTrailers(request, commons_.trailers.trailers());
    return;
  }
  const HeadFault fault = commons_.head.FinishRequest(ended);
  if (fault != HeadFault::kNone) return Refuse(request, fault);
  head_ = &commons_.head.request();
  if (head_->body == http::BodyKind::kLength) ExpectLength(request, head_->content_length);
  if (ended) EndRemote(request);
  noise_.Give(2);
  MakeCurrent(request);
}

void Downstream::Tell(Stream& stream) {
  auto& request = static_cast<DownstreamRequest&>(stream);
  if (!request.waits()) return request.Tell();
  if (!request.is_reset() && head_ != nullptr) return Serve(request);
  // The request was reset before an exchange began, or is malformed.
  head_ = nullptr;
  // A fault that ends the whole connection has been reported already.
  if (!over() && !request.broken().empty()) {
    ++context_.counters.refused;
    NoteRefused(Reason::kBadRequest, request.broken(), 0);
  }
  Remove(request);
}

// Hot path.
void Downstream::Serve(DownstreamRequest& request) {
  const http::RequestHead& head = *std::exchange(head_, nullptr);
  Spend(kRequestCost);
  request.Start(head);
}

// A malformed request gets a reset (RFC 9113 section 8.1.1), one that is too large a reply that says so.
void Downstream::Refuse(DownstreamRequest& request, HeadFault fault) {
  ++context_.counters.refused;
  const Reason reason = ToReason(fault);
  const LocalReply& reply =
      context_.replies[static_cast<size_t>(context_.reason_replies[static_cast<size_t>(reason)])];
  const bool grpc = commons_.head.is_call() && !reply.grpc.empty();
  const uint16_t status = grpc ? kGrpcHttpStatus : reply.status;
  NoteRefused(reason, NameOf(fault), IsMalformed(fault) ? 0 : status, &commons_.head);
  if (!IsMalformed(fault)) return request.Refuse(reply, grpc ? ReplyForm::kGrpc : ReplyForm::kHttp);
  Charge(noise_, 10, Flood::kStreamErrors);
  ResetStream(request, ErrorCode::kProtocolError);
  Remove(request);
}

// Short, because a streaming call may go on for hours and has to learn of the error.
uint32_t Downstream::early_reply_waits_ms() const {
  constexpr uint32_t kMostMs = 200;
  return std::min(kMostMs, context_.settings.discard_timeout_ms);
}

void Downstream::LoadPeer() {
  if (caller_.peer.family() == AF_UNSPEC && open()) caller_.peer = PeerAddress(fd()).value_or(NetAddress());
}

// Hot path.
size_t Downstream::SendHead(DownstreamRequest& request, const http::ResponseHead& head,
                            const HeaderPlan* plan, std::string_view fields, bool last) {
  const size_t before = framed();
  commons_.writer.WriteResponse(head, plan, fields, HeadTo(request, last));
  const size_t sent = framed() - before;
  Sent(request, last);
  return sent;
}

size_t Downstream::SendReply(DownstreamRequest& request, const LocalReply& reply, ReplyForm form,
                             std::string_view fields, bool last) {
  const size_t before = framed();
  commons_.writer.WriteReply(reply, form, fields, context_.DateLine(), HeadTo(request, last));
  const size_t sent = framed() - before;
  Sent(request, last);
  return sent;
}

// Hot path.
void Downstream::EndRequest(DownstreamRequest& request, ErrorCode code) {
  ++served_;
  const bool complete = request.local_ended() && request.remote_ended();
  if (complete) {
    noise_.Give(2);
    resets_.Give(1);
  } else {
    ResetStream(request, request.local_ended() || code != ErrorCode::kNoError ? code : ErrorCode::kCancel);
  }
  Remove(request);
}

bool Downstream::CloseIdle() {
  if (readable() || !Quiet()) return false;
  Goaway(last_peer_stream(), ErrorCode::kNoError);
  FlushFrames();
  CloseNow(false);
  return true;
}

void Downstream::Abandon() {
  if (over()) return CloseNow(true);
  CutAll(Reason::kShutdown);
  if (!over()) Fail(ErrorCode::kNoError);
}

void Downstream::Shed() {
  shed_ = true;
  CutAll(Reason::kOverload);
  if (!over()) Fail(ErrorCode::kEnhanceYourCalm);
}

// Requests without a response yet get a reply with the reason.
void Downstream::CutAll(Reason reason) {
  std::vector<DownstreamRequest*> requests;
  VisitStreams([&](Stream& stream) { requests.push_back(static_cast<DownstreamRequest*>(&stream)); });
  // The streams stay in memory until the batch ends.
  for (DownstreamRequest* request : requests) {
    if (request->exchange() != nullptr) request->exchange()->Cut(reason);
  }
}

void Downstream::OnOver(bool orderly) {
  if (orderly) return CloseLingering();
  CloseNow(failed());
}

void Downstream::CloseLingering() {
  FlushFrames();
  EndStreams(ErrorCode::kNoError);
  if (!open()) return;
  LingeringClose* const lingering = context_.Linger(*this);
  CloseNow(false);
  if (lingering != nullptr) lingering->Start();
}

void Downstream::CloseNow(bool reset) {
  timer_.Cancel();
  EndStreams(ErrorCode::kCancel);
  ListNode<Connection, Dirty>::Unlink();
  Close(reset);
  if (!ListNode<DownstreamConnection>::linked()) return;
  ListNode<DownstreamConnection>::Unlink();
  --context_.counters.downstream_open;
  context_.Bury(std::unique_ptr<Disposable>(static_cast<DownstreamConnection*>(this)));
}

}  // namespace sideroute::http2
