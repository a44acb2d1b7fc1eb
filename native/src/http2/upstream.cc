#include "http2/upstream.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "upstream/upstream_pool.h"

namespace sideroute::http2 {

namespace {

// Maximum number of streams on one connection, whatever its peer allows; and the number until the peer has
// said what it allows.
constexpr uint32_t kMostStreams = 250;
constexpr uint32_t kFirstStreams = 100;

}  // namespace

Upstream::Upstream(EngineContext& context, Endpoint& endpoint)
    : Connection(context, Side::kClient),
      UpstreamConnection(context, endpoint, Protocol::kHttp2, kFirstStreams),
      ping_timer_(context.wheel, this),
      connects_timer_(context.wheel, this) {}

Upstream::~Upstream() = default;

int Upstream::Open(UniqueFd fd) {
  HoldBack(true);
  const std::array<std::pair<Setting, uint32_t>, 2> settings{
      {{Setting::kEnablePush, 0},
       {Setting::kMaxHeaderListSize,
        static_cast<uint32_t>(Connection::context_.settings.response_limits.max_head_bytes)}}};
  Greet(settings);
  return StreamSocket::Open(std::move(fd));
}

// Hot path.
UpstreamStream* Upstream::BeginStream(StreamUser& user, bool careful) {
  if (over() || leaving_ || peer_ended() || too_much_waits()) return nullptr;
  const bool was_idle = stands() && requests_.empty();
  if (was_idle && careful && AtEnd()) {
    ++Connection::context_.counters.upstream_stale;
    return nullptr;
  }
  auto request = std::make_unique<UpstreamRequest>(
      *this, Connection::context_.blocks, user,
      was_idle && requests() > 0 ? Executed::kUnlikely : Executed::kPossibly, !stands());
  UpstreamRequest* const begun = request.release();
  requests_.PushBack(begun);
  return begun;
}

// Hot path.
void Upstream::SendHead(UpstreamRequest& request, const http::RequestHead& head, const HeaderPlan* plan,
                        RequestCopy copy, bool last) {
  Number(request, next_id_);
  next_id_ += 2;
  HeadWriter::To to = HeadTo(request, last);
  to.peer = &endpoint().address;
  commons_.writer.WriteRequest(head, plan, copy, to);
  Sent(request, last);
}

// Hot path.
bool Upstream::EndStream(UpstreamStream& stream, GivenBack, StreamError why) {
  auto& request = static_cast<UpstreamRequest&>(stream);
  request.Forget();
  request.ListNode<UpstreamRequest, Lent>::Unlink();
  if (request.id() == 0) {
    Connection::context_.Bury(std::unique_ptr<Disposable>(static_cast<Stream*>(&request)));
  } else {
    if (request.remote_ended() && request.local_ended()) {
      noise_.Give(2);
      resets_.Give(1);
    } else {
      ResetStream(request, why == StreamError::kNone ? ErrorCode::kCancel : static_cast<ErrorCode>(why));
      // A head and trailers may be on their way that nobody waits for any more.
      noise_.Give(2);
    }
    Remove(request);
  }
  return !over() && !leaving_;
}

void Upstream::Shut(bool reset) {
  if (!over() && stands() && !reset) {
    Goaway(0, ErrorCode::kNoError);
    FlushFrames();
  }
  EndStreams(ErrorCode::kInternalError);
  ping_timer_.Cancel();
  connects_timer_.Cancel();
  ListNode<Connection, Dirty>::Unlink();
  Close(reset && !stands());
}

bool Upstream::IsConnected() const {
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd(), reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

std::vector<UpstreamRequest*> Upstream::LentStreams() const {
  std::vector<UpstreamRequest*> all;
  for (UpstreamRequest* each = requests_.Front(); each != nullptr; each = requests_.After(each)) {
    all.push_back(each);
  }
  return all;
}

void Upstream::OnEvent() {
  if (over()) return;
  if (!stands()) {
    if (gone()) return ConnectFailed();
    // The event may not have been about the connect.
    if (!IsConnected()) return;
    UpstreamConnection::NoteStands();
    HoldBack(false);
    FlushFrames();
    ping_timer_.ArmAfter(Connection::context_.settings.ping_after_ms);
    // A request may give back its stream, and others with it; they stay in memory until the batch ends.
    for (UpstreamRequest* request : LentStreams()) {
      if (request->user() != nullptr) request->NoteStands();
    }
    if (over()) return;
  }
  Connection::OnEvent();
}

// Each request gives back its stream and dials again.
void Upstream::ConnectFailed() {
  leaving_ = true;
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() != nullptr) request->user()->OnConnectFailed();
  }
  NoteFailed();
}

Connection::Block Upstream::OnBlock(uint32_t id, Stream* stream, bool ended) {
  if (stream == nullptr) {
    // A stream that was given up may still be answered.
    if ((id & 1) == 0 || id >= next_id_) Fail(ErrorCode::kProtocolError);
    return {.stray = true};
  }
  if (stream->is_reset()) return {.stray = true};
  if (stream->remote_ended()) {
    FailStream(id, stream, ErrorCode::kStreamClosed, "headers-after-end");
    return {};
  }
  const EngineSettings& settings = Connection::context_.settings;
  if (static_cast<UpstreamRequest*>(stream)->in_body()) {
    if (!ended) {
      FailStream(id, stream, ErrorCode::kProtocolError, "trailers");
      return {};
    }
    commons_.trailers.StartTrailers(settings.response_limits);
    return {&commons_.trailers, stream};
  }
  // Told first, because the previous head is still in the builder.
  TellCurrent();
  if (over() || stream->is_reset()) return {};
  commons_.head.StartResponse(settings.response_limits);
  return {&commons_.head, stream};
}

