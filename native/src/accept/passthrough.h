// A TCP tunnel between a downstream and its original destination. Stage before: acceptor or detection.
//
//   dialling --connected--> splicing --both directions ended--> closed
//      |                        |
//      +-- failed: downstream reset        +-- either side reset: the other is reset
//
// Bytes move by splice(2), socket to pipe to socket, and never enter the process. Each direction refills its
// pipe only when it is empty: a stalled receiver bounds what is in flight to one pipe beside the two socket
// buffers. An urgent byte, at which splice stops, goes on as one by itself.
#ifndef SIDEROUTE_ACCEPT_PASSTHROUGH_H_
#define SIDEROUTE_ACCEPT_PASSTHROUGH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/connection.h"
#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

class Passthrough;
class StateRecords;

// Totals over all tunnels of an acceptor.
struct PassthroughBytes {
  uint64_t upstream = 0;
  uint64_t downstream = 0;
};

class PassthroughHost {
 public:
  // The tunnel stands, or its downstream left before it did.
  virtual void OnTunnelDecided(ConnectionReason reason) = 0;
  // Last call about `tunnel`, which has closed its sockets. `error`: 0 for an orderly end or a reset passed
  // through, else the negative errno of the failed dial.
  virtual void OnTunnelClosed(Passthrough* tunnel, int error) = 0;
  // It was cut short by its owner.
  virtual void OnTunnelAbandoned(const Passthrough& tunnel) = 0;

 protected:
  ~PassthroughHost() = default;
};

class Passthrough final : public Connection, private Deadline {
 public:
  Passthrough(ConnectionContext& context, PassthroughHost& host, PassthroughBytes& bytes, UniqueFd downstream,
              const NetAddress& destination, ConnectionReason reason);
  Passthrough(const Passthrough&) = delete;

  // What was read from the downstream already: the upstream gets it first. Before Dial.
  void SetRead(std::span<const char> read);
  // Dials the destination. `captures`: see OwnDials.
  void Dial(int captures);
  // Tunnels to an upstream that is connected already.
  void Adopt(UniqueFd upstream);
  void Abandon() override;
  size_t HeldBytes(bool sockets) const override;
  // Resets both sides, without a word to the host.
  void Shed() { CloseSides(true); }

  const NetAddress& destination() const { return destination_; }
  void Describe(StateRecords& records) const;
  ConnectionReason reason() const { return reason_; }
  // For the access log.
  void SetPeer(const NetAddress& peer) { peer_ = peer; }
  const NetAddress& peer() const { return peer_; }
  uint64_t started_ns() const { return started_ns_; }
  uint64_t bytes_upstream() const { return up_.moved; }
  uint64_t bytes_downstream() const { return down_.moved; }
  bool reset() const { return reset_; }

 private:
  struct Side final : Watcher {
    explicit Side(Passthrough& tunnel) : tunnel(tunnel) {}
    void OnReady(uint32_t events) override { tunnel.OnSideReady(*this, events); }

    Passthrough& tunnel;
    UniqueFd fd;
    // What the last event said and no EAGAIN has taken back.
    bool readable = false;
    bool writable = false;
    bool failed = false;
    // An urgent byte has come, and may not have been passed on.
    bool urgent = false;
  };

  struct Flow {
    Side& from;
    Side& to;
    uint64_t& total;
    Pipe pipe;
    size_t buffered = 0;
    // What does not come through the pipe, and goes before it.
    std::vector<char> ahead{};
    uint64_t moved = 0;
    bool source_ended = false;
    // FIN passed on: nothing more will happen in this direction.
    bool ended = false;
  };

  // `kMore`: until its next turn.
  enum class Pumped : uint8_t { kWaiting, kMore, kFailed };

  void OnSideReady(Side& side, uint32_t events);
  void OnDeadline() override;
  void OnConnectResult(int error);
  void Established();
  void PumpBoth();
  Pumped Pump(Flow& flow);
  Pumped Flush(Flow& flow);
  Pumped FlushAhead(Flow& flow);
  Pumped PassUrgent(Flow& flow);
  void Count(Flow& flow, size_t moved);
  void FailDial(int error);
  void CloseSides(bool reset);
  void Finish(bool reset, int error);

  ConnectionContext& context_;
  PassthroughHost& host_;
  const NetAddress destination_;
  const ConnectionReason reason_;
  const uint64_t started_ns_;
  NetAddress peer_;
  bool dialling_ = true;
  bool reset_ = false;
  // Has the share of the next turn first.
  bool down_first_ = false;
  Share share_;
  Side downstream_;
  Side upstream_;
  Flow up_;
  Flow down_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_PASSTHROUGH_H_
