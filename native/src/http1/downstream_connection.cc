#include "http1/downstream_connection.h"

#include <uv.h>

#include <memory>
#include <utility>
#include <vector>

#include "engine/http_engine.h"
#include "log/access_log.h"
#include "net/lingering_close.h"
#include "net/socket.h"
#include "net/state_records.h"

namespace sideroute {

namespace {

// What a request costs that is answered at once, in bytes moved.
constexpr size_t kRequestCost = 16 * 1024;
constexpr size_t kMaxLingering = 1024;
// While draining an idle connection is left this long: a request may be on its way to it.
constexpr uint64_t kDrainIdleMs = 1000;

Reason ToReason(HeadReason reason) {
  switch (reason) {
    case HeadReason::kUriLimit:
      return Reason::kUriLimit;
    case HeadReason::kHeaderLimit:
      return Reason::kHeaderLimit;
    case HeadReason::kBadVersion:
      return Reason::kBadVersion;
    case HeadReason::kNotImplemented:
      return Reason::kNotImplemented;
    case HeadReason::kNone:
    case HeadReason::kBadRequest:
      break;
  }
  return Reason::kBadRequest;
}

}  // namespace

Downstream::Downstream(EngineContext& context, int32_t frontend, const NetAddress& original,
                       const NetAddress& peer)
    : StreamSocket(context.reactor, context.blocks, context.scratch),
      context_(context),
      frontend_(frontend),
      original_(original),
      number_(++context.last_number),
      opened_ms_(context.wheel.now_ms()),
      idle_since_ms_(opened_ms_),
      peer_(peer),
      timer_(context.wheel, this) {}

Downstream::~Downstream() = default;

void Downstream::OnEvent() {
  if (exchange_ != nullptr && exchange_->started()) {
    if (exchange_->OnDownstreamEvent() == Progress::kNextRequest) ReadRequests();
    return;
  }
  // Whatever stands before a reset, nobody waits for an answer to it, and no other event would tell.
  if (gone()) return OnReadEnd(true);
  ReadRequests();
}

void Downstream::Begin(std::span<char> first) {
  Spend(first.size());
  ReadRequests(first);
}

// Hot path.
void Downstream::ReadRequests(std::span<char> first_bytes) {
  bool more = exchange_ != nullptr;
  for (;;) {
    // What was read elsewhere is in a scratch buffer, too.
    Window window{first_bytes.data(), first_bytes.size(), true};
    switch (first_bytes.empty() ? Fill(more, &window) : FillResult::kBytes) {
      case FillResult::kAgain:
        if (exchange_ == nullptr) AwaitRequest();
        return;
      case FillResult::kEnd:
        return OnReadEnd(false);
      case FillResult::kError:
        return OnReadEnd(true);
      case FillResult::kBytes:
        first_bytes = {};
        break;
    }
    const bool first = exchange_ == nullptr;
    if (first) {
      exchange_ = context_.engine.TakeExchange();
      exchange_->Begin(this);
    }
    switch (exchange_->ParseHead(window)) {
      case http1::ParseStatus::kNeedMore:
        Use(window, 0);
        more = true;
        if (first) timer_.ArmAfter(context_.settings.header_timeout_ms);
        if (context_.memory.refusing()) return Refuse(Reason::kOverload);
        continue;
      case http1::ParseStatus::kError:
        return Refuse(ToReason(http1::ReasonOf(exchange_->request_parser().error())), &window);
      case http1::ParseStatus::kComplete:
        break;
    }
    timer_.Cancel();
    if (context_.memory.refusing()) return Refuse(Reason::kOverload, &window);
    if (exchange_->Start(window) != Progress::kNextRequest) return;
    more = false;
    Spend(kRequestCost);
    if (!MayGoOn()) return;
  }
}

void Downstream::AwaitRequest() {
  timer_.ArmAfter(context_.draining ? kDrainIdleMs : context_.settings.downstream_idle_ms);
}

void Downstream::OnReadEnd(bool broken) {
  if (exchange_ == nullptr) return CloseNow(broken);
  // The end of a connection within a head is worth a word to a peer that still listens.
  if (broken) {
    context_.engine.GiveExchange(exchange_);
    exchange_ = nullptr;
    return CloseNow(true);
  }
  Refuse(Reason::kBadRequest);
}

void Downstream::OnTimer() {
  if (exchange_ == nullptr) {
    // A request that has arrived since the last event still gets its answer.
    if (Arrived()) return ReadRequests();
    return CloseAfterResponse(false);
  }
  if (!exchange_->started()) Refuse(Reason::kRequestTimeout);
}

void Downstream::Refuse(Reason reason, const Window* window) {
  ++context_.counters.refused;
  const int32_t index = context_.reason_replies[static_cast<size_t>(reason)];
  const LocalReply& reply = context_.replies[static_cast<size_t>(index)];
  context_.host.OnRefused(frontend_, reply.reason);
  ByteBuffer bytes(context_.blocks);
  context_.engine.WriteReply(reply, {}, ConnectionField::kClose, true, bytes);
  if (context_.log != nullptr && context_.log->on()) LogRefused(reply, window, bytes.size());
  context_.engine.GiveExchange(exchange_);
  exchange_ = nullptr;
  Send(bytes.data(), bytes.size(), true);
  CloseAfterResponse(false);
}

void Downstream::LoadPeer() {
  if (peer_.family() == AF_UNSPEC && open()) peer_ = PeerAddress(fd()).value_or(NetAddress());
}

// What is known of a request whose head is not valid: its request line, if that is.
void Downstream::LogRefused(const LocalReply& reply, const Window* window, size_t reply_bytes) {
  RequestEntry entry;
  RequestFacts facts;
  LoadPeer();
  entry.frontend = frontend_;
  entry.status = reply.status;
  entry.reason = reply.reason;
  entry.downstream = peer_;
  entry.destination = original_;
  entry.started_ns = entry.ended_ns = uv_hrtime();
  const http1::RequestHeadParser& parser = exchange_->request_parser();
  facts.fault = http1::FaultOf(parser.error());
  if (window != nullptr) facts.bytes_received = window->length;
  if (window != nullptr && parser.request_line_done()) {
    facts.texts.Set(RequestText::kMethod, parser.head().method.In(window->data));
    facts.texts.Set(RequestText::kPath, parser.head().target.path.In(window->data));
    entry.minor_version = parser.head().minor_version;
  }
  facts.bytes_sent = reply_bytes;
  context_.log->OnRequest(entry, facts);
}

void Downstream::CloseAfterResponse(bool orderly) {
  if (!open()) return;
  if (orderly && !has_unsent()) return CloseNow(false);
  if (write_failed() || gone() || context_.lingering.size() >= kMaxLingering) return CloseNow(false);
  std::vector<uint8_t> unsent = TakeUnsent();
  DropKept();
  auto lingering = std::make_unique<LingeringClose>(context_.reactor, context_.linger_deadlines,
                                                    context_.lingering, Detach(), std::move(unsent));
  LingeringClose* started = lingering.get();
  context_.lingering.Add(std::move(lingering));
  CloseNow(false);
  started->Start();
}

void Downstream::CloseNow(bool reset) {
  timer_.Cancel();
  Close(reset);
  if (!linked()) return;
  Unlink();
  --context_.counters.downstream_open;
  context_.Bury(std::unique_ptr<Disposable>(this));
}

void Downstream::Abandon() {
  if (exchange_ != nullptr && exchange_->started()) {
    exchange_->Cut(Reason::kShutdown);
    return;
  }
  if (exchange_ != nullptr) {
    context_.engine.GiveExchange(exchange_);
    exchange_ = nullptr;
  }
  CloseNow(true);
}

void Downstream::Describe(StateRecords& records) const {
  enum class State : uint8_t { kIdle, kReadingHead, kRequest, kTunnel, kDraining };
  const uint64_t now_ms = context_.wheel.now_ms();
  State state = context_.draining ? State::kDraining : State::kIdle;
  if (exchange_ != nullptr) {
    state = exchange_->tunnel() ? State::kTunnel : State::kRequest;
    if (!exchange_->started()) state = State::kReadingHead;
  }
  records.Count(number_);
  records.Number(frontend_);
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(exchange_ == nullptr ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(served_);
  records.Address(original_);
  records.Socket(fd());
  if (exchange_ != nullptr && exchange_->started()) {
    exchange_->Describe(records);
  } else {
    Exchange::DescribeNone(records);
  }
}

}  // namespace sideroute
