// The connections of each backend: reuse, limits, and the queue of those who wait for one.
//
// Stage before: attempt, of an exchange that has its request head or of a mirror. Stage after:
// upstream_connection.
// Defaults and why: OPS section 3, items 13 and 15, and section 4.
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "http/engine_context.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "upstream/dial_plan.h"
#include "upstream/retry_budget.h"
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

  Backend& backend;
  const NetAddress address;
  // Most recently used last, which is the one to take: the others may grow old and close.
  IntrusiveList<UpstreamConnection> idle;
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
    // Index of the address to dial.
    size_t address = 0;
    bool may_reuse = true;
    // Safe to send again should a reused connection turn out to be closed.
    bool repeatable = false;
    Turn turn = Turn::kNew;
    // At the limit, one that is displaceable goes.
    bool may_displace = true;
  };
  // `connection` is set with kReused and kConnecting.
  // `idle_only`: never dials; kWait when there is nothing to reuse.
  Result Acquire(const Wish& wish, UpstreamConnection** connection, bool idle_only = false);
  // Call after kWait; the attempt is told through OnAvailable, or takes itself out of the list.
  void Wait(Attempt& attempt, Turn turn);

  // See Attempt::MakeDisplaceable.
  void MakeDisplaceable(Attempt& attempt);

  DialPlan::Facts dial_facts() const;
  // A dial has failed: whether, and after what pause, to do as `plan` says and dial again.
  bool DialAgain(DialPlan& plan, bool timed_out, uint32_t* pause_ms);
  void OnDialFailed();
  void OnConnected() { failed_dials_ = 0; }
  // Nothing has accepted for a while, though many have tried.
  bool refusing() const;

  // Back from its user; kept if it can serve another one.
  void Release(UpstreamConnection& connection);
  // Closes and disposes of a connection, with RST when `reset`.
  void Close(UpstreamConnection& connection, bool reset = false);
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

  size_t waiting() const { return waiting_.size(); }
  // Addresses in their order, then those that are none any more but still have connections.
  template <typename Visit>
  void VisitEndpoints(const Visit& visit) const {
    for (const auto* group : {&endpoints_, &retired_}) {
      for (const std::unique_ptr<Endpoint>& endpoint : *group) visit(*endpoint);
    }
  }

 private:
  Result QueueUp() const;
  UpstreamConnection* TakeIdle(const Wish& wish);
  bool DisplaceOne();
  void DropRetired();

  EngineContext& context_;
  const int32_t id_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<Endpoint>> retired_;
  IntrusiveList<Attempt> waiting_;
  IntrusiveList<Attempt, Displaceable> displaceable_;
  size_t open_ = 0;
  size_t idle_ = 0;
  size_t mirrors_ = 0;
  size_t exchanges_ = 0;
  // Dials that have failed since one succeeded, the first and the last of them.
  uint32_t failed_dials_ = 0;
  uint64_t failing_since_ms_ = 0;
  uint64_t last_failure_ms_ = 0;
  RetryBudget budget_;
  bool serving_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_POOL_H_
