#include "http2/upstream.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "upstream/upstream_pool.h"

namespace sideroute::http2 {

namespace {

// Of one connection at a time, whatever its peer allows; and until it has said what that is.
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
    // The event need not have been about the connect.
    if (!IsConnected()) return;
    UpstreamConnection::NoteStands();
    HoldBack(false);
    FlushFrames();
    ping_timer_.ArmAfter(Connection::context_.settings.ping_after_ms);
    // Each may give its stream back, and others with it; they stay until the batch ends.
    for (UpstreamRequest* request : LentStreams()) {
      if (request->user() != nullptr) request->NoteStands();
    }
    if (over()) return;
  }
  Connection::OnEvent();
}

// Each gives its stream back, and dials anew.
void Upstream::ConnectFailed() {
  leaving_ = true;
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() != nullptr) request->user()->OnConnectFailed();
  }
  NoteFailed();
}

Connection::Block Upstream::OnBlock(uint32_t id, Stream* stream, bool ended) {
  if (stream == nullptr) {
    // What was given up may still be answered.
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
  // The head before it is still in the builder.
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
  // What has no body has none, whatever comes: to a caller of HTTP/1.1 it would be the next response.
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
    // Who resets one stream has seen its request; who is only gone has said nothing of it.
    Executed executed = over() ? request.executed() : Executed::kPossibly;
    if (request.code() == ErrorCode::kRefusedStream) executed = Executed::kNothing;
    request.NoteReset(executed, ToStreamError(request.code()));
  }
  if (request.user() != nullptr) request.user()->OnStreamEvent();
  if (request.user() != nullptr) request.KeepHead();
}

// RFC 9113 section 6.8: nothing was done, nor will be, with streams beyond the last one.
void Upstream::OnGoaway(uint32_t last, ErrorCode) {
  leaving_ = true;
  TellCurrent();
  for (UpstreamRequest* request : LentStreams()) {
    // What has no number yet waits to be sent.
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

// Those that cannot be sent, or have waited for too long.
void Upstream::OnConnectsTimer() {
  for (UpstreamRequest* request : LentStreams()) {
    if (request->user() == nullptr) continue;
    if (request->awaits_connects()) request->RefuseConnect();
    if (request->is_reset()) Tell(*request);
  }
}

// One timer of the connection, and none of a request. Whoever streams in both directions without a pause is
// never asked; whoever waits for a long time is asked once, and then so seldom that no server minds.
void Upstream::OnPingTimer() {
  if (over()) return;
  const EngineSettings& settings = Connection::context_.settings;
  const uint64_t now = now_ms();
  if (ping_waits_) {
    // Anything is an answer, and it may be here already.
    if (heard_ms() == kUnheard && !Arrived()) return Vanish();
    ping_waits_ = false;
  }
  heard_of_request_ = TakeUseful() || heard_of_request_;
  // Who has never said anything has been silent since it accepted, which is as long as this timer has run.
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

// Who has a stream has been told, or reads what has come; the last one closes the connection.
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
