// The connections of each backend, which lend streams: reuse, limits, and the queue of those who wait for
// one.
//
// Stage before: attempt, of an exchange that has its request head or of a mirror. Stage after:
// upstream_connection.
//
// A connection of HTTP/1 has one stream. It is lent to one user at a time, the one that was used last first:
// the others may grow old and close. One of HTTP/2 has many, and streams are spread: kube-proxy chooses an
// endpoint for each connection, so that a single one would hold all requests of an application to one pod.
// The first few requests dial, the others go where the fewest streams are, some of a burst together, and
// where no connection has room another one is dialled. Each of them is replaced before long (replacing.cc).
// Defaults are those of EngineSettings.
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

// In the list of attempts that are the first to go at the limit; the other list they are in is that of those
// who wait.
struct Displaceable;

// One address of a backend.
struct Endpoint {
  Endpoint(Backend& backend, const NetAddress& address) : backend(backend), address(address) {}

  // Connections that can lend a stream now, of each protocol. The one that has lent last is the last.
  using Lenders = std::array<IntrusiveList<UpstreamConnection>, kProtocols>;

  IntrusiveList<UpstreamConnection>& lenders_of(Protocol protocol) {
    return lenders[static_cast<size_t>(protocol)];
  }
  // Those of which nobody has a stream.
  size_t idle() const;

  Backend& backend;
  const NetAddress address;
  Lenders lenders;
  size_t open = 0;
  // Of those open.
  size_t connecting = 0;
  // Totals. `requests`: how often one that stood was given to somebody, further attempts and mirrors
  // included.
  uint64_t connects = 0;
  uint64_t connect_failures = 0;
  uint64_t requests = 0;
  // No longer an address of the backend; goes with its last connection.
  bool retired = false;
};

class Backend final : public Disposable {
 public:
  enum class Result : uint8_t { kReused, kConnecting, kConnectFailed, kWait, kOverflow, kNoAddress };

  // The id of a backend that is an original destination.
  static constexpr int32_t kOriginal = -1;

  Backend(EngineContext& context, int32_t id);
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  ~Backend() override;

  int32_t id() const { return id_; }
  // In order of preference. Connections to addresses that stay are kept.
  void SetAddresses(const std::vector<NetAddress>& addresses);
  size_t address_count() const { return endpoints_.size(); }

  // Whether somebody has to wait behind those who wait already.
  enum class Turn : uint8_t {
    // Comes now, or comes back with another attempt: at the end of the queue.
    kNew,
    // Was served, but its dial failed and it has paused: at the head of the queue.
    kAgain,
    // Was served, and takes the place that its failed dial has just left.
    kSame,
    // Is served out of the queue.
    kServed,
  };
  struct Wish {
    StreamUser* user;
    Protocol protocol = Protocol::kHttp1;
    // Index of the address to dial.
    size_t address = 0;
    bool may_reuse = true;
    // Safe to send again should a reused connection turn out to be closed.
    bool repeatable = false;
    Turn turn = Turn::kNew;
    // At the limit, one that is displaceable goes.
    bool may_displace = true;
  };
  struct Loan {
    UpstreamConnection* connection = nullptr;
    UpstreamStream* stream = nullptr;
  };
  // `loan` is set with kReused and kConnecting: the stream's connection stands, or does not yet.
  // `idle_only`: never dials; kWait when there is nothing to reuse.
  Result Acquire(const Wish& wish, Loan* loan, bool idle_only = false);
  // Call after kWait; the attempt is told through OnAvailable, or takes itself out of the list.
  void Wait(Attempt& attempt, Protocol protocol, Turn turn);

  // What it speaks; empty: what the caller speaks.
  void SetProtocol(std::optional<Protocol> protocol) { protocol_ = protocol; }
  Protocol ProtocolFor(Protocol callers) const { return protocol_.value_or(callers); }

  // See Attempt::MakeDisplaceable.
  void MakeDisplaceable(Attempt& attempt);

  DialPlan::Facts dial_facts() const;
  // A dial has failed: whether, and after what pause, to do as `plan` says and dial again.
  bool DialAgain(DialPlan& plan, bool timed_out, uint32_t* pause_ms);
  void OnDialFailed();
  void OnConnected(UpstreamConnection& connection);
  // Nothing has accepted for a while, though many have tried.
  bool refusing() const;

  // A stream comes back. Its connection is kept if it can serve others, and while it does.
  void GiveBack(UpstreamConnection& connection, UpstreamStream& stream, GivenBack how, StreamError why);
  // See UpstreamConnection::Drain.
  void Drain(UpstreamConnection& connection);
  // The number of streams that the connection may lend has changed.
  void OnLimit(UpstreamConnection& connection);
  RetryBudget& budget() { return budget_; }
  // Mirrors under way.
  size_t mirrors() const { return mirrors_; }
  // However few connections there may be, half of them are left to requests.
  size_t max_mirrors() const {
    return std::min(context_.settings.max_mirrors, context_.settings.max_upstream_connections / 2);
  }
  void AddMirror(int change) { mirrors_ += static_cast<size_t>(change); }

  // Exchanges that are decided to go here.
  void AddExchange(int change) { exchanges_ += static_cast<size_t>(change); }
  // Closes what is idle. False, and nothing is done, when something in progress goes here.
  bool Retire();

  // At the end of a turn.
  void ServeWaiting();
  void CloseIdle();
  // The oldest; false when there is none.
  bool CloseOneIdle();

  size_t waiting() const {
    size_t all = 0;
    for (const auto& list : waiting_) all += list.size();
    return all;
  }
  // Addresses in their order, then those that are none any more but still have connections.
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
  // `standing`: of a connection that stands.
  bool LendOne(const Wish& wish, Loan* loan, bool standing);
  Result Dial(const Wish& wish, Loan* loan);
  bool DisplaceOne();
  // Whether some of those who wait may come by a stream.
  bool CanServe(Protocol protocol) const;
  bool Spreads(const Wish& wish) const;
  // Starts to connect. Null: that has failed already.
  UpstreamConnection* Begin(Endpoint& endpoint, Protocol protocol);
  // Keeps one that has no streams for others.
  void Pool(UpstreamConnection& connection);
  // See replacing.cc.
  void LookAt(UpstreamConnection& lender);
  void NoteGone(UpstreamConnection& connection);
  // Those that are dialled for nobody; how many.
  size_t CloseSuccessors(bool only_count);
  void NoteLent(UpstreamConnection& connection);
  void Close(UpstreamConnection& connection, bool reset = false);
  void CountOut(UpstreamConnection& connection);
  void DropRetired();

  EngineContext& context_;
  const int32_t id_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<Endpoint>> retired_;
  // By what they speak: one connection's room is not another's.
  std::array<Waiting, kProtocols> waiting_;
  IntrusiveList<Attempt, Displaceable> displaceable_;
  std::optional<Protocol> protocol_;
  size_t open_ = 0;
  size_t idle_ = 0;
  // Connections with many streams that lend, or will when some come back; and all that are open.
  size_t shared_ = 0;
  size_t shared_open_ = 0;
  // Dialled for nobody, and not there yet.
  size_t successors_ = 0;
  // One of them has failed, and another one is not tried before.
  uint64_t replaces_from_ms_ = 0;
  Turnover turnover_;
  size_t mirrors_ = 0;
  size_t exchanges_ = 0;
  // Dials that have failed since one succeeded, the first and the last of them.
  uint32_t failed_dials_ = 0;
  uint64_t failing_since_ms_ = 0;
  uint64_t last_failure_ms_ = 0;
  RetryBudget budget_;
  bool serving_ = false;
  bool http1_first_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_
