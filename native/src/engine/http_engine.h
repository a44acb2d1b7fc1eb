// The HTTP/1.x engine: takes connections over, owns everything that carries their requests, and says how much
// of it there is. Free of Node-API.
//
// Stage before: http_engine_binding. Stage after: downstream_connection.
#ifndef SIDEROUTE_ENGINE_HTTP_ENGINE_H_
#define SIDEROUTE_ENGINE_HTTP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exchange/mirror.h"
#include "http/engine_context.h"
#include "http1/downstream_connection.h"
#include "net/arrival.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "net/unique_fd.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

class HttpEngine final : private TurnClient {
 public:
  HttpEngine(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors, const MemoryGuard& memory,
             EngineHost& host, DeadlineQueue& linger_deadlines, ConnectionList& lingering,
             const EngineSettings& settings);
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;
  // Resets what is left.
  ~HttpEngine();

  // A connected socket whose next byte begins a request. 0 or a negative errno.
  int Adopt(UniqueFd fd, int32_t frontend, const NetAddress& original);
  // One that has begun with `first`. Within a batch.
  void Take(Arrival arrival);
  // Creates the backend with its first addresses.
  void SetBackend(uint32_t id, const std::vector<NetAddress>& addresses);
  // False, and nothing is done, when something in progress needs it.
  bool DropBackend(int32_t id);
  // Index of the reply, for decisions; replies are never taken back.
  int32_t AddReply(LocalReply reply);
  void SetReasonReply(Reason reason, int32_t index);
  // What the route table in force has, by the numbers in decisions.
  SharedTable<HeaderPlan>& plans() { return context_.plans; }
  SharedTable<Policy>& policies() { return context_.policies; }
  SharedTable<MirrorGroup>& mirror_groups() { return context_.mirror_groups; }
  const SharedTable<HeaderPlan>& plans() const { return context_.plans; }
  const SharedTable<Policy>& policies() const { return context_.policies; }
  const SharedTable<MirrorGroup>& mirror_groups() const { return context_.mirror_groups; }
  // There is another route table: numbers given so far are void. Exchanges keep what they have.
  void ForgetTable();
  void SetAccessLog(std::shared_ptr<AccessLog> log) { context_.log = std::move(log); }
  // Lines for the head of the reply or response to the request that is being decided.
  std::string& decided_fields() { return context_.decided_fields; }

  // Idle connections close now, the others with their response.
  void Drain();
  // Closes up to `count` downstream connections that have waited for a request for a while, those first that
  // have waited longest.
  void CloseIdle(size_t count);
  // While others wait for a place, a response is the last one of its connection.
  void SetCrowded(bool crowded) { context_.crowded = crowded; }
  // One of any backend; false when there is none.
  bool CloseIdleUpstream();
  // For the guard of the memory: see MemoryHolders.
  void SetWindow(size_t bytes) { context_.scratch.window = bytes; }
  size_t CloseLargest(const MemoryHolders::Demand& demand);
  void FreeSpares();
  // Resets every connection, at once or, from within a callback, when the turn ends.
  void Close();

  size_t connections() const { return downstreams_.size(); }
  const EngineCounters& counters() const { return context_.counters; }
  const EngineSettings& settings() const { return context_.settings; }
  // By id, then those of original destinations. Only those that some request was for.
  template <typename Visit>
  void VisitBackends(const Visit& visit) const {
    for (const auto& backend : backends_) {
      if (backend != nullptr) visit(*backend);
    }
    for (const auto& [address, backend] : originals_) visit(*backend);
  }
  // Both in the order of their numbers.
  const IntrusiveList<Downstream>& downstreams() const { return downstreams_; }
  const UpstreamList& upstreams() const { return context_.upstreams; }
  size_t buffered_bytes() const { return context_.blocks.in_use(); }

  // For the parts of the engine.
  Exchange* TakeExchange();
  void GiveExchange(Exchange* exchange) { free_exchanges_.emplace_back(exchange); }
  Mirror* TakeMirror();
  void AddMirror(Mirror& mirror) { mirrors_.PushBack(&mirror); }
  void GiveMirror(Mirror& mirror);
  // Null when there is none of that id.
  Backend* FindBackend(int32_t id);
  Backend* OriginalBackend(const NetAddress& address);
  // `fields`: lines of this reply alone.
  void WriteReply(const LocalReply& reply, std::string_view fields, ConnectionField connection,
                  bool with_body, ByteBuffer& out);

 private:
  Downstream& Add(std::unique_ptr<Downstream> downstream);
  void OnBatchEnd() override;
  void OnTurnEnd() override { context_.host.OnTurnEnd(); }
  uint64_t NextDueMs() const override { return context_.wheel.NextDueMs(); }
  void OnTime(uint64_t now_ms) override { context_.wheel.Run(now_ms); }
  void CloseAll();
  void ServeBackends();

  Reactor& reactor_;
  EngineContext context_;
  // Original destinations are few: those of connections that were routed and are not any more. Beyond this
  // many, those that nobody uses go.
  static constexpr size_t kMaxOriginals = 64;

  std::vector<std::unique_ptr<Backend>> backends_;
  std::unordered_map<NetAddress, std::unique_ptr<Backend>, NetAddressHash> originals_;
  IntrusiveList<Downstream> downstreams_;
  // The others belong to their downstream connections, or are in the list of mirrors, and come back.
  std::vector<std::unique_ptr<Exchange>> free_exchanges_;
  std::vector<std::unique_ptr<Mirror>> free_mirrors_;
  IntrusiveList<Mirror> mirrors_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_HTTP_ENGINE_H_
