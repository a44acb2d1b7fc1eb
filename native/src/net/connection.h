// What all connections of the acceptor have in common: one object per connection, owned by one list, on one
// loop.
#ifndef SIDEROUTE_NET_CONNECTION_H_
#define SIDEROUTE_NET_CONNECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/downstreams.h"
#include "net/intrusive_list.h"
#include "net/own_dials.h"
#include "net/pipe_pool.h"
#include "net/reactor.h"

namespace sideroute {

// Why a connection is tunnelled or dropped; in the order of CONNECTION_REASONS in src/errors.ts.
enum class ConnectionReason : uint8_t {
  kUnrouted,
  kOpaque,
  kTls,
  kNotHttp,
  kServerFirst,
  kOwnDial,
  kLoop,
  kConnectFailure,
  kAcceptLimit,
  kOverload,
};
inline constexpr std::array<const char*, 10> kConnectionReasonNames = {
    "unrouted", "opaque",          "tls",          "not_http", "server_first", "own_dial",
    "loop",     "connect_failure", "accept_limit", "overload"};

// One stage in the life of a connection (detection, passthrough, lingering close). A stage ends by handing
// its descriptors to the next stage and disposing of itself.
class Connection : public Disposable, public ListNode<Connection> {
 public:
  // Unwatches and closes what the stage still owns (the downstream with RST), and reports nothing.
  virtual void Abandon() = 0;
  // Bytes that were read and not passed on; with `sockets`, those the kernel holds too.
  virtual size_t HeldBytes(bool sockets) const = 0;

  // Increases from one connection of a list to the next.
  uint64_t number() const { return number_; }
  uint64_t since_ms() const { return since_ms_; }

 private:
  friend class ConnectionList;
  uint64_t number_ = 0;
  uint64_t since_ms_ = 0;
};

// Owns its connections.
class ConnectionList {
 public:
  explicit ConnectionList(Reactor& reactor) : reactor_(reactor) {}
  ~ConnectionList() { Clear(); }

  size_t size() const { return connections_.size(); }
  void Add(std::unique_ptr<Connection> connection) {
    connection->number_ = ++last_number_;
    connection->since_ms_ = reactor_.NowMs();
    connections_.PushBack(connection.release());
  }
  // The object lives until the batch ends, so a stage may remove itself.
  void Remove(Connection* connection) {
    connection->Unlink();
    reactor_.Dispose(std::unique_ptr<Disposable>(connection));
  }
  const IntrusiveList<Connection>& connections() const { return connections_; }
  void Clear() {
    while (Connection* connection = connections_.Front()) {
      connection->Abandon();
      Remove(connection);
    }
  }

 private:
  Reactor& reactor_;
  IntrusiveList<Connection> connections_;
  uint64_t last_number_ = 0;
};

// What the connections of one acceptor share. It outlives them.
struct ConnectionContext {
  Reactor& reactor;
  OwnDials& own_dials;
  Downstreams& downstreams;
  PipePool& pipes;
  DeadlineQueue& detect_deadlines;
  DeadlineQueue& connect_deadlines;
  // A short deadline, for another try after the process had no free descriptor.
  DeadlineQueue& retry_deadlines;
  // Bytes that were read from connections and are held here.
  size_t kept_bytes = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_CONNECTION_H_
