// Connections with many streams that take the place of others.
//
// A connection stays with the endpoint that kube-proxy has chosen for it. So that none of them gets more than
// its share for long, and one that was added gets some soon, a connection has carried enough after about 40
// requests, as far as turnover.h allows, and after 6 s in any case: with 8 connections that makes more than
// 40 others within 40 s, all of which miss an endpoint that is one of five 1 in 7,500 times.
//
// The successor is dialled beside, so that no request waits for it. Until it stands the other one goes on,
// and where nothing accepts any more for as long as it lasts. After that it lends nothing more, and its
// streams end when they end.
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
void Backend::Replace(UpstreamConnection& old) {
  if (successor_ != nullptr || old.draining() || old.endpoint().retired || context_.draining) return;
  const uint32_t most = context_.settings.max_upstream_connections;
  if (open_ >= most || anybody_waits() || shared_open_ - shared_ >= most / kDrainingPart) return;
  const uint64_t now_ms = context_.wheel.now_ms();
  if (now_ms < replaces_from_ms_) return;
  retirement_ = old.young() ? Retirement::kRequests : Retirement::kAge;
  if (retirement_ == Retirement::kRequests && !turnover_.Take(now_ms)) return;
  // There are more than it takes.
  if (shared_ > context_.settings.upstream_spread && idle_ > 0) return old.Retire(retirement_);
  UpstreamConnection* const fresh = Begin(old.endpoint(), old.protocol());
  if (fresh == nullptr) {
    replaces_from_ms_ = now_ms + kPauseMs;
    return;
  }
  successor_ = fresh;
  predecessor_ = &old;
  fresh->StandAlone();
  // Who finds no room elsewhere may wait for it, too.
  NoteLent(*fresh);
}

void Backend::OnConnected(UpstreamConnection& connection) {
  failed_dials_ = 0;
  if (&connection != successor_) return;
  successor_ = nullptr;
  if (connection.lent() == 0) Pool(connection);
  if (predecessor_ != nullptr) predecessor_->Retire(retirement_);
}

// It lends nothing any more.
void Backend::NoteGone(UpstreamConnection& connection) {
  if (&connection == predecessor_) predecessor_ = nullptr;
  if (&connection != successor_) return;
  successor_ = nullptr;
  replaces_from_ms_ = context_.wheel.now_ms() + kPauseMs;
}

void Backend::CloseSuccessor() {
  if (successor_waits()) Close(*successor_);
}

}  // namespace sideroute
