// How a backend lends streams of its connections and takes them back.
#include <algorithm>
#include <utility>

#include "upstream/attempt.h"
#include "upstream/backends.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

// This many streams of a burst go to one connection: sending and receiving them in one segment costs a
// fraction of what it costs over several connections. Not more, so that requests that begin together are
// spread too.
constexpr uint32_t kTogether = 32;

// Chooses the connection that has lent in this burst. If there is none, or it has lent enough: the one with
// the fewest streams; of several, the one that has lent least recently. One that is not established yet is
// used only if all others are full.
UpstreamConnection* ChooseLender(const IntrusiveList<UpstreamConnection>& lenders, uint64_t burst) {
  constexpr int kMostLookedAt = 16;
  UpstreamConnection* const last = lenders.Back();
  if (last != nullptr && last->stands() && last->LentIn(burst) > 0 && last->LentIn(burst) < kTogether)
    return last;
  UpstreamConnection* best = nullptr;
  int looked_at = 0;
  for (UpstreamConnection* each = lenders.Front(); each != nullptr && looked_at < kMostLookedAt;
       each = lenders.After(each), ++looked_at) {
    const bool better =
        best == nullptr || (each->stands() == best->stands() ? each->lent() < best->lent() : each->stands());
    if (better) best = each;
  }
  return best;
}

}  // namespace

// Hot path.
bool Backend::LendOne(const Wish& wish, Loan* loan, bool standing) {
  const bool one_stream = wish.protocol == Protocol::kHttp1;
  for (const std::unique_ptr<Endpoint>& endpoint : endpoints_) {
    const IntrusiveList<UpstreamConnection>& lenders = endpoint->lenders_of(wish.protocol);
    while (UpstreamConnection* lender = one_stream ? lenders.Back() : ChooseLender(lenders, context_.burst)) {
      // The chosen one is the best, so none of them is established.
      if (standing && !lender->stands()) break;
      // A request that must not be sent twice avoids connections that may be closed already.
      if (one_stream && !wish.repeatable &&
          context_.wheel.now_ms() - lender->idle_since_ms() > context_.settings.fresh_connection_after_ms)
        break;
      if (one_stream && !lender->young()) {
        lender->Retire(Retirement::kAge);
        continue;
      }
      UpstreamStream* stream = lender->Lend(*wish.user, !wish.repeatable);
      if (stream == nullptr) {
        Drain(*lender);
        continue;
      }
      if (lender->idle_) {
        lender->EndIdle();
        --idle_;
      }
      *loan = {lender, stream};
      if (one_stream) {
        lender->Unlink();
      } else {
        NoteLent(*lender);
        LookAt(*lender);
      }
      return true;
    }
  }
  return false;
}

// A stream was lent on a connection with many streams.
void Backend::NoteLent(UpstreamConnection& connection) {
  if (connection.has_room()) {
    connection.endpoint().lenders_of(connection.protocol()).PushBack(&connection);
  } else if (connection.used_up()) {
    Drain(connection);
  } else {
    connection.Unlink();
  }
}

// Hot path.
Backend::Result Backend::Acquire(const Wish& wish, Loan* loan, bool idle_only) {
  if (endpoints_.empty()) return Result::kNoAddress;
  // First come, first served: what is free now, or soon, goes to the attempts that wait.
  const bool stands_in_line = wish.turn <= Turn::kAgain;
  if (stands_in_line && !waiting_for(wish.protocol).empty()) return QueueUp();
  const auto lend = [&] {
    if (!LendOne(wish, loan, idle_only)) return false;
    if (!loan->stream->connecting()) ++context_.counters.upstream_reused;
    return true;
  };
  const auto lent = [&] { return loan->stream->connecting() ? Result::kConnecting : Result::kReused; };
  if (wish.may_reuse && (idle_only || !Spreads(wish)) && lend()) return lent();
  if (idle_only) return Result::kWait;
  while (open_ >= context_.settings.max_upstream_connections && !CloseOneIdle()) {
    if (!wish.may_displace || !DisplaceOne()) return QueueUp();
    // The user of the displaced attempt may have removed the addresses.
    if (endpoints_.empty()) return Result::kNoAddress;
    // The displaced attempt may have had one of many streams.
    if (wish.may_reuse && lend()) return lent();
  }
  // Attempts with another protocol wait for the same place.
  if (stands_in_line && anybody_waits()) return QueueUp();
  return Dial(wish, loan);
}

// Whether to dial although another connection has room.
bool Backend::Spreads(const Wish& wish) const {
  return wish.protocol != Protocol::kHttp1 && wish.turn == Turn::kNew &&
         shared_ < context_.settings.upstream_spread && open_ < context_.settings.max_upstream_connections &&
         !anybody_waits();
}

