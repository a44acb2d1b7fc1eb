// Accepts redirected connections, recovers their original destination and decides what becomes of them before
// a byte is read. Owns every connection until it ends or is handed over. Knows nothing of JavaScript.
//
//   accept -> original destination -> ourselves, or dialled by ourselves? -> closed, `loop`
//                                  -> HTTP frontend? -> Detection -> AcceptorHost, or Passthrough
//                                  -> else Passthrough
#ifndef SIDEROUTE_ACCEPT_ACCEPTOR_H_
#define SIDEROUTE_ACCEPT_ACCEPTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "accept/detection.h"
#include "accept/frontend_table.h"
#include "accept/passthrough.h"
#include "net/arrival.h"
#include "net/connection.h"
#include "net/descriptor_budget.h"
#include "net/downstreams.h"
#include "net/listener.h"
#include "net/memory_guard.h"
#include "net/net_address.h"
#include "net/own_dials.h"
#include "net/reactor.h"
#include "net/socket.h"
#include "net/state_records.h"

namespace sideroute {

class AccessLog;

struct AcceptorLimits {
  uint64_t detect_timeout_ms;
  uint64_t connect_timeout_ms;
  // Of the whole process, whoever holds them.
  size_t max_connections;
  HeadLimits head;
};

// What accepting waits for. ACCEPT_LIMITS of src/addon/binding.ts, in that order.
enum class AcceptLimit : uint8_t { kConnections, kDescriptors, kMemory };
inline constexpr std::array<const char*, 3> kAcceptLimitNames = {"connections", "descriptors", "memory"};

struct AcceptorCounters {
  uint64_t accepted = 0;
  uint64_t handed_over = 0;
  // How often each began.
  std::array<uint64_t, kAcceptLimitNames.size()> accept_pauses{};
  std::array<uint64_t, kConnectionReasonNames.size()> connections{};
  PassthroughBytes bytes;
  size_t detecting_open = 0;
  size_t tunnels_open = 0;
};

// Any call may close the acceptor, but never destroys it at once.
class AcceptorHost {
 public:
  virtual void OnHttp(UniqueFd fd, int64_t frontend, const NetAddress& destination, HeadFinding finding) = 0;
  // In its place after TakeRequests. Who does not take it closes it.
  virtual void OnRequest(Arrival arrival) = 0;
  // `error`: negative errno, or 0; -ELOOP for a connection that the addon dialled itself.
  virtual void OnDropped(ConnectionReason reason, const NetAddress& destination, int error) = 0;
  // Connections wait in the queue of the kernel until there is room.
  virtual void OnPaused(AcceptLimit limit) = 0;

