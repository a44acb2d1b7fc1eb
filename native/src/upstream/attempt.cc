#include "upstream/attempt.h"

#include <utility>

#include "upstream/upstream_connection.h"

namespace sideroute {

Attempt::Result Attempt::Begin(Backend& backend, const Options& options) {
  backend_ = &backend;
  options_ = options;
  dials_.Reset();
  return Seek(Backend::Turn::kNew);
}

Attempt::Result Attempt::BeginIdle(Backend& backend, const Options& options) {
  const Backend::Wish wish{
      .user = this, .protocol = backend.ProtocolFor(options.protocol), .repeatable = options.repeatable};
  Backend::Loan loan;
  if (backend.Acquire(wish, &loan, true) != Backend::Result::kReused) return Result::kNone;
  backend_ = &backend;
  options_ = options;
  dials_.Reset();
  Take(loan);
  return Result::kLent;
}

Attempt::Result Attempt::Seek(Backend::Turn turn) {
  const Protocol protocol = backend_->ProtocolFor(options_.protocol);
  // The FIN of a caller that has ended is passed on over HTTP/1, which makes the connection useless to
  // others.
  const bool may_reuse = options_.may_reuse && !(options_.caller_ended && protocol == Protocol::kHttp1);
  for (;;) {
    const Backend::Wish wish{
        .user = this,
        .protocol = protocol,
        .address = dials_.NextAddress(backend_->address_count()),
        .may_reuse = may_reuse,
        .repeatable = options_.repeatable,
        .turn = turn,
        .may_displace = options_.may_displace,
    };
    Backend::Loan loan;
    switch (backend_->Acquire(wish, &loan)) {
      case Backend::Result::kReused:
        Take(loan);
        return Result::kLent;
      case Backend::Result::kConnecting:
        Take(loan);
        timer_.ArmAfter(dials_.Begin(backend_->dial_facts()));
        return Result::kLent;
      case Backend::Result::kWait:
        // The caller may have left, so it is not queued. An attempt that waited already goes on waiting.
        if (!options_.may_queue || (options_.caller_ended && turn == Backend::Turn::kNew))
          return Fail(NoStream::kOverflow);
        backend_->Wait(*this, protocol, turn);
        state_ = State::kQueued;
        timer_.ArmAfter(context_.settings.queue_timeout_ms);
        return Result::kLater;
      case Backend::Result::kOverflow:
        return Fail(NoStream::kOverflow);
      case Backend::Result::kNoAddress:
        return Fail(NoStream::kNoAddress);
      case Backend::Result::kConnectFailed:
        break;
    }
    uint32_t pause_ms = 0;
    if (!backend_->DialAgain(dials_, false, &pause_ms))
      return Fail(dials_.any_timed_out() ? NoStream::kTimedOut : NoStream::kRefused);
    if (pause_ms > 0) {
      state_ = State::kPausing;
      timer_.ArmAfter(pause_ms);
      return Result::kLater;
    }
    turn = Backend::Turn::kSame;
  }
}

Attempt::Result Attempt::Fail(NoStream why) {
  why_ = why;
  state_ = State::kNone;
  return Result::kNone;
}

void Attempt::Take(const Backend::Loan& loan) {
  connection_ = loan.connection;
  stream_ = loan.stream;
  state_ = stream_->connecting() ? State::kConnecting : State::kConnected;
}

void Attempt::GiveBack(GivenBack how, StreamError why) {
  if (linked()) Unlink();
  KeepInPlace();
  timer_.Cancel();
  state_ = State::kNone;
  UpstreamStream* const stream = std::exchange(stream_, nullptr);
  UpstreamConnection* const connection = std::exchange(connection_, nullptr);
  if (connection == nullptr) return;
  connection->endpoint().backend.GiveBack(*connection, *stream, how, why);
}

NetAddress Attempt::address() const {
  return connection_ == nullptr ? NetAddress() : connection_->endpoint().address;
}

void Attempt::OnAvailable() {
  timer_.Cancel();
  state_ = State::kNone;
  // The wait for a first dial does not count as part of the attempt; a wait between its dials does.
  if (!dials_.any_failed()) user_.OnTurn();
  Tell(Seek(Backend::Turn::kServed));
}

void Attempt::Tell(Result result) {
  switch (result) {
    case Result::kLent:
      return user_.OnStreamLent();
    case Result::kLater:
      return;
    case Result::kNone:
      return user_.OnNoStream(why_);
  }
}

void Attempt::OnConnected() {
  timer_.Cancel();
  state_ = State::kConnected;
  user_.OnConnected();
}

void Attempt::DialFailed(bool timed_out) {
  connection_->CountConnectFailure();
  // Others may still wait for it to be established.
  connection_->Drain();
  Reset();
  uint32_t pause_ms = 0;
  if (!backend_->DialAgain(dials_, timed_out, &pause_ms)) {
    return Tell(Fail(dials_.any_timed_out() ? NoStream::kTimedOut : NoStream::kRefused));
  }
  if (pause_ms == 0) return Tell(Seek(Backend::Turn::kSame));
  state_ = State::kPausing;
  timer_.ArmAfter(pause_ms);
}

void Attempt::OnTimer() {
  switch (state_) {
    case State::kQueued:
      Unlink();
      return Tell(Fail(NoStream::kOverflow));
    case State::kPausing:
      return Tell(Seek(Backend::Turn::kAgain));
    case State::kConnecting:
      return DialFailed(true);
    case State::kNone:
    case State::kConnected:
      return;
  }
}

}  // namespace sideroute
