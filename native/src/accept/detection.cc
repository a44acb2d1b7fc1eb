#include "accept/detection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "accept/sniff.h"
#include "net/socket.h"
#include "net/state_records.h"
#include "net/syscalls.h"

namespace sideroute {

namespace {

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
                     UniqueFd downstream, const NetAddress& destination, const NetAddress& peer,
                     int64_t frontend)
    : context_(context),
      host_(host),
      settings_(settings),
      destination_(destination),
      peer_(peer),
      frontend_(frontend),
      downstream_watcher_(*this),
      upstream_watcher_(*this),
      downstream_(std::move(downstream)) {}

void Detection::Start() {
  if (settings_.reads && settings_.eager.Tries()) {
    // If the request is there already, the connection may end before any event is needed.
    context_.reactor.Enroll(&downstream_watcher_);
    const bool gone = Examine(false);
    settings_.eager.Note(state_ == State::kReadingHead);
    if (gone) return;
  }
  if (WatchDownstream() && !pending()) context_.detect_deadlines.Add(this);
}

bool Detection::WatchDownstream() {
  const int error = context_.reactor.Watch(downstream_.get(), kReadEvents, &downstream_watcher_);
  watched_ = error == 0;
  if (watched_) return true;
  ResetOnClose(downstream_.get());
  CloseQuietly(error);
  return false;
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
  do {
    const ssize_t length = Look();
    if (length == -EAGAIN) return false;
    if (length <= 0) {
      // Nothing was said, so nothing is owed: a client that dropped an unused connection, or a port check.
      CloseQuietly();
      return true;
    }
    const bool first = state_ == State::kWaiting;
    state_ = State::kReadingHead;
    if (first) DropUpstream();
    if (Decide(static_cast<size_t>(length), timed_out)) return true;
    if (first) context_.detect_deadlines.Add(this);
    Keep(static_cast<size_t>(length));
  } while (more_);
  return false;
}

ssize_t Detection::Look() {
  return settings_.reads ? Read()
                         : Peek(downstream_.get(), settings_.scratch.data(), settings_.scratch.size());
}

ssize_t Detection::Read() {
  std::vector<char>& scratch = settings_.scratch;
  const size_t before = kept_.size();
  // There is some: what fills all of it is decided.
  const size_t room = std::min(scratch.size() - before, settings_.window);
  ssize_t length;
  do {
    length = Receive(downstream_.get(), scratch.data() + before, room, 0);
  } while (length < 0 && errno == EINTR);
  if (length < 0 && (errno != EAGAIN || before == 0)) return -errno;
  if (length == 0) peer_ended_ = true;
  more_ = length == static_cast<ssize_t>(room);
  std::copy(kept_.begin(), kept_.end(), scratch.begin());
  return static_cast<ssize_t>(before) + std::max<ssize_t>(length, 0);
}

void Detection::Keep(size_t length) {
  if (settings_.reads) {
    context_.kept_bytes += length - kept_.size();
    kept_.assign(settings_.scratch.begin(), settings_.scratch.begin() + static_cast<ptrdiff_t>(length));
  } else if (!buffer_grown_ && length >= kGrowBufferAt) {
    buffer_grown_ = true;
    GrowReceiveBuffer(downstream_.get(), static_cast<int>(settings_.scratch.size()));
  }
}

bool Detection::Decide(size_t length, bool timed_out) {
  const char* const data = settings_.scratch.data();
  if (settings_.reads && BeginsRequest(data, length)) {
    Http(length, HeadVerdict::kAdmit, nullptr);
    return true;
  }
  switch (Sniff(data, length)) {
    case Sniffed::kTls:
      Tunnel(length, ConnectionReason::kTls);
      return true;
    case Sniffed::kHttp2:
      Http(length, HeadVerdict::kRefuse, ReasonName(HeadReason::kNotImplemented), true);
      return true;
    case Sniffed::kOther:
      Tunnel(length, ConnectionReason::kNotHttp);
      return true;
    case Sniffed::kUndecided:
      if (!peer_ended_ && !timed_out) return false;
      // Too little for TLS or HTTP/2 and no more to come: the gate knows which of the two it may be instead.
      break;
    case Sniffed::kHttp1:
      break;
  }
  const GateResult result = GateFirstHead(data, length, settings_.limits);
  switch (result.verdict) {
    case GateVerdict::kAdmit:
      Http(length, HeadVerdict::kAdmit, nullptr);
      return true;
    case GateVerdict::kRefuse:
      Http(length, HeadVerdict::kRefuse, ReasonName(result.reason));
      return true;
    case GateVerdict::kInvalid:
      Http(length, HeadVerdict::kInvalid, ReasonName(result.reason));
      return true;
    case GateVerdict::kNotHttp:
      Tunnel(length, ConnectionReason::kNotHttp);
      return true;
    case GateVerdict::kNeedMore:
      break;
  }
  if (length >= settings_.scratch.size()) {
    Http(length, HeadVerdict::kInvalid, "header_limit");
    return true;
  }
  if (!peer_ended_ && !timed_out) return false;
  Http(length, HeadVerdict::kInvalid, peer_ended_ ? "bad_request" : "request_timeout");
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
  context_.reactor.Unwatch(upstream_.get(), &upstream_watcher_);
  UniqueFd upstream = std::move(upstream_);
  host_.OnTunnel(this, TakeDownstream(), std::move(upstream), ConnectionReason::kServerFirst, {});
}

void Detection::DropUpstream() {
  if (!upstream_) return;
  if (state_ == State::kWaiting) Cancel();
  context_.reactor.Forget(&upstream_watcher_);
  upstream_.Reset();
  upstream_connected_ = false;
}

UniqueFd Detection::TakeDownstream() {
  LetGo();
  if (watched_) {
    context_.reactor.Unwatch(downstream_.get(), &downstream_watcher_);
  } else {
    context_.reactor.Forget(&downstream_watcher_);
  }
  return std::move(downstream_);
}

void Detection::LetGo() {
  Cancel();
  DropUpstream();
  context_.kept_bytes -= kept_.size();
  kept_.clear();
}

void Detection::Http(size_t length, HeadVerdict verdict, const char* reason, bool http2) {
  if (!settings_.reads) return host_.OnHttp(this, TakeDownstream(), {verdict, reason, http2});
  // HTTP/2 connections carry many requests, which arrive at any time.
  if (http2 && !watched_ && !WatchDownstream()) return;
  LetGo();
  host_.OnRequest(this, {.fd = std::move(downstream_),
                         .watcher = downstream_watcher_,
                         .watched = watched_,
                         .readable = more_ || peer_ended_,
                         .peer_ended = peer_ended_,
                         .first = {settings_.scratch.data(), length},
                         .http2 = http2,
                         .frontend = frontend_,
                         .destination = destination_,
                         .peer = peer_});
}

void Detection::Tunnel(size_t length, ConnectionReason reason) {
  const std::span<const char> read(settings_.scratch.data(), settings_.reads ? length : 0);
  host_.OnTunnel(this, TakeDownstream(), UniqueFd(), reason, read);
}

void Detection::CloseQuietly(int error) {
  Close();
  host_.OnDetectionClosed(this, error);
}

void Detection::Abandon() {
  ResetOnClose(downstream_.get());
  Close();
}

void Detection::Close() {
  LetGo();
  context_.reactor.Forget(&downstream_watcher_);
  downstream_.Reset();
}

size_t Detection::HeldBytes(bool sockets) const {
  return kept_.size() + (sockets ? QueuedBytes(downstream_.get()) : 0);
}

void Detection::Describe(StateRecords& records) const {
  records.Number(static_cast<double>(frontend_));
  records.Address(destination_);
  records.Socket(downstream_.get());
}

}  // namespace sideroute