 protected:
  ~AcceptorHost() = default;
};

// Disposed of through the reactor, since its own events may be on the stack.
class Acceptor final : public Disposable,
                       public ListenerHost,
                       public DetectionHost,
                       public PassthroughHost,
                       private TurnClient,
                       private Deadline {
 public:
  Acceptor(Reactor& reactor, OwnDials& own_dials, Downstreams& downstreams, DescriptorBudget& descriptors,
           const MemoryGuard& memory, AcceptorHost& host, const AcceptorLimits& limits);
  ~Acceptor() override;

  // Binds one more address, before Start. 0 or a negative errno with the name of the call that failed.
  int Bind(const NetAddress& address, const char** syscall, PortSharing sharing);
  int Start();
  void SetFrontends(FrontendTable frontends) { frontends_ = std::move(frontends); }
  // From now on the host is called with OnRequest.
  void TakeRequests() { detection_settings_.reads = true; }
  // For the guard of the memory: see MemoryHolders.
  void SetWindow(size_t bytes) { detection_settings_.window = bytes; }
  void SetAccessLog(std::shared_ptr<AccessLog> log) { log_ = std::move(log); }
  void StopAccepting();
  // Closes a few connections that only wait for a request: an acceptor of another thread has reached a limit.
  void CloseSomeIdle();
  void Close();

  // Read from connections that it holds, and not passed on.
  size_t held_bytes() const { return context_.kept_bytes; }
  // Those it holds itself.
  size_t connections() const { return detections_.size() + tunnels_.size(); }
  // The most that the process may hold, as options and descriptors allow.
  size_t max_connections() const;
  // For the guard of the memory: see MemoryHolders.
  size_t CloseLargest(MemoryHolders::Demand& demand);
  AcceptorCounters Counters() const;
  StateRecords DescribeDetections(const StateRange& range) const;
  StateRecords DescribeTunnels(const StateRange& range) const;
  const std::vector<std::unique_ptr<Listener>>& listeners() const { return listeners_; }

 private:
  void OnAcceptable(Listener& listener, int most) override;
  void OnHttp(Detection* detection, UniqueFd downstream, HeadFinding finding) override;
  void OnRequest(Detection* detection, Arrival arrival) override;
  void OnTunnel(Detection* detection, UniqueFd downstream, UniqueFd upstream, ConnectionReason reason,
                std::span<const char> read) override;
  void OnDetectionClosed(Detection* detection, int error) override;
  void OnTunnelDecided(ConnectionReason reason) override;
  void OnTunnelClosed(Passthrough* tunnel, int error) override;
  void OnTunnelAbandoned(const Passthrough& tunnel) override;
  void OnDeadline() override;
  void OnBatchEnd() override;
  void OnTurnEnd() override {}
  uint64_t NextDueMs() const override { return UINT64_MAX; }
  void OnTime(uint64_t) override {}

  void Classify(const Listener& listener, UniqueFd fd, const NetAddress& peer);
  bool IsOwnAddress(const Listener& listener, int fd, const NetAddress& destination) const;
  // How often what it is for was captured before, this time not counted; -1 for a connection of the
  // application.
  int CapturesOfOwnDial(int fd, const NetAddress& peer, const NetAddress& destination);
  struct NewTunnel {
    UniqueFd downstream;
    // Connected already; empty: to be dialled.
    UniqueFd upstream{};
    const NetAddress& destination;
    const NetAddress& peer;
    ConnectionReason reason;
    // Of a dial that is passed on, how often it has been captured.
    int captures = 0;
    // From the downstream.
    std::span<const char> read{};
  };
  void StartTunnel(NewTunnel made);
  void Drop(ConnectionReason reason, const NetAddress& destination, int error);
  // One that nothing was done for. `reset`: it was, and did not end with a FIN.
  void DropUnserved(ConnectionReason reason, const NetAddress& peer, const NetAddress& destination, int error,
                    bool reset);
  void LogTunnel(const Passthrough& tunnel, ConnectionReason reason, int error);
  bool logs() const;
  void Count(ConnectionReason reason) { ++counters_.connections[static_cast<size_t>(reason)]; }
  // For another connection; else what it has reached.
  bool HasRoom(AcceptLimit* limit) const;
  // The same, and the room is for the one that is accepted next.
  bool TakeRoom(AcceptLimit* limit);
  // Closes what only waits; true when there is room now.
  bool MakeRoom();
  void Pause(AcceptLimit limit);
  void ResumeIfPossible();
  void OnShortage();
  void SetCrowded(bool crowded);

  Reactor& reactor_;
  OwnDials& own_dials_;
  Downstreams& downstreams_;
  DescriptorBudget& descriptors_;
  const MemoryGuard& memory_;
  AcceptorHost& host_;
  const AcceptorLimits limits_;
  // Descriptor numbers from here on are left to dials, pipes and the rest of the process. Somebody may change
  // the limit of the process, so it is asked for again while accepting pauses.
  int descriptor_limit_;
  FrontendTable frontends_;
  // Null: there is none.
  std::shared_ptr<AccessLog> log_;
  AcceptorCounters counters_;
  DetectionSettings detection_settings_;
  PipePool pipes_;
  DeadlineQueue detect_deadlines_;
  DeadlineQueue connect_deadlines_;
  DeadlineQueue retry_deadlines_;
  DeadlineQueue resume_deadlines_;
  ConnectionContext context_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  ConnectionList detections_;
  ConnectionList tunnels_;
  bool accepting_ = false;
  bool paused_ = false;
  bool crowded_ = false;
  // Set once half of the descriptors have been in use: to probe earlier would make the kernel grow its table
  // for nothing.
  bool probe_descriptors_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_ACCEPTOR_H_
