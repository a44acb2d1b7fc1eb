#include "net/stream_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket.h"
#include "net/syscalls.h"

namespace sideroute {

namespace {
constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
// For a read after kept bytes: a head or trailer section that arrives in parts.
constexpr size_t kMoreBytes = 8 * 1024;
constexpr size_t kSmallBytes = 2 * 1024;
// A source with this many bytes to read at once is worth splicing from.
constexpr size_t kBulkBytes = 16 * 1024;
}  // namespace

StreamSocket::~StreamSocket() { Close(false); }

int StreamSocket::Open(UniqueFd fd) {
  const int error = reactor_.Watch(fd.get(), kEvents, this);
  if (error != 0) return error;
  attention_ = Attention::kRoom;
  Begin(std::move(fd), false, false);
  return 0;
}

void StreamSocket::Open(Arrival& arrival) {
  reactor_.PassOn(arrival.watcher, *this);
  attention_ = arrival.watched ? Attention::kReads : Attention::kNone;
  Begin(std::move(arrival.fd), arrival.readable, arrival.peer_ended);
}

void StreamSocket::Begin(UniqueFd fd, bool readable, bool peer_ended) {
  fd_ = std::move(fd);
  // Assumed until the kernel says otherwise, so that a first write can be made before the first event.
  writable_ = true;
  readable_ = readable;
  peer_ended_ = peer_ended;
  gone_ = failed_ = write_failed_ = write_ended_ = shutdown_wanted_ = fin_due_ = false;
  attend_refused_ = false;
  splice_stopped_ = trickles_ = false;
}

bool StreamSocket::Attend(Attention attention) {
  const uint32_t events = attention == Attention::kRoom ? kEvents : kReadEvents;
  if (attention_ != Attention::kNone) {
    reactor_.Rewatch(fd_.get(), events, this);
  } else if (reactor_.Watch(fd_.get(), events, this) != 0) {
    attend_refused_ = readable_ = peer_ended_ = gone_ = failed_ = true;
    FailWrite();
    return false;
  }
  attention_ = attention;
  return true;
}

void StreamSocket::AwaitRoom() {
  writable_ = false;
  if (attention_ != Attention::kRoom) Attend(Attention::kRoom);
}

void StreamSocket::Close(bool reset) {
  in_.Clear();
  out_.Clear();
  if (!fd_) return;
  reactor_.Forget(this);
  // Before close(), because with unread bytes close() sends a reset, which drops the bytes that wait. Even if
  // there are none now, some may arrive at any moment.
  if (fin_due_ && !reset) shutdown(fd_.get(), SHUT_WR);
  if (reset) ResetOnClose(fd_.get());
  fd_.Reset();
}

UniqueFd StreamSocket::Detach() {
  if (attended()) {
    reactor_.Unwatch(fd_.get(), this);
  } else {
    reactor_.Forget(this);
  }
  return std::move(fd_);
}

void StreamSocket::OnReady(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_ended_ = true;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) gone_ = true;
  if ((events & EPOLLERR) != 0) failed_ = true;
  if ((events & EPOLLOUT) != 0) writable_ = true;
  if (events != 0 && reactor_.MustWait(share_)) return reactor_.Again(this);
  OnEvent();
}

// Hot path.
FillResult StreamSocket::Fill(bool more, Window* window) {
  if (!in_.empty() && !more) {
    *window = {in_.data(), in_.size(), false};
    return FillResult::kBytes;
  }
  if (!readable_) return Attend() ? FillResult::kAgain : FillResult::kError;
  if (!MayGoOn()) return FillResult::kAgain;
  const bool in_scratch = in_.empty();
  char* const target = in_scratch ? scratch_.bytes : in_.Reserve(kMoreBytes);
  const size_t room = in_scratch ? scratch_.window : kMoreBytes;
  ssize_t received;
  do {
    received = Receive(fd_.get(), target, room, 0);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) return FillResult::kError;
    readable_ = splice_stopped_ = false;
    return Attend() ? FillResult::kAgain : FillResult::kError;
  }
  if (received == 0) return FillResult::kEnd;
  const size_t length = static_cast<size_t>(received);
  Spend(length);
  splice_stopped_ = false;
  if (length >= kBulkBytes) trickles_ = false;
  // A short read has emptied the socket, so the next bytes raise an event. An end that was reported already
  // raises none.
  if (length < room && !peer_ended_) readable_ = false;
  if (in_scratch) {
    *window = {scratch_.bytes, length, true};
  } else {
    in_.Commit(length);
    *window = {in_.data(), in_.size(), false};
  }
  return FillResult::kBytes;
}

