// An engine between ends held by a test, on a loop that the test turns and a clock that it sets: hours of
// timeouts pass at once, and nothing happens before the test says so. The ends are sockets on loopback, so
// FINs and resets are real.
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

// Gives the answers it was set to give, and records what it is told.
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

  // Called when JavaScript would be told; it may call the engine.
  std::function<void()> then;
  Decision decision;
  bool works = true;
  int asked = 0;
  std::vector<OutcomeRecord> outcomes;
  std::vector<MirrorResult> mirrors;
  std::vector<int32_t> refused;
};

// The other end of one of the engine's connections.
class End {
 public:
  explicit End(UniqueFd fd);

  void Send(std::string_view bytes);
  // Sends as much as the kernel takes; returns the number of bytes.
  size_t SendSome(std::string_view bytes);
  // Sends the byte as TCP urgent data.
  void SendUrgent(char byte);
  // Sends FIN; receiving goes on.
  void Finish();
  void Reset();
  // Reads what has arrived, unless `reads` is false.
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

  // A connection of an application. `http2`: it will begin with the HTTP/2 preface.
  End& Connect(bool http2 = false);
  // A connection that arrives with its first bytes, and that is not in the epoll instance yet.
  End& Arrive(std::string_view first);
  // True if the connection that arrived last is in the epoll instance.
  bool TellsOfArrival() const;
  // The next connection of the engine to the backend, or to the mirror listener.
  End& Accepted() { return AcceptedAt(backend_); }
  End& Mirrored() { return AcceptedAt(mirror_); }
  // A connection that was accepted already; null if there is none.
  End* AcceptedAlready();
  // Sends one request, which the backend receives.
  struct Pair {
    End& client;
    End& upstream;
  };
  Pair Exchange(std::string_view request);
  // Nothing listens on the backend's address any more.
  void Refuse() { backend_.Reset(); }

  // Turns the loop until the condition holds; the clock stands still.
  bool Until(const std::function<bool()>& condition);
  bool Receives(End& end, std::string_view text);
  bool Ends(End& end);
  bool Reports(size_t outcomes);
  // Lets this many milliseconds pass. What has happened so far is served first.
  void Pass(uint64_t ms);

  void SetPolicy(const Policy& policy);
  // To the mirror listener.
  void SetMirror();
  // Number of requests in the backend's queue.
  size_t Waiting() const { return engine->backends().Find(0)->waiting(); }
  // Name of the last outcome's reason, or an empty string.
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
  // Each is set by its listener.
  NetAddress front_address_, backend_address_, mirror_address_;
  UniqueFd front_, backend_, mirror_;
  std::vector<std::unique_ptr<End>> ends_;
  // The number of its descriptor.
  int arrived_ = -1;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_ENGINE_STAGE_H_