void Upstream::OnBlockEnd(uint32_t id, const Block& block, bool ended) {
  auto& request = static_cast<UpstreamRequest&>(*block.stream);
  if (block.builder == &commons_.trailers) {
    if (const HeadFault fault = commons_.trailers.FinishTrailers(); fault != HeadFault::kNone)
      return FailStream(id, &request, ErrorCode::kProtocolError, NameOf(fault));
    TakeTrailers(request, commons_.trailers.trailers());
    return;
  }
  const HeadFault fault = commons_.head.FinishResponse(ended, request.asked());
  if (fault != HeadFault::kNone) return FailStream(id, &request, ErrorCode::kProtocolError, NameOf(fault));
  const http::ResponseHead& head = commons_.head.response();
  // A response without a body has none, whatever arrives: an HTTP/1.1 caller would read it as the next
  // response.
  if (head.body == http::BodyKind::kLength || (head.body == http::BodyKind::kNone && !head.interim()))
    ExpectLength(request, head.content_length);
  if (ended) EndRemote(request);
  request.TakeHead(head);
  noise_.Give(2);
  MakeCurrent(request);
}

void Upstream::Tell(Stream& stream) {
  auto& request = static_cast<UpstreamRequest&>(stream);
  if (request.is_reset()) {
    // A peer that resets one stream has seen its request; a peer that is gone has said nothing about it.
    Executed executed = over() ? request.executed() : Executed::kPossibly;
    if (request.code() == ErrorCode::kRefusedStream) executed = Executed::kNothing;
    request.NoteReset(executed, ToStreamError(request.code()));
  }
  if (request.user() != nullptr) request.user()->OnStreamEvent();
  if (request.user() != nullptr) request.KeepHead();
}

// Streams beyond the last one were not processed and will not be (RFC 9113 section 6.8).
void Upstream::OnGoaway(uint32_t last, ErrorCode) {
  leaving_ = true;
  TellCurrent();
  for (UpstreamRequest* request : LentStreams()) {
    // A stream without an id has not been sent yet.
    if (request->user() == nullptr || (request->id() != 0 && request->id() <= last)) continue;
    Lose(*request, ErrorCode::kRefusedStream);
    Tell(*request);
  }
  if (!over()) Retire(Retirement::kGoaway);
}

void Upstream::OnStreams() {}

void Upstream::OnSettled() {
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() == nullptr || !request->awaits_connects()) continue;
    request->SendAwaited();
    if (request->is_reset()) Tell(*request);
  }
  if (!over()) SetLimit(std::min(peer_max_streams(), kMostStreams));
}

void Upstream::AwaitConnects() {
  if (!connects_timer_.armed()) connects_timer_.ArmAfter(Connection::context_.settings.connect_timeout_ms);
}

// Gives up the requests that cannot be sent, or have waited too long.
void Upstream::OnConnectsTimer() {
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() == nullptr) continue;
    if (request->awaits_connects()) request->RefuseConnect();
    if (request->is_reset()) Tell(*request);
  }
}

// One ping timer for the connection, not one per request. A peer that sends all the time is never pinged. One
// that is silent for long is pinged once, and then so rarely that no server counts it as abuse.
void Upstream::OnPingTimer() {
  if (over()) return;
  const EngineSettings& settings = Connection::context_.settings;
  const uint64_t now = now_ms();
  if (ping_waits_) {
    // Any bytes count as an answer, and they may have arrived already.
    if (heard_ms() == kUnheard && !Arrived()) return Vanish();
    ping_waits_ = false;
  }
  heard_of_request_ = TakeUseful() || heard_of_request_;
  // A peer that never sent anything has been silent since it accepted, which is when this timer started.
  uint64_t due = heard_ms() == kUnheard ? now : heard_ms() + settings.ping_after_ms;
  if (!heard_of_request_) due = std::max(due, pinged_ms_ + settings.ping_again_ms);
  if (now < due || requests_.empty())
    return ping_timer_.ArmAfter(now < due ? static_cast<uint32_t>(due - now) : settings.ping_after_ms);
  AddPing();
  FlushFrames();
  pinged_ms_ = now;
  ping_waits_ = true;
  heard_of_request_ = false;
  ForgetHeard();
  ping_timer_.ArmAfter(settings.ping_timeout_ms);
}

void Upstream::Vanish() {
  ++counted().unanswered_pings;
  EndStreams(ErrorCode::kInternalError);
  OnOver(false);
}

// Users of streams have been told or still read what arrived; the last one closes the connection.
void Upstream::OnOver(bool) {
  leaving_ = true;
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() != nullptr && request->id() == 0) {
      Lose(*request, ErrorCode::kRefusedStream);
      Tell(*request);
    }
  }
  Drain();
}

}  // namespace sideroute::http2
