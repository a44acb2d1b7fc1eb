// The connections of each backend, which lend streams: reuse, limits, and the queue of attempts that wait.
//
// Stage before: attempt, of a mirror or of an exchange that has its request head. Stage after:
// upstream_connection.
//
// An HTTP/1 connection has one stream and one user at a time. The connection used last is lent first, so that
// the others can grow old and close. An HTTP/2 connection has many streams, and streams are spread over
// several connections: kube-proxy chooses an endpoint for each connection, so a single one would send all
// requests of an application to one pod. The first few requests dial. Later ones go to the connection with
// the fewest streams, some of a burst together; if all are full, another one is dialled. Each connection is
// replaced after a while (replacing.cc). For the defaults see EngineSettings.
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "http/engine_context.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "upstream/dial_plan.h"
#include "upstream/retry_budget.h"
#include "upstream/turnover.h"
#include "upstream/upstream_connection.h"

namespace sideroute {

class Attempt;
class Backend;

// Tag for the list of attempts that are ended first at the limit; the untagged list is that of waiting
// attempts.
struct Displaceable;

// One address of a backend.
struct Endpoint {
  Endpoint(Backend& backend, const NetAddress& address) : backend(backend), address(address) {}

  // Connections that can lend a stream now, for each protocol. The one that has lent last is at the end.
  using Lenders = std::array<IntrusiveList<UpstreamConnection>, kProtocols>;

  IntrusiveList<UpstreamConnection>& lenders_of(Protocol protocol) {
    return lenders[static_cast<size_t>(protocol)];
  }
  // Number of connections without a lent stream.
  size_t idle() const;

  Backend& backend;
  const NetAddress address;
  Lenders lenders;
  size_t open = 0;
  // The part of `open` that is still connecting.
  size_t connecting = 0;
  // Totals. `requests`: how often an established connection was lent, retries and mirrors included.
  uint64_t connects = 0;
  uint64_t connect_failures = 0;
  uint64_t requests = 0;
  // No longer an address of the backend; removed with its last connection.
  bool retired = false;
};

class Backend final : public Disposable {
 public:
  enum class Result : uint8_t { kReused, kConnecting, kConnectFailed, kWait, kOverflow, kNoAddress };

  // The id of a backend that stands for an original destination.
  static constexpr int32_t kOriginal = -1;

  Backend(EngineContext& context, int32_t id);
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  ~Backend() override;

  int32_t id() const { return id_; }
  // In order of preference. Connections to addresses that stay in the list are kept.
  void SetAddresses(const std::vector<NetAddress>& addresses);
  size_t address_count() const { return endpoints_.size(); }

  // The place of an attempt in relation to those that wait already.
  enum class Turn : uint8_t {
    // New, or back with another attempt: at the end of the queue.
    kNew,
    // Was served, but its dial failed and it has paused: at the head of the queue.
    kAgain,
    // Was served, and takes the place that its failed dial has just left.
    kSame,
    // Is being served from the queue.
    kServed,
  };
  struct Wish {
    StreamUser* user;
    Protocol protocol = Protocol::kHttp1;
    // Index of the address to dial.
    size_t address = 0;
    bool may_reuse = true;
    // The request is safe to send again if a reused connection turns out to be closed.
    bool repeatable = false;
    Turn turn = Turn::kNew;
    // At the limit, a displaceable attempt is ended in favour of this one.
    bool may_displace = true;
  };
  struct Loan {
    UpstreamConnection* connection = nullptr;
    UpstreamStream* stream = nullptr;
  };
  // `loan` is set for kReused (established) and kConnecting (not yet). `idle_only`: never dials; kWait if
  // there is nothing to reuse.
  Result Acquire(const Wish& wish, Loan* loan, bool idle_only = false);
  // Call after kWait. The attempt is told through OnAvailable, or removes itself from the list.
  void Wait(Attempt& attempt, Protocol protocol, Turn turn);

  // The protocol of the backend; empty: that of the caller.
  void SetProtocol(std::optional<Protocol> protocol) { protocol_ = protocol; }
  Protocol ProtocolFor(Protocol callers) const { return protocol_.value_or(callers); }

  // See Attempt::MakeDisplaceable.
  void MakeDisplaceable(Attempt& attempt);

