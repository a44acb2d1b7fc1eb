#include "net/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <utility>

#include "net/socket.h"

namespace sideroute {

Listener::Listener(Reactor& reactor, OwnDials& own_dials, ListenerHost& host, UniqueFd fd,
                   const NetAddress& address)
    : reactor_(reactor), own_dials_(own_dials), host_(host), fd_(std::move(fd)), address_(address) {
  own_dials_.AddListener(fd_.get());
}

int Listener::Start() { return reactor_.Watch(fd_.get(), EPOLLIN, this); }

void Listener::Again() {
  if (fd_) reactor_.Again(this);
}

void Listener::Close() {
  if (!fd_) return;
  reactor_.Unwatch(fd_.get(), this);
  own_dials_.RemoveListener(fd_.get());
  fd_.Reset();
}

UniqueFd Listener::Accept(NetAddress* peer, int* error) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  UniqueFd fd(
      accept4(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  *error = fd ? 0 : -errno;
  if (fd) *peer = NetAddress::FromSockaddr(storage).value_or(NetAddress());
  return fd;
}

bool Listener::HasWaiting() const {
  pollfd waiting{fd_.get(), POLLIN, 0};
  return poll(&waiting, 1, 0) > 0;
}

int Listener::LowestFreeDescriptor() const {
  const UniqueFd probe(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  return probe ? probe.get() : INT_MAX;
}

void Listener::OnReady(uint32_t) { host_.OnAcceptable(*this); }

}  // namespace sideroute
