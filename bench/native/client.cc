#include "client.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>

namespace bench {

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void Client::Connect(const sockaddr_in& to, int epoll, uint64_t data) {
  fd_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) Fail("socket", errno);
  const int yes = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  reader_ = ResponseReader();
  message_ = nullptr;
  unanswered_ = 0;
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS)
    Fail("connect", errno);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = data}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd_.get(), &event) < 0) Fail("epoll_ctl", errno);
}

bool Client::Write() {
  while (message_ != nullptr) {
    const ssize_t count =
        send(fd_.get(), message_->bytes.data() + written_, message_->bytes.size() - written_, MSG_NOSIGNAL);
    // ENOTCONN: the socket is still connecting.
    if (count < 0) return errno == EAGAIN || errno == ENOTCONN;
    written_ += static_cast<size_t>(count);
    if (written_ == message_->bytes.size()) message_ = nullptr;
  }
  return true;
}

void Client::Send(const Message& message) {
  message_ = &message;
  written_ = 0;
  unanswered_ = message.requests;
  // An error of the connection shows when it is read.
  Write();
}

Client::Progress Client::Proceed(bool until_the_end) {
  static char buffer[256 * 1024];
  const bool was_waiting = IsBusy();
  // The other side may have closed after a last response that came before the body had been sent.
  const bool is_broken = !Write();
  if (is_broken) message_ = nullptr;
  for (;;) {
    // Of an end, or of bytes that are no response, there is no error to report.
    errno = 0;
    const ssize_t count = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == ENOTCONN) return Progress::kWaiting;
    if (count < 0 && errno != EAGAIN) return Progress::kFailed;
    if (count == 0) return until_the_end && unanswered_ == 0 ? Progress::kEnded : Progress::kFailed;
    if (count < 0) break;
    const int ended = reader_.Take({buffer, static_cast<size_t>(count)});
    if (ended < 0 || static_cast<uint32_t>(ended) > unanswered_) return Progress::kFailed;
    unanswered_ -= static_cast<uint32_t>(ended);
    responses += static_cast<uint64_t>(ended);
    // A short read has emptied the socket.
    if (!until_the_end && static_cast<size_t>(count) < sizeof buffer) break;
  }
  if (until_the_end) return Progress::kWaiting;
  if (was_waiting && unanswered_ == 0 && reader_.is_last()) return Progress::kEnded;
  if (is_broken) return Progress::kFailed;
  return was_waiting && !IsBusy() ? Progress::kAnswered : Progress::kWaiting;
}

}  // namespace bench
