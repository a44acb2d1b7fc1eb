// Two streams after an Upgrade or CONNECT: bytes are relayed both ways until both sides have ended.
#include "exchange/exchange.h"

namespace sideroute {

namespace {

constexpr uint16_t kOk = 200;
constexpr uint16_t kSwitchingProtocols = 101;

}  // namespace

Progress Exchange::SwitchToRelay(const http::ResponseHead& head) {
  if (request_state_ != RequestState::kDone) return UpstreamBroken(Reason::kUpstreamProtocol);
  // HTTP/2 has no 101: an extended CONNECT is answered with 200 (RFC 8441 section 5).
  const bool switches = head.status == kSwitchingProtocols && protocol_ == Protocol::kHttp2;
  NoteResponse(switches ? kOk : head.status);
  UpstreamStream& stream = *attempt_.stream();
  BodyPiece first;
  stream.ReadBody(&first);
  facts_.bytes_sent += downstream_->SendHead(head, plan_.get(), fields_, first);
  stream.Took();
  relay_ = true;
  ++context_.counters.relays_open;
  attempt_deadline_.Cancel();
  request_deadline_.Cancel();
  stall_timer_.Cancel();
  return PumpRelay();
}

Progress Exchange::PumpRelay() {
  UpstreamStream& upstream = *attempt_.stream();
  bool broken = !downstream_->Flush() || !upstream.Flush() || !PumpUp() || !PumpDown();
  const bool down_blocked = downstream_->unsent() > 0, up_blocked = upstream.unsent() > 0;
  // A reset is not seen on a side that is not read, because it has ended or the other side takes nothing.
  broken = broken || (downstream_->failed() && (relay_up_ended_ || up_blocked)) ||
           (upstream.failed() && (relay_down_ended_ || down_blocked));
  if (!broken && !(relay_up_ended_ && relay_down_ended_ && !down_blocked && !up_blocked)) {
    return Progress::kOpen;
  }
  if (!broken) {
    attempt_.Close();
    return End(StreamEnd::kRelayed);
  }
  // A reset on one side becomes a reset on the other, with the same error code.
  const StreamError why = upstream.error();
  attempt_.Reset(downstream_->error());
  return End(StreamEnd::kReset, why);
}

// Caller to backend. Returns false if one of the two sides is broken.
bool Exchange::PumpUp() {
  UpstreamStream& upstream = *attempt_.stream();
  while (!relay_up_ended_ && upstream.unsent() == 0) {
    BodyPiece piece;
    const ReadResult result = downstream_->ReadBody(&piece);
    if (result == ReadResult::kAgain) return true;
    if (result == ReadResult::kEnded) {
      relay_up_ended_ = true;
      upstream.SendEnd();
      return true;
    }
    if (result != ReadResult::kGiven) return false;
    facts_.bytes_received += piece.wire_bytes;
    upstream.SendBody(piece);
    downstream_->Took();
    if (upstream.write_failed()) return false;
  }
  return true;
}

// Backend to caller. Returns false if one of the two sides is broken.
bool Exchange::PumpDown() {
  UpstreamStream& upstream = *attempt_.stream();
  while (!relay_down_ended_ && downstream_->unsent() == 0) {
    BodyPiece piece;
    const ReadResult result = upstream.ReadBody(&piece);
    if (result == ReadResult::kAgain) return true;
    if (result == ReadResult::kEnded) {
      relay_down_ended_ = true;
      downstream_->SendEnd();
      return true;
    }
    if (result != ReadResult::kGiven) return false;
    facts_.bytes_sent += downstream_->SendBody(piece);
    upstream.Took();
    if (downstream_->write_failed()) return false;
  }
  return true;
}

}  // namespace sideroute
