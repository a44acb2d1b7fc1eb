// How an exchange comes by an upstream connection: reused, dialled, dialled again, waited for.
#include <uv.h>

#include "engine/http_engine.h"
#include "exchange/exchange.h"
#include "http1/downstream_connection.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

// SPEC T1: an attempt includes connecting, however many dials that takes.
Progress Exchange::BeginAttempt() {
  dials_.Reset();
  StartAttempt();
  return AcquireUpstream(Backend::Turn::kNew);
}

void Exchange::StartAttempt() {
  if (policy_ && policy_->attempt_timeout_ms > 0) {
    attempt_deadline_.ArmAfter(policy_->attempt_timeout_ms);
  }
}

// Gets a connection for what is in sent_.
Progress Exchange::AcquireUpstream(Backend::Turn turn) {
  for (;;) {
    const Backend::Wish wish{
        .user = this,
        .address = dials_.NextAddress(backend_->address_count()),
        // That of a caller that has ended gets a FIN, too, and is of no use to others.
        .may_reuse = !fresh_only_ && !caller_ended_,
        .repeatable = repeatable_,
        .turn = turn,
    };
    switch (backend_->Acquire(wish, &upstream_)) {
      case Backend::Result::kReused:
        return SendRequest(nullptr);
      case Backend::Result::kConnecting:
        wait_ = Wait::kConnect;
        wait_timer_.ArmAfter(dials_.Begin(backend_->dial_facts()));
        return SendRequest(nullptr);
      case Backend::Result::kWait:
        // Nobody may be there any more to be served in the end. Who waited before that goes on.
        if (caller_ended_ && turn == Backend::Turn::kNew) return ReplyReason(Reason::kOverflow);
        backend_->Wait(*this, turn);
        wait_ = Wait::kQueue;
        wait_timer_.ArmAfter(context_.settings.queue_timeout_ms);
        return Progress::kOpen;
      case Backend::Result::kOverflow:
        return ReplyReason(Reason::kOverflow);
      case Backend::Result::kNoAddress:
        return ReplyReason(Reason::kUnresolved);
      case Backend::Result::kConnectFailed:
        break;
    }
    uint32_t pause_ms = 0;
    if (!backend_->DialAgain(dials_, false, &pause_ms)) return NoConnection();
    if (pause_ms > 0) return PauseDialling(pause_ms);
    turn = Backend::Turn::kSame;
  }
}

Progress Exchange::ConnectFailed(bool timed_out) {
  upstream_->CountConnectFailure();
  DropUpstream();
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  uint32_t pause_ms = 0;
  if (!backend_->DialAgain(dials_, timed_out, &pause_ms)) return NoConnection();
  return pause_ms > 0 ? PauseDialling(pause_ms) : AcquireUpstream(Backend::Turn::kSame);
}

Progress Exchange::PauseDialling(uint32_t pause_ms) {
  wait_ = Wait::kRedial;
  wait_timer_.ArmAfter(pause_ms);
  return Progress::kOpen;
}

// No address has accepted, often enough. A retry of the route begins all over.
Progress Exchange::NoConnection() {
  if (TakeRetry(false)) return TryAgain();
  return ReplyReason(dials_.any_timed_out() ? Reason::kConnectTimeout : Reason::kConnectFailure);
}

void Exchange::OnUpstreamEvent() {
  if (upstream_->connecting()) {
    if (upstream_->gone()) return Continue(ConnectFailed(false));
    if (!upstream_->Flush()) return Continue(ConnectFailed(false));
    // Still nothing taken: the event was not about the connect.
    if (upstream_->has_unsent() && !upstream_->IsConnected()) return;
    Connected();
    if (body_held_) {
      wait_ = Wait::kExpect;
      wait_timer_.ArmAfter(context_.settings.expect_timeout_ms);
    }
  }
  Continue(AdvanceAll());
}

void Exchange::Connected() {
  upstream_->SetConnected();
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  NoteConnected();
  context_.counters.bytes_upstream += sent_.size();
  ForgetSent();
}

void Exchange::OnUpstreamAvailable() {
  wait_ = Wait::kNothing;
  wait_timer_.Cancel();
  // The wait for a first dial is no part of the attempt; one between its dials is.
  if (!dials_.any_failed()) StartAttempt();
  Continue(AcquireUpstream(Backend::Turn::kServed));
}

}  // namespace sideroute
