// An engine between ends that a test holds, on a loop that it turns and a clock that it sets: hours of
// timeouts pass in no time, and nothing happens before the test says so. The ends are sockets on loopback, so
// that a FIN is a FIN and a reset is a reset.
#ifndef SIDEROUTE_TEST_ENGINE_STAGE_H_
#define SIDEROUTE_TEST_ENGINE_STAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http_engine.h"
#include "net/connection.h"
#include "net/descriptor_budget.h"
#include "net/memory_guard.h"
#include "net/own_dials.h"
#include "nobody.h"
#include "scripted_loop.h"

namespace sideroute::test {

// Answers what it is told to, and notes what it hears.
struct ScriptedHost final : EngineHost {
  bool Decide(int32_t frontend, const http::RequestHead& head, Decision* decided) override;
  void OnOutcome(const OutcomeRecord& outcome) override {
    outcomes.push_back(outcome);
    if (then) then();
  }
  void OnMirror(int32_t, MirrorResult result) override { mirrors.push_back(result); }
  void OnRefused(int32_t, int32_t reason) override {
    refused.push_back(reason);
    if (then) then();
  }
  void OnTurnEnd() override {}

  // What JavaScript does when it is told: it may call the engine from within.
  std::function<void()> then;
  Decision decision;
  bool works = true;
  int asked = 0;
  std::vector<OutcomeRecord> outcomes;
  std::vector<MirrorResult> mirrors;
  std::vector<int32_t> refused;
};

// The other end of a connection of the engine.
class End {
 public:
  explicit End(UniqueFd fd);

  void Send(std::string_view bytes);
  // As much as the kernel takes: how much.
  size_t SendSome(std::string_view bytes);
  // With the urgent pointer of TCP at it.
  void SendUrgent(char byte);
  // FIN; receiving goes on.
  void Finish();
  void Reset();
  // Reads what there is, unless told not to.
  void Look();

  std::string received;
  bool fin = false;
  bool reset = false;
  bool reads = true;
  bool ended() const { return fin || reset; }

 private:
  UniqueFd fd_;
};

class Stage {
 public:
  explicit Stage(const EngineSettings& settings = {});
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  // A connection of an application. `http2`: it will begin with the preface.
  End& Connect(bool http2 = false);
  // One that has come with its first bytes, and of which the kernel has not been asked to tell.
  End& Arrive(std::string_view first);
  // By now it has, of the one that has arrived last.
  bool TellsOfArrival() const;
  // The next connection that the engine has made to the backend, or to another listener.
  End& Accepted() { return AcceptedAt(backend_); }
  End& Mirrored() { return AcceptedAt(mirror_); }
  // One that is there already; null: none is.
  End* AcceptedAlready();
  // One request sent, and received by the backend.
  struct Pair {
    End& client;
    End& upstream;
  };
  Pair Exchange(std::string_view request);
  // Nothing listens for the backend any more.
  void Refuse() { backend_.Reset(); }

  // Turns the loop until it holds; the clock stands still.
  bool Until(const std::function<bool()>& condition);
  bool Receives(End& end, std::string_view text);
  bool Ends(End& end);
  bool Reports(size_t outcomes);
  // So many milliseconds go by. What has happened so far is served first.
  void Pass(uint64_t ms);

  void SetPolicy(const Policy& policy);
  // To the other listener.
  void SetMirror();
  // Requests in the queue of the backend.
  size_t Waiting() const { return engine->backends().Find(0)->waiting(); }
  // Of the last outcome: the reason's name, or the empty string.
  std::string_view LastReason() const;
  OutcomeRecord Last() const { return host.outcomes.empty() ? OutcomeRecord{} : host.outcomes.back(); }

  ScriptedLoop loop;
  ScriptedHost host;
  std::unique_ptr<HttpEngine> engine;

 private:
  End& AcceptedAt(const UniqueFd& listener);
  void Settle();

  std::unique_ptr<Reactor> reactor_;
  Nobody nobody_;
  OwnDials own_dials_;
  std::unique_ptr<DescriptorBudget> descriptors_;
  std::unique_ptr<MemoryGuard> memory_;
  std::unique_ptr<DeadlineQueue> linger_deadlines_;
  std::unique_ptr<ConnectionList> lingering_;
  // Each written by who listens.
  NetAddress front_address_, backend_address_, mirror_address_;
  UniqueFd front_, backend_, mirror_;
  std::vector<std::unique_ptr<End>> ends_;
  // The number of its descriptor.
  int arrived_ = -1;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_ENGINE_STAGE_H_
