// The state of one Node environment (the main thread or a worker), and the state that all environments of a
// process share. The addon has no other state.
#ifndef SIDEROUTE_BINDING_INSTANCE_H_
#define SIDEROUTE_BINDING_INSTANCE_H_

#include <node_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "binding/acceptor_binding.h"
#include "binding/http_engine_binding.h"
#include "binding/outer_streams.h"
#include "net/connection.h"
#include "net/descriptor_budget.h"
#include "net/downstreams.h"
#include "net/intrusive_list.h"
#include "net/memory_guard.h"
#include "net/own_dials.h"
#include "net/reactor.h"
#include "net/worker_totals.h"
#include "upstream/retry_budget.h"

namespace sideroute {

// Outlives all environments.
struct Process {
  static Process& Get();

  OwnDials own_dials;
  // Of the environments that share limits.
  WorkerTotals totals;
  SharedReserves reserves;
};

struct Instance final : Downstreams, MemoryHolders, private TurnClient {
  Instance(std::unique_ptr<Reactor> source, uint64_t linger_ms)
      : reactor(std::move(source)),
        own_dials(Process::Get().own_dials),
        descriptors(*this),
        linger_deadlines(*reactor, linger_ms),
        lingering(*reactor),
        memory(*reactor, *this) {}
  ~Instance();

  // From now on limits are shared by this many environments, including this one. Call it once, before
  // anything is created.
  void Share(size_t workers);

  size_t connections() const override;
  bool Reserve(size_t most) override;
  void CloseIdle(size_t count) override;
  void SetCrowded(bool now_crowded) override;
  bool CloseIdleUpstream() override;

  size_t HeldBytes() const override;
  size_t BytesElsewhere() const override;
  void SetWindow(size_t bytes) override;
  void CloseIdleConnections() override;
  size_t CloseLargest(const Demand& demand) override;
  void FreeSpares() override;
  void OnMemoryLevel() override;

  // One handle scope for all decisions of a turn, whichever engines make them. Scopes must be closed in the
  // reverse order of their opening, and turns of engines do not end in that order. Returns false if no scope
  // can be opened.
  bool OpenTurnScope(napi_env env) {
    return turn_scope != nullptr || napi_open_handle_scope(env, &turn_scope) == napi_ok;
  }
  // Called at the end of the turn of the first engine: no other one makes decisions after that.
  void CloseTurnScope(napi_env env) {
    if (turn_scope != nullptr) napi_close_handle_scope(env, turn_scope);
    turn_scope = nullptr;
  }

  // Declared in the order of dependence, so that each is destroyed before what it uses.
  std::unique_ptr<Reactor> reactor;
  OwnDials& own_dials;
  // Empty: this environment is the only one.
  std::optional<WorkerShare> share;
  DescriptorBudget descriptors;
  DeadlineQueue linger_deadlines;
  ConnectionList lingering;
  MemoryGuard memory;
  // Called when requests begin or cease to be refused. Null: nobody is told.
  std::function<void(bool)> on_overload;
  IntrusiveList<AcceptorBinding> acceptors;
  IntrusiveList<HttpEngineBinding> engines;
  // Each is ended with its engine.
  std::vector<std::unique_ptr<OuterStreamsBinding>> outer_streams;
  // For engines that are created later.
  bool crowded = false;
  // Number of downstream connections that JavaScript holds.
  size_t elsewhere = 0;
  napi_handle_scope turn_scope = nullptr;

 private:
  size_t own_connections() const;
  // Publishes the figures of this environment to the others.
  void OnBatchEnd() override {}
  void OnTurnEnd() override;
  uint64_t NextDueMs() const override { return UINT64_MAX; }
  void OnTime(uint64_t) override {}
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_INSTANCE_H_
