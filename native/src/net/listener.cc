#include "net/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
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

int Listener::Start() { return reactor_.Watch(fd_.get(), EPOLLIN, this, Trigger::kLevel); }

void Listener::SetWatched(bool watched) {
  const uint32_t events = watched ? uint32_t{EPOLLIN} : 0;
  if (fd_ && Watcher::watched()) reactor_.Rewatch(fd_.get(), events, this, Trigger::kLevel);
}

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
  if (*error == -EAGAIN) {
    // There was no second connection.
    if (most_ == 2) patience_ = std::min(2 * patience_, kMostPerTurn);
    ready_turn_ = 0;
  }
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

// A single connection costs no failing accept4, as accepting until none is left would. If one waits in the
// next turn again, connections may be coming faster; then more are accepted each time, so that a backlog is
// soon gone. If that turns out wrong, it is tried less and less often.
void Listener::OnReady(uint32_t) {
  run_ = reactor_.turn() == ready_turn_ + 1 ? run_ + 1 : 0;
  most_ = run_ < patience_ ? 1 : std::min(2 * most_, kMostPerTurn);
  if (most_ > 4) patience_ = 1;
  ready_turn_ = reactor_.turn();
  host_.OnAcceptable(*this, most_);
}

}  // namespace sideroute
