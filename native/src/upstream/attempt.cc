#include "upstream/attempt.h"

#include "upstream/upstream_connection.h"

namespace sideroute {

Attempt::Result Attempt::Begin(Backend& backend, const Options& options) {
  backend_ = &backend;
  options_ = options;
  dials_.Reset();
  return Seek(Backend::Turn::kNew);
}

Attempt::Result Attempt::BeginIdle(Backend& backend, const Options& options) {
  const Backend::Wish wish{.user = this, .repeatable = options.repeatable};
  UpstreamConnection* idle = nullptr;
  if (backend.Acquire(wish, &idle, true) != Backend::Result::kReused) return Result::kNone;
  backend_ = &backend;
  options_ = options;
  dials_.Reset();
  Take(idle);
  return Result::kLent;
}

Attempt::Result Attempt::Seek(Backend::Turn turn) {
  for (;;) {
    const Backend::Wish wish{
        .user = this,
        .address = dials_.NextAddress(backend_->address_count()),
        // That of a caller that has ended gets a FIN, too, and is of no use to others.
        .may_reuse = options_.may_reuse && !options_.caller_ended,
        .repeatable = options_.repeatable,
        .turn = turn,
        .may_displace = options_.may_displace,
    };
    UpstreamConnection* connection = nullptr;
    switch (backend_->Acquire(wish, &connection)) {
      case Backend::Result::kReused:
        Take(connection);
        return Result::kLent;
      case Backend::Result::kConnecting:
        Take(connection);
        timer_.ArmAfter(dials_.Begin(backend_->dial_facts()));
        return Result::kLent;
      case Backend::Result::kWait:
        // Nobody may be there any more to be served in the end. Who waited before that goes on.
        if (!options_.may_queue || (options_.caller_ended && turn == Backend::Turn::kNew))
          return Fail(NoStream::kOverflow);
        backend_->Wait(*this, turn);
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

void Attempt::Take(UpstreamConnection* connection) {
  connection_ = connection;
  stream_ = &connection->stream();
  state_ = stream_->connecting() ? State::kConnecting : State::kConnected;
}

UpstreamConnection* Attempt::Give() {
  if (linked()) Unlink();
  KeepInPlace();
  timer_.Cancel();
  UpstreamConnection* connection = connection_;
  connection_ = nullptr;
  stream_ = nullptr;
  state_ = State::kNone;
  return connection;
}

NetAddress Attempt::address() const {
  return connection_ == nullptr ? NetAddress() : connection_->endpoint().address;
}

void Attempt::Release() {
  if (UpstreamConnection* connection = Give()) connection->endpoint().backend.Release(*connection);
}

void Attempt::Reset(StreamError /*why*/) {
  if (UpstreamConnection* connection = Give()) connection->endpoint().backend.Close(*connection, true);
}

void Attempt::Close() {
  if (UpstreamConnection* connection = Give()) connection->endpoint().backend.Close(*connection, false);
}

void Attempt::OnAvailable() {
  timer_.Cancel();
  state_ = State::kNone;
  // The wait for a first dial is no part of the attempt; one between its dials is.
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
  UpstreamConnection* failed = Give();
  failed->CountConnectFailure();
  backend_->Close(*failed, true);
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
