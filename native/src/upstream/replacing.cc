// Connections with many streams that take the place of others.
//
// A connection stays with the endpoint that kube-proxy has chosen for it. So that none of them gets more than
// its share for long, and one that was added gets some soon, a connection has carried enough after about 40
// requests, as far as turnover.h allows, and after 6 s in any case: with 8 connections that makes more than
// 40 others within 40 s, all of which miss an endpoint that is one of five 1 in 7,500 times.
//
// The successor is dialled beside, so that no request waits for it. Until it stands the other one goes on,
// and where nothing accepts any more for as long as it lasts. After that it lends nothing more, and its
// streams end when they end. Where connections have as many streams at a time as they should carry in all,
// there are to be more of them.
#include <utility>

#include "upstream/backends.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

// At first the endpoint that is gone may be chosen again.
constexpr uint32_t kPauseMs = 100;
// Connections that only wait for their last streams are this part of all there may be: those of streams that
// stay for hours, begun one after the other, would take the place of all others.
constexpr size_t kDrainingPart = 8;

}  // namespace

// Hot path, though mostly for nothing.
void Backend::LookAt(UpstreamConnection& lender) {
  const EngineSettings& settings = context_.settings;
  const bool busy = lender.lent() >= settings.shared_max_requests;
  if (lender.young() && !lender.served_enough() && !busy) return;
  if (lender.successor_ != nullptr || lender.draining() || lender.endpoint().retired || context_.draining)
    return;
  const uint32_t most = settings.max_upstream_connections;
  if (open_ >= most || anybody_waits() || shared_open_ - shared_ >= most / kDrainingPart) return;
  const uint64_t now_ms = context_.wheel.now_ms();
  if (now_ms < replaces_from_ms_ || successors_ >= settings.upstream_spread) return;
  const bool replaced = !lender.young() || (lender.served_enough() && turnover_.Take(now_ms));
  if (!replaced && !busy) return;
  // There are more than it takes.
  if (replaced && shared_ > settings.upstream_spread && idle_ > 0) return lender.RetireServed();
  UpstreamConnection* const fresh = Begin(lender.endpoint(), lender.protocol());
  if (fresh == nullptr) {
    replaces_from_ms_ = now_ms + kPauseMs;
    return;
  }
  ++successors_;
  fresh->StandAlone();
  if (replaced) {
    fresh->predecessor_ = &lender;
    lender.successor_ = fresh;
  }
  // Who finds no room elsewhere may wait for it, too.
  NoteLent(*fresh);
}

void Backend::OnConnected(UpstreamConnection& connection) {
  failed_dials_ = 0;
  if (!std::exchange(connection.alone_, false)) return;
  --successors_;
  if (connection.lent() == 0) Pool(connection);
  UpstreamConnection* const old = std::exchange(connection.predecessor_, nullptr);
  if (old == nullptr) return;
  old->successor_ = nullptr;
  old->RetireServed();
}

// It lends nothing any more.
void Backend::NoteGone(UpstreamConnection& connection) {
  if (UpstreamConnection* const next = std::exchange(connection.successor_, nullptr))
    next->predecessor_ = nullptr;
  if (UpstreamConnection* const old = std::exchange(connection.predecessor_, nullptr))
    old->successor_ = nullptr;
  if (!std::exchange(connection.alone_, false)) return;
  --successors_;
  replaces_from_ms_ = context_.wheel.now_ms() + kPauseMs;
}

size_t Backend::CloseSuccessors(bool only_count) {
  size_t count = 0;
  for (const std::unique_ptr<Endpoint>& endpoint : endpoints_) {
    const IntrusiveList<UpstreamConnection>& lenders = endpoint->lenders_of(Protocol::kHttp2);
    for (UpstreamConnection *each = lenders.Front(), *next = nullptr; each != nullptr; each = next) {
      next = lenders.After(each);
      if (!each->alone_ || each->lent() > 0) continue;
      ++count;
      if (!only_count) Close(*each);
    }
  }
  return count;
}

}  // namespace sideroute
