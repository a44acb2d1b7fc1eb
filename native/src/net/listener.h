// One listening socket and its registration with the reactor. The acceptor handles the connections.
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
  // A connection waits to be accepted. `most`: how many are likely to wait and should be accepted now. If
  // some are left, this is called again.
  virtual void OnAcceptable(Listener& listener, int most) = 0;

 protected:
  ~ListenerHost() = default;
};

class Listener final : private Watcher {
 public:
  Listener(Reactor& reactor, OwnDials& own_dials, ListenerHost& host, UniqueFd fd, const NetAddress& address);
  Listener(const Listener&) = delete;
  ~Listener() { Close(); }

  // Maximum number of connections accepted in one turn, so that others get their share of it.
  static constexpr int kMostPerTurn = 64;

  // Returns 0 or a negative errno.
  int Start();
  // Whether the host is told about waiting connections, from Start on. While it is not, it has to call Again.
  void SetWatched(bool watched);
  // Calls OnAcceptable in a later turn, whether or not a connection waits.
  void Again();
  void Close();
  // Returns a connected, non-blocking, close-on-exec socket and the address it was dialled from; empty, with
  // the negative errno of accept4, if there is none.
  UniqueFd Accept(NetAddress* peer, int* error);
  // Asks the kernel whether a connection waits to be accepted.
  bool HasWaiting() const;
  // The descriptor number that the next connection would get; INT_MAX if none is left. Only while open.
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
  // The last turn in which a connection waited; how many such turns preceded it without a break; the length
  // of such a run from which more than one is accepted; and how many were accepted at most.
  uint64_t ready_turn_ = 0;
  int run_ = 0;
  int patience_ = 1;
  int most_ = 1;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_LISTENER_H_
