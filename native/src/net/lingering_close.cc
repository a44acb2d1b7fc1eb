#include "net/lingering_close.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "net/socket.h"

namespace sideroute {

namespace {
constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
constexpr size_t kDiscardBytes = 1 << 20;
}  // namespace

LingeringClose::LingeringClose(Reactor& reactor, DeadlineQueue& deadlines, ConnectionList& list, UniqueFd fd,
                               std::vector<uint8_t> response)
    : reactor_(reactor),
      deadlines_(deadlines),
      list_(list),
      fd_(std::move(fd)),
      response_(std::move(response)) {}

void LingeringClose::Start() {
  if (Advance() || reactor_.Watch(fd_.get(), kEvents, this) != 0) return Finish();
  deadlines_.Add(this);
}

void LingeringClose::OnReady(uint32_t events) {
  if ((events & EPOLLERR) != 0 || Advance()) Finish();
}

void LingeringClose::OnDeadline() { Finish(); }

bool LingeringClose::Advance() {
  while (sent_ < response_.size()) {
    const ssize_t sent =
        send(fd_.get(), response_.data() + sent_, response_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      sent_ += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      return true;
    }
  }
  if (sent_ == response_.size() && !fin_sent_) {
    fin_sent_ = true;
    shutdown(fd_.get(), SHUT_WR);
  }
  return Discard() && fin_sent_;
}

// Returns true at EOF, or if the socket failed.
bool LingeringClose::Discard() {
  while (reactor_.MayGoOn(share_)) {
    // MSG_TRUNC on TCP drops the bytes without copying them (tcp(7)).
    const ssize_t length = recv(fd_.get(), nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT);
    if (length == 0) return true;
    if (length < 0 && errno != EINTR) return errno != EAGAIN;
    if (length > 0) reactor_.Spend(&share_, static_cast<size_t>(length));
  }
  reactor_.Again(this);
  return false;
}

void LingeringClose::Finish() {
  Cancel();
  reactor_.Forget(this);
  fd_.Reset();
  list_.Remove(this);
}

size_t LingeringClose::HeldBytes(bool sockets) const {
  return response_.size() + (sockets ? QueuedBytes(fd_.get()) : 0);
}

void LingeringClose::Abandon() {
  Cancel();
  reactor_.Forget(this);
  ResetOnClose(fd_.get());
  fd_.Reset();
}

}  // namespace sideroute
