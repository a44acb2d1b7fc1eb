#include "accept/detection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "accept/sniff.h"
#include "net/socket.h"
#include "net/state_records.h"

namespace sideroute {

namespace {

constexpr uint32_t kDownstreamEvents = EPOLLIN | EPOLLRDHUP;
constexpr uint32_t kUpstreamEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
// Beyond this much of an unfinished head, make sure the rest fits; a fresh socket holds about 64 KiB.
constexpr size_t kGrowBufferAt = 16 * 1024;
// Refused dials of one connection, each of which kube-proxy may send to another endpoint: without a dial that
// succeeds a server-first protocol would wait for ever. As many as of requests, see dial_plan.h.
constexpr int kDials = 16;

const char* ReasonName(HeadReason reason) {
  switch (reason) {
    case HeadReason::kUriLimit:
      return "uri_limit";
    case HeadReason::kHeaderLimit:
      return "header_limit";
    case HeadReason::kBadVersion:
      return "bad_version";
    case HeadReason::kNotImplemented:
      return "not_implemented";
    case HeadReason::kNone:
    case HeadReason::kBadRequest:
      break;
  }
  return "bad_request";
}

// Bytes at the front of the receive queue, which keeps them. Negative errno, 0 at EOF.
ssize_t Peek(int fd, char* buffer, size_t size) {
  ssize_t length;
  do {
    length = recv(fd, buffer, size, MSG_PEEK | MSG_DONTWAIT);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

}  // namespace

Detection::Detection(ConnectionContext& context, DetectionHost& host, DetectionSettings& settings,
                     UniqueFd downstream, const NetAddress& destination, int64_t frontend)
    : context_(context),
      host_(host),
      settings_(settings),
      destination_(destination),
      frontend_(frontend),
      downstream_watcher_(*this),
      upstream_watcher_(*this),
      downstream_(std::move(downstream)) {}

void Detection::Start() {
  if (context_.reactor.Watch(downstream_.get(), kDownstreamEvents, &downstream_watcher_) != 0) {
    ResetOnClose(downstream_.get());
    return CloseQuietly();
  }
  context_.detect_deadlines.Add(this);
}

void Detection::OnDownstreamReady(uint32_t events) {
  if ((events & EPOLLERR) != 0) {
    ResetOnClose(downstream_.get());
    return CloseQuietly();
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) peer_ended_ = true;
  Examine(false);
}

bool Detection::Examine(bool timed_out) {
  std::vector<char>& scratch = settings_.scratch;
  const ssize_t length = Peek(downstream_.get(), scratch.data(), scratch.size());
  if (length == -EAGAIN) return false;
  if (length <= 0) {
    // Nothing was said, so nothing is owed: a client that dropped an unused connection, or a port check.
    CloseQuietly();
    return true;
  }
  if (state_ == State::kWaiting) {
    state_ = State::kReadingHead;
    DropUpstream();
    context_.detect_deadlines.Add(this);
  }
  if (Decide(scratch.data(), static_cast<size_t>(length), timed_out)) return true;
  if (!buffer_grown_ && static_cast<size_t>(length) >= kGrowBufferAt) {
    buffer_grown_ = true;
    GrowReceiveBuffer(downstream_.get(), static_cast<int>(scratch.size()));
  }
  return false;
}

bool Detection::Decide(const char* data, size_t length, bool timed_out) {
  switch (Sniff(data, length)) {
    case Protocol::kTls:
      Tunnel(ConnectionReason::kTls);
      return true;
    case Protocol::kHttp2:
      Tunnel(ConnectionReason::kH2c);
      return true;
    case Protocol::kOther:
      Tunnel(ConnectionReason::kNotHttp);
      return true;
    case Protocol::kUndecided:
      if (!peer_ended_ && !timed_out) return false;
      // Too little for TLS or HTTP/2 and no more to come: the gate knows which of the two it may be instead.
      break;
    case Protocol::kHttp1:
      break;
  }
  const GateResult result = GateFirstHead(data, length, settings_.limits);
  switch (result.verdict) {
    case GateVerdict::kAdmit:
      Http(HeadVerdict::kAdmit, nullptr);
      return true;
    case GateVerdict::kRefuse:
      Http(HeadVerdict::kRefuse, ReasonName(result.reason));
      return true;
    case GateVerdict::kInvalid:
      Http(HeadVerdict::kInvalid, ReasonName(result.reason));
      return true;
    case GateVerdict::kNotHttp:
      Tunnel(ConnectionReason::kNotHttp);
      return true;
    case GateVerdict::kNeedMore:
      break;
  }
  if (length >= settings_.scratch.size()) {
    Http(HeadVerdict::kInvalid, "header_limit");
    return true;
  }
  if (!peer_ended_ && !timed_out) return false;
  Http(HeadVerdict::kInvalid, peer_ended_ ? "bad_request" : "request_timeout");
  return true;
}

void Detection::OnDeadline() {
  // Bytes may have come since the last event was delivered; if they are the first, their own deadline starts.
  if (Examine(state_ == State::kReadingHead) || pending()) return;
  if (upstream_) return DropUpstream();  // the dial took too long
  DialSilent();
}

void Detection::DialSilent() {
  while (dials_ < kDials) {
    ++dials_;
    int error = 0;
    upstream_ = context_.own_dials.Dial(destination_, &error);
    if (error == 0) error = context_.reactor.Watch(upstream_.get(), kUpstreamEvents, &upstream_watcher_);
    if (error == 0) return context_.connect_deadlines.Add(this);
    DropUpstream();
  }
}

void Detection::OnUpstreamReady(uint32_t events) {
  // When both sides have spoken, the downstream counts: to tunnel an HTTP client would take its routes away.
  if (Examine(false) || !upstream_) return;
  if ((events & EPOLLERR) != 0) {
    const bool refused = !upstream_connected_;
    DropUpstream();
    if (refused) DialSilent();
    return;
  }
  if (!upstream_connected_ && (events & EPOLLOUT) != 0) {
    upstream_connected_ = true;
    Cancel();
  }
  char start[kHttpResponseStart];
  const ssize_t length = Peek(upstream_.get(), start, sizeof start);
  if (length == -EAGAIN || length == -ENOTCONN) return;
  if (length <= 0) return DropUpstream();
  if (MayBeHttpResponse(start, static_cast<size_t>(length))) {
    // An HTTP server that gives up on an idle connection is no server-first protocol.
    if (length == sizeof start || (events & EPOLLRDHUP) != 0) DropUpstream();
    return;
  }
  UniqueFd downstream = TakeDownstream();
  context_.reactor.Unwatch(upstream_.get(), &upstream_watcher_);
  host_.OnTunnel(this, std::move(downstream), std::move(upstream_), ConnectionReason::kServerFirst);
}

void Detection::DropUpstream() {
  if (!upstream_) return;
  if (state_ == State::kWaiting) Cancel();
  context_.reactor.Unwatch(upstream_.get(), &upstream_watcher_);
  upstream_.Reset();
  upstream_connected_ = false;
}

UniqueFd Detection::TakeDownstream() {
  Cancel();
  context_.reactor.Unwatch(downstream_.get(), &downstream_watcher_);
  return std::move(downstream_);
}

void Detection::Http(HeadVerdict verdict, const char* reason) {
  UniqueFd downstream = TakeDownstream();
  DropUpstream();
  host_.OnHttp(this, std::move(downstream), {verdict, reason});
}

void Detection::Tunnel(ConnectionReason reason) {
  UniqueFd downstream = TakeDownstream();
  DropUpstream();
  host_.OnTunnel(this, std::move(downstream), UniqueFd(), reason);
}

void Detection::CloseQuietly() {
  UniqueFd downstream = TakeDownstream();
  DropUpstream();
  downstream.Reset();
  host_.OnDetectionClosed(this);
}

void Detection::Abandon() {
  UniqueFd downstream = TakeDownstream();
  DropUpstream();
  ResetOnClose(downstream.get());
}

size_t Detection::QueuedBytes() const { return sideroute::QueuedBytes(downstream_.get()); }

void Detection::Describe(StateRecords& records) const {
  records.Number(static_cast<double>(frontend_));
  records.Address(destination_);
  records.Socket(downstream_.get());
}

}  // namespace sideroute
