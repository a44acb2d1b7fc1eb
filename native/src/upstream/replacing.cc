// Replacement of connections with many streams.
//
// A connection stays with the endpoint that kube-proxy has chosen for it. So that no endpoint gets more than
// its share for long, and a new one gets some soon, a connection is replaced after about 40 requests, as far
// as turnover.h allows, and after 6 s in any case. With 8 connections that makes more than 40 new ones within
// 40 s; all of them miss one endpoint of five 1 in 7,500 times.
//
// The successor is dialled in advance, so that no request waits for it. Until it is established the old
// connection goes on, for as long as no endpoint accepts. After that it lends nothing more, and its streams
// end when they end. If a connection has as many streams at a time as it should carry in total, more
// connections are dialled.
#include <utility>

#include "upstream/backends.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {

// Shortly after a failure kube-proxy may still choose the endpoint that is gone.
constexpr uint32_t kPauseMs = 100;
// Connections that only wait for their last streams may be this part of all; otherwise those with streams
// that stay for hours would use up all connections over time.
constexpr size_t kDrainingPart = 8;

}  // namespace

// Hot path, but usually returns early.
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
  // There are more connections than needed.
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
  // Requests that find no room elsewhere may wait for it too.
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

// The connection lends nothing any more.
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