Backend::Result Backend::Dial(const Wish& wish, Loan* loan) {
  Endpoint& endpoint = *endpoints_[std::min(wish.address, endpoints_.size() - 1)];
  UpstreamConnection* const connection = Begin(endpoint, wish.protocol);
  if (connection == nullptr) return Result::kConnectFailed;
  *loan = {connection, connection->Lend(*wish.user, false)};
  if (connection->shared()) NoteLent(*connection);
  return Result::kConnecting;
}

UpstreamConnection* Backend::Begin(Endpoint& endpoint, Protocol protocol) {
  std::unique_ptr<UpstreamConnection> fresh = context_.backends.connector().Make(endpoint, protocol);
  ++context_.counters.upstream_connects;
  ++endpoint.connects;
  if (fresh->Dial() != 0) {
    fresh->CountConnectFailure();
    return nullptr;
  }
  ++open_;
  ++endpoint.open;
  ++endpoint.connecting;
  context_.backends.AddOpen(*fresh);
  ++context_.counters.upstream_open;
  if (fresh->shared()) {
    ++shared_;
    ++shared_open_;
    ++context_.counters.upstream_shared_open;
  }
  return fresh.release();
}

// Hot path.
void Backend::GiveBack(UpstreamConnection& connection, UpstreamStream& stream, GivenBack how,
                       StreamError why) {
  const bool goes_on = connection.TakeBack(stream, how, why);
  Endpoint& endpoint = connection.endpoint();
  if (connection.lent() > 0) {
    if (!goes_on || endpoint.retired) return Drain(connection);
    return OnLimit(connection);
  }
  if (!goes_on || !connection.stands() || connection.draining() || endpoint.retired || context_.closing)
    return Close(connection, !goes_on && how == GivenBack::kReset);
  if (connection.used_up()) return connection.Retire(Retirement::kRequests);
  if (!connection.shared() && !connection.young()) return connection.Retire(Retirement::kAge);
  if (idle_ >= context_.settings.max_upstream_idle && !anybody_waits())
    return connection.Retire(Retirement::kIdle);
  // The peer allows no streams.
  if (!connection.has_room()) return Close(connection);
  Pool(connection);
}

void Backend::Pool(UpstreamConnection& connection) {
  connection.BecomeIdle();
  // It keeps its place if it has one, because it was not lent now.
  if (!connection.linked()) connection.endpoint().lenders_of(connection.protocol()).PushBack(&connection);
  ++idle_;
  if (anybody_waits()) context_.ServeLater(this, &serving_);
}

void Backend::OnLimit(UpstreamConnection& connection) {
  if (!connection.has_room()) {
    // Nothing else would make it lend again, or close.
    if (connection.lent() == 0) return Drain(connection);
    return connection.Unlink();
  }
  if (!connection.linked()) {
    connection.endpoint().lenders_of(connection.protocol()).PushBack(&connection);
  }
  if (anybody_waits()) context_.ServeLater(this, &serving_);
}

void Backend::Drain(UpstreamConnection& connection) {
  // It was closed already.
  if (!connection.ListNode<UpstreamConnection, EveryUpstream>::linked()) return;
  if (connection.lent() == 0) return Close(connection);
  CountOut(connection);
}

// The connection lends nothing from here on.
void Backend::CountOut(UpstreamConnection& connection) {
  connection.Unlink();
  if (std::exchange(connection.draining_, true)) return;
  if (!connection.shared()) return;
  --shared_;
  NoteGone(connection);
}

void Backend::Close(UpstreamConnection& connection, bool reset) {
  CountOut(connection);
  connection.ListNode<UpstreamConnection, EveryUpstream>::Unlink();
  if (connection.idle_) {
    connection.EndIdle();
    --idle_;
  }
  // It lives until the batch ends, and its timer may be due before.
  connection.idle_timer_.Cancel();
  connection.Shut(reset);
  --open_;
  --context_.counters.upstream_open;
  if (connection.shared()) {
    --shared_open_;
    --context_.counters.upstream_shared_open;
  }
  Endpoint& endpoint = connection.endpoint();
  --endpoint.open;
  if (!connection.stands()) --endpoint.connecting;
  context_.Bury(std::unique_ptr<Disposable>(&connection));
  // The endpoint itself outlives the objects buried in this turn: see ServeWaiting.
  if (anybody_waits() || endpoint.retired || open_ == 0) context_.ServeLater(this, &serving_);
}

}  // namespace sideroute
