#include "listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace sideroute {

Listener::Listener(Reactor& reactor, ListenerHost& host, UniqueFd fd, const NetAddress& address)
    : reactor_(reactor), host_(host), fd_(std::move(fd)), address_(address) {}

int Listener::Start() { return reactor_.Watch(fd_.get(), EPOLLIN, this); }

void Listener::Rearm() {
  if (fd_) reactor_.Rearm(fd_.get(), EPOLLIN, this);
}

void Listener::Close() {
  if (!fd_) return;
  reactor_.Unwatch(fd_.get(), this);
  fd_.Reset();
}

UniqueFd Listener::Accept(int* error) {
  UniqueFd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  *error = fd ? 0 : -errno;
  return fd;
}

bool Listener::IsDescriptorFree(int number) const {
  // The kernel hands out the lowest free number from `number` on.
  const UniqueFd probe(fcntl(fd_.get(), F_DUPFD_CLOEXEC, number));
  return probe.get() == number;
}

void Listener::OnReady(uint32_t) { host_.OnAcceptable(*this); }

}  // namespace sideroute
