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
  // A connection waits. `most`: that, and as many as are likely to wait behind it, should be accepted at a
  // time. Of those that are left it hears again.
  virtual void OnAcceptable(Listener& listener, int most) = 0;

 protected:
  ~ListenerHost() = default;
};

class Listener final : private Watcher {
 public:
  Listener(Reactor& reactor, OwnDials& own_dials, ListenerHost& host, UniqueFd fd, const NetAddress& address);
  Listener(const Listener&) = delete;
  ~Listener() { Close(); }

  // The most connections that are accepted in a turn, so that others have theirs.
  static constexpr int kMostPerTurn = 64;

  // 0 or a negative errno.
  int Start();
  // Whether the host hears of connections that wait, from Start on. Meanwhile it has to call Again.
  void SetWatched(bool watched);
  // OnAcceptable in a later turn, whether or not a connection waits.
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
  // The last turn in which a connection waited, how many came before it without a break, how many of those it
  // takes to look for a second one, and how many were accepted at most.
  uint64_t ready_turn_ = 0;
  int run_ = 0;
  int patience_ = 1;
  int most_ = 1;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_LISTENER_H_