  DialPlan::Facts dial_facts() const;
  // A dial has failed. Returns whether to dial again, and after what pause, as `plan` says.
  bool DialAgain(DialPlan& plan, bool timed_out, uint32_t* pause_ms);
  void OnDialFailed();
  void OnConnected(UpstreamConnection& connection);
  // No dial has succeeded for a while, although many were made.
  bool refusing() const;

  // A stream comes back. Its connection is kept if it can serve other requests.
  void GiveBack(UpstreamConnection& connection, UpstreamStream& stream, GivenBack how, StreamError why);
  // See UpstreamConnection::Drain.
  void Drain(UpstreamConnection& connection);
  // The number of streams that the connection may lend has changed.
  void OnLimit(UpstreamConnection& connection);
  RetryBudget& budget() { return budget_; }
  // Number of mirrors in progress.
  size_t mirrors() const { return mirrors_; }
  // However few connections are allowed, half of them are left to requests.
  size_t max_mirrors() const {
    return std::min(context_.settings.max_mirrors, context_.settings.max_upstream_connections / 2);
  }
  void AddMirror(int change) { mirrors_ += static_cast<size_t>(change); }

  // Counts exchanges that were decided to go here.
  void AddExchange(int change) { exchanges_ += static_cast<size_t>(change); }
  // Closes idle connections. Returns false and does nothing if something in progress uses the backend.
  bool Retire();

  // Called at the end of a turn.
  void ServeWaiting();
  void CloseIdle();
  // Closes the oldest idle connection; returns false if there is none.
  bool CloseOneIdle();

  size_t waiting() const {
    size_t all = 0;
    for (const auto& list : waiting_) all += list.size();
    return all;
  }
  // Current addresses in their order, then former ones that still have connections.
  template <typename Visit>
  void VisitEndpoints(const Visit& visit) const {
    for (const auto* group : {&endpoints_, &retired_}) {
      for (const std::unique_ptr<Endpoint>& endpoint : *group) visit(*endpoint);
    }
  }

 private:
  using Waiting = IntrusiveList<Attempt>;

  Waiting& waiting_for(Protocol protocol) { return waiting_[static_cast<size_t>(protocol)]; }
  bool anybody_waits() const { return !waiting_[0].empty() || !waiting_[1].empty(); }
  Result QueueUp() const;
  // `standing`: only a connection that is established.
  bool LendOne(const Wish& wish, Loan* loan, bool standing);
  Result Dial(const Wish& wish, Loan* loan);
  bool DisplaceOne();
  // Whether some of the waiting attempts could get a stream.
  bool CanServe(Protocol protocol) const;
  bool Spreads(const Wish& wish) const;
  // Starts to connect. Returns null if that failed at once.
  UpstreamConnection* Begin(Endpoint& endpoint, Protocol protocol);
  // Keeps a connection without streams for other requests.
  void Pool(UpstreamConnection& connection);
  // See replacing.cc.
  void LookAt(UpstreamConnection& lender);
  void NoteGone(UpstreamConnection& connection);
  // Closes the connections dialled for nobody, or only counts them; returns their number.
  size_t CloseSuccessors(bool only_count);
  void NoteLent(UpstreamConnection& connection);
  void Close(UpstreamConnection& connection, bool reset = false);
  void CountOut(UpstreamConnection& connection);
  void DropRetired();

  EngineContext& context_;
  const int32_t id_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<Endpoint>> retired_;
  // By protocol, because room on a connection of one is none for the other.
  std::array<Waiting, kProtocols> waiting_;
  IntrusiveList<Attempt, Displaceable> displaceable_;
  std::optional<Protocol> protocol_;
  size_t open_ = 0;
  size_t idle_ = 0;
  // Connections with many streams that lend or will lend again, and all that are open.
  size_t shared_ = 0;
  size_t shared_open_ = 0;
  // Connections dialled for nobody that are not established yet.
  size_t successors_ = 0;
  // After one of them failed: the time before which no other is tried.
  uint64_t replaces_from_ms_ = 0;
  Turnover turnover_;
  size_t mirrors_ = 0;
  size_t exchanges_ = 0;
  // Number of dials that have failed since the last success, and the times of the first and the last.
  uint32_t failed_dials_ = 0;
  uint64_t failing_since_ms_ = 0;
  uint64_t last_failure_ms_ = 0;
  RetryBudget budget_;
  bool serving_ = false;
  bool http1_first_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_
