// One listening socket and its place in the event source. What to do with a connection is the acceptor's
// business.
#ifndef SIDEROUTE_NET_LISTENER_H_
#define SIDEROUTE_NET_LISTENER_H_

#include <cstdint>

#include "net/net_address.h"
#include "net/own_dials.h"
#include "net/reactor.h"
#include "net/unique_fd.h"

namespace sideroute {

class Listener;

class ListenerHost {
 public:
  // Connections wait. Edge-triggered: after leaving some of them, call Again to hear of them again.
  virtual void OnAcceptable(Listener& listener) = 0;

 protected:
  ~ListenerHost() = default;
};

class Listener final : private Watcher {
 public:
  Listener(Reactor& reactor, OwnDials& own_dials, ListenerHost& host, UniqueFd fd, const NetAddress& address);
  Listener(const Listener&) = delete;
  ~Listener() { Close(); }

  // 0 or a negative errno.
  int Start();
  void Again();
  void Close();
  // A connected, non-blocking, close-on-exec socket and where it was dialled from; empty with the negative
  // errno of accept4.
  UniqueFd Accept(NetAddress* peer, int* error);
  // A connection waits to be accepted. Asks the kernel.
  bool HasWaiting() const;
  // The number that the next connection would get; INT_MAX when there is none left. Only while open.
  int LowestFreeDescriptor() const;

  const NetAddress& address() const { return address_; }
  bool open() const { return static_cast<bool>(fd_); }

 private:
  void OnReady(uint32_t events) override;

  Reactor& reactor_;
  OwnDials& own_dials_;
  ListenerHost& host_;
  UniqueFd fd_;
  const NetAddress address_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_LISTENER_H_
