// The state of one Node environment (the main thread, or a worker), and what there is of it once in a
// process, for all of them. There is no other state in the addon.
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

// Outlives every environment.
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

  // From now on limits are those of so many environments, this one included. Once, before anything is made.
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

  // One scope for all decisions of a turn, whichever engines are asked: scopes end in the opposite order of
  // their beginnings, and turns of engines do not. False when there can be none.
  bool OpenTurnScope(napi_env env) {
    return turn_scope != nullptr || napi_open_handle_scope(env, &turn_scope) == napi_ok;
  }
  // At the end of the turn of the first engine: no other one decides any more.
  void CloseTurnScope(napi_env env) {
    if (turn_scope != nullptr) napi_close_handle_scope(env, turn_scope);
    turn_scope = nullptr;
  }

  // Declared in the order of dependence: each is gone before what it uses.
  std::unique_ptr<Reactor> reactor;
  OwnDials& own_dials;
  // None: this environment is the only one.
  std::optional<WorkerShare> share;
  DescriptorBudget descriptors;
  DeadlineQueue linger_deadlines;
  ConnectionList lingering;
  MemoryGuard memory;
  // Told when requests begin, or cease, to be refused. Null: nobody.
  std::function<void(bool)> on_overload;
  IntrusiveList<AcceptorBinding> acceptors;
  IntrusiveList<HttpEngineBinding> engines;
  // Each ends with its engine.
  std::vector<std::unique_ptr<OuterStreamsBinding>> outer_streams;
  // For engines that are made later.
  bool crowded = false;
  // Downstream connections that JavaScript holds.
  size_t elsewhere = 0;
  napi_handle_scope turn_scope = nullptr;

 private:
  size_t own_connections() const;
  // Says what there is now to the other environments.
  void OnBatchEnd() override {}
  void OnTurnEnd() override;
  uint64_t NextDueMs() const override { return UINT64_MAX; }
  void OnTime(uint64_t) override {}
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_INSTANCE_H_
