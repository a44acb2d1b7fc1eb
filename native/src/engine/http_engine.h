// The HTTP engine: takes over connections, owns everything that carries their requests, and reports how much
// of it there is. Free of Node-API.
//
// Stage before: http_engine_binding. Stage after: http1/downstream, http2/downstream, outer_stream.
#ifndef SIDEROUTE_ENGINE_HTTP_ENGINE_H_
#define SIDEROUTE_ENGINE_HTTP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/outer_stream.h"
#include "exchange/exchange_pool.h"
#include "http/downstream_connection.h"
#include "http/engine_context.h"
#include "http1/readers.h"
#include "http2/connection.h"
#include "net/arrival.h"
#include "net/connection.h"
#include "net/intrusive_list.h"
#include "net/memory_guard.h"
#include "net/net_address.h"
#include "net/pipe_pool.h"
#include "net/unique_fd.h"
#include "upstream/backends.h"

namespace sideroute {

class HttpEngine final : private TurnClient, private UpstreamConnector {
 public:
  HttpEngine(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors, const MemoryGuard& memory,
             EngineHost& host, DeadlineQueue& linger_deadlines, ConnectionList& lingering,
             const EngineSettings& settings);
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;
  // Resets all connections that are left.
  ~HttpEngine();

  // Takes a connected socket whose next byte begins a request, or the HTTP/2 preface. Returns 0 or a negative
  // errno.
  int Adopt(UniqueFd fd, int32_t frontend, const NetAddress& original, bool http2 = false);
  // Takes a connection of which `first` was already read. Only within a batch.
  void Take(Arrival arrival);
  // Makes a stream for a carrier whose connections are not the engine's. The carrier owns it and must destroy
  // it before the engine.
  std::unique_ptr<OuterStream> MakeOuterStream(OuterCarrier& carrier, uint32_t number);
  // Ends the exchanges of all carriers, at once or when the batch ends.
  void CutOuterStreams();
  Backends& backends() { return backends_; }
  const Backends& backends() const { return backends_; }
  // Returns the index of the reply for decisions; replies are never removed.
  int32_t AddReply(LocalReply reply);
  void SetReasonReply(Reason reason, int32_t index);
  // Index of the reply for a reason, and the reason's index in outcomes.
  int32_t reason_reply(Reason reason) const { return context_.reason_replies[static_cast<size_t>(reason)]; }
  int32_t reply_reason(Reason reason) const {
    return context_.replies[static_cast<size_t>(reason_reply(reason))].reason;
  }
  // Tables of the route table in force, indexed by the numbers in decisions.
  SharedTable<HeaderPlan>& plans() { return context_.plans; }
  SharedTable<Policy>& policies() { return context_.policies; }
  SharedTable<MirrorGroup>& mirror_groups() { return context_.mirror_groups; }
  const SharedTable<HeaderPlan>& plans() const { return context_.plans; }
  const SharedTable<Policy>& policies() const { return context_.policies; }
  const SharedTable<MirrorGroup>& mirror_groups() const { return context_.mirror_groups; }
  // A new route table comes: all numbers given so far are void. Exchanges keep what they hold.
  void ForgetTable();
  void SetTracer(std::shared_ptr<Tracer> tracer) { context_.tracer = std::move(tracer); }
  void SetAccessLog(std::shared_ptr<RequestLog> log) { context_.log = std::move(log); }
  // Header lines to add to the response of the request that is being decided.
  std::string& decided_fields() { return context_.decided_fields; }

  // Idle connections close now, the others after their response.
  void Drain();
  // Closes up to `count` idle downstream connections, those that have been idle longest first.
  void CloseIdle(size_t count);
  // While others wait for a place, every response is the last one of its connection.
  void SetCrowded(bool crowded) {
    context_.crowded = crowded;
    if (crowded) context_.pipes->Trim();
  }
  // For the memory guard: see MemoryHolders.
  void SetWindow(size_t bytes) { context_.scratch.window = http2_.scratch.window = bytes; }
  // Subtracts the freed bytes from the demand.
  size_t CloseLargest(MemoryHolders::Demand& demand);
  void FreeSpares();
  // Resets every connection, at once or, from within a callback, when the turn ends.
  void Close();

  size_t connections() const { return downstreams_.size(); }
  // Whether there are exchanges on connections of a carrier.
  bool carries() const { return !outer_streams_.open.empty(); }
  const EngineCounters& counters() const { return context_.counters; }
  const EngineSettings& settings() const { return context_.settings; }
  // Call after something that takes time in the middle of a step.
  void ForgetMoment() { context_.moment.Forget(); }
  // Both are ordered by connection number.
  const IntrusiveList<DownstreamConnection>& downstreams() const { return downstreams_; }
  const IntrusiveList<UpstreamConnection, EveryUpstream>& upstreams() const { return backends_.open(); }
  size_t buffered_bytes() const { return context_.blocks.in_use(); }

 private:
  DownstreamConnection& Add(std::unique_ptr<DownstreamConnection> downstream);
  std::unique_ptr<UpstreamConnection> Make(Endpoint& endpoint, Protocol protocol) override;
  void OnBatchEnd() override;
  void OnTurnEnd() override { context_.host.OnTurnEnd(); }
  uint64_t NextDueMs() const override { return context_.wheel.NextDueMs(); }
  void OnTime(uint64_t now_ms) override { context_.wheel.Run(now_ms); }
  void CloseAll();
  void EndOuterStreams();
  void WakeOuterStreams();
  void ServeBackends();

  Reactor& reactor_;
  http1::Readers readers_;
  EngineContext context_;
  http2::Commons http2_;
  Backends backends_;
  ExchangePool exchanges_;
  IntrusiveList<DownstreamConnection> downstreams_;
  OuterStreams outer_streams_;
  bool cuts_outer_streams_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_HTTP_ENGINE_H_