bool StreamSocket::Quiet() const {
  char byte;
  return Receive(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool StreamSocket::NothingUnread() {
  if (readable()) return false;
  if (attended()) return true;
  return !Arrived();
}

bool StreamSocket::AtEnd() const {
  char byte;
  return in_.empty() && Receive(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

// Hot path.
bool StreamSocket::Send(std::span<iovec> parts, bool last) {
  if (write_failed_) return false;
  if (!writable_ || !out_.empty()) {
    KeepUnsent(parts, 0);
    return true;
  }
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  if (total == 0) return true;
  // Copying a few hundred bytes is faster than having the kernel import a second iovec.
  char small[kSmallBytes];
  iovec joined;
  std::span<iovec> pieces = parts;
  if (parts.size() > 1 && total <= kSmallBytes) {
    char* at = small;
    for (const iovec& part : parts) {
      std::memcpy(at, part.iov_base, part.iov_len);
      at += part.iov_len;
    }
    joined = {small, total};
    pieces = {&joined, 1};
  }
  const int flags = MSG_NOSIGNAL | (last ? MSG_MORE : 0);
  ssize_t sent;
  do {
    if (pieces.size() == 1) {
      sent = SendBytes(fd_.get(), pieces[0].iov_base, pieces[0].iov_len, flags);
    } else {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = pieces.size();
      sent = SendMessage(fd_.get(), &message, flags);
    }
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      FailWrite();
      return false;
    }
    sent = 0;
  }
  if (static_cast<size_t>(sent) < total) {
    AwaitRoom();
    if (write_failed_) return false;
    KeepUnsent(parts, static_cast<size_t>(sent));
  } else {
    fin_due_ = last;
  }
  return true;
}

void StreamSocket::KeepUnsent(std::span<iovec> parts, size_t sent) {
  if (out_.empty()) blocked_since_ms_ = reactor_.NowMs();
  for (const iovec& part : parts) {
    const size_t skip = std::min(sent, part.iov_len);
    sent -= skip;
    out_.Append(static_cast<const char*>(part.iov_base) + skip, part.iov_len - skip);
  }
}

bool StreamSocket::Flush() {
  if (write_failed_) return false;
  while (writable_ && !out_.empty()) {
    const ssize_t sent = SendBytes(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        FailWrite();
        return false;
      }
      AwaitRoom();
      return !write_failed_;
    }
    if (static_cast<size_t>(sent) < out_.size()) AwaitRoom();
    if (write_failed_) return false;
    blocked_since_ms_ = reactor_.NowMs();
    out_.Consume(static_cast<size_t>(sent));
  }
  if (shutdown_wanted_ && out_.empty()) ShutdownWrite();
  return true;
}

void StreamSocket::FailWrite() {
  write_failed_ = true;
  out_.Clear();
}

std::vector<uint8_t> StreamSocket::TakeUnsent() {
  std::vector<uint8_t> unsent(out_.view().begin(), out_.view().end());
  out_.Clear();
  return unsent;
}

void StreamSocket::ShutdownWrite() {
  write_ended_ = true;
  shutdown_wanted_ = !out_.empty();
  if (!shutdown_wanted_) shutdown(fd_.get(), SHUT_WR);
}

}  // namespace sideroute
