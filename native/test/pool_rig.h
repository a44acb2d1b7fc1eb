// The pool of a backend and attempts, with connections whose fate the test decides: HTTP/1 ones with one
// stream, HTTP/2 ones with many. They dial because the pool does, but the dials have no effect.
#ifndef SIDEROUTE_TEST_POOL_RIG_H_
#define SIDEROUTE_TEST_POOL_RIG_H_

#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "http1/readers.h"
#include "net/connection.h"
#include "net/own_dials.h"
#include "nobody.h"
#include "scripted_loop.h"
#include "upstream/attempt.h"
#include "upstream/backends.h"

namespace sideroute::test {

class PoolRig;
class ScriptedConnection;

class LentStream final : public UpstreamStream {
 public:
  LentStream(ScriptedConnection& connection, StreamUser& user, bool stands)
      : connection(connection), user(user) {
    connecting_ = !stands;
  }
  void SendHead(const http::RequestHead&, const HeaderPlan*, RequestCopy, const BodyPiece&) override {}
  void SendBody(const BodyPiece&) override {}
  void SendEnd() override {}
  bool send_ended() const override { return false; }
  bool Flush() override { return true; }
  size_t unsent() const override { return 0; }
  bool write_failed() const override { return false; }
  ReadResult ReadHead(const http::ResponseHead**) override { return ReadResult::kAgain; }
  ReadResult ReadBody(BodyPiece*) override { return ReadResult::kAgain; }
  void Took() override {}
  std::string_view fault() const override { return {}; }
  bool failed() const override { return false; }
  size_t held_bytes() const override { return 0; }
  size_t QueuedBytes() const override { return 0; }
  uint64_t blocked_since_ms() const override { return 0; }
  void Stand() { connecting_ = false; }

  ScriptedConnection& connection;
  StreamUser& user;
};

class ScriptedConnection final : public UpstreamConnection {
 public:
  ScriptedConnection(PoolRig& rig, Endpoint& endpoint, Protocol protocol, uint32_t limit);
  ~ScriptedConnection() override;

  // The script. Each of these tells every user of a stream once.
  void Stand();
  void FailToConnect();
  void Break();
  // The connection is broken, which shows when the next stream comes back.
  void Spoil() { broken_ = true; }
  void Allow(uint32_t streams) { SetLimit(streams); }

  // The connection is unusable, which shows when the next stream is requested.
  bool stale = false;
  bool shut = false;
  bool shut_with_reset = false;
  std::vector<std::unique_ptr<LentStream>> streams;
  // Error codes of the streams that came back, in order.
  std::vector<StreamError> told;

 private:
  int Open(UniqueFd fd) override;
  UpstreamStream* BeginStream(StreamUser& user, bool careful) override;
  bool EndStream(UpstreamStream& stream, GivenBack how, StreamError why) override;
  void Shut(bool reset) override;
  int descriptor() const override { return -1; }
  template <typename Tell>
  void TellAll(const Tell& tell);

  PoolRig& rig_;
  const size_t place_;
  bool broken_ = false;
};

// A user that wants one stream.
class PoolUser final : private AttemptUser {
 public:
  PoolUser(PoolRig& rig, Protocol protocol, Attempt::Options options);
  ~PoolUser() { attempt.Reset(); }

  Attempt::Result Ask();
  bool has_stream() const { return attempt.stream() != nullptr; }
  ScriptedConnection& connection() { return static_cast<LentStream*>(attempt.stream())->connection; }

  PoolRig& rig;
  Attempt attempt;
  int lent = 0, connected = 0, events = 0, without = 0, displaced = 0;
  NoStream why = NoStream::kOverflow;

 private:
  void OnStreamLent() override { ++lent; }
  void OnNoStream(NoStream no) override {
    ++without;
    why = no;
  }
  void OnTurn() override {}
  void OnConnected() override { ++connected; }
  // Its stream is broken.
  void OnStreamEvent() override {
    ++events;
    attempt.Reset();
  }
  void OnDisplaced() override {
    ++displaced;
    attempt.Reset();
  }

  Attempt::Options options_;
};

class PoolRig final : private TurnClient, private RequestServers, private UpstreamConnector {
 public:
  explicit PoolRig(const EngineSettings& settings = {});
  ~PoolRig();

  Backend& backend() { return *backends.Find(0); }
  PoolUser& User(Protocol protocol = Protocol::kHttp2, Attempt::Options options = {});
  // A user that has asked, and whose connection is established.
  PoolUser& Served(Protocol protocol = Protocol::kHttp2);
  // The nth connection that was made; null if it is gone.
  ScriptedConnection* At(size_t n) { return n < connections.size() ? connections[n] : nullptr; }
  // What happens at the end of a turn.
  void EndTurn() { OnBatchEnd(); }
  void Pass(uint64_t ms) { loop.Pass(ms); }
  // Number of streams of each connection, `-` for one that is gone.
  std::string Spread() const;
  EngineContext& context() { return context_; }

  // For connections made from here on.
  uint32_t streams_at_a_time = 100;
  // Whether users ask in one burst from here on, or each in its own.
  bool in_one_burst = false;
  NetAddress address;
  ScriptedLoop loop;
  std::vector<ScriptedConnection*> connections;
  std::vector<std::unique_ptr<PoolUser>> users;

 private:
  std::unique_ptr<UpstreamConnection> Make(Endpoint& endpoint, Protocol protocol) override;
  void OnBatchEnd() override;
  void OnTurnEnd() override {}
  uint64_t NextDueMs() const override { return context_.wheel.NextDueMs(); }
  void OnTime(uint64_t now_ms) override { context_.wheel.Run(now_ms); }
  RequestServer* Take() override { return nullptr; }

  struct Host final : EngineHost {
    bool Decide(int32_t, const http::RequestHead&, Decision*) override { return false; }
    void OnOutcome(const OutcomeRecord&) override {}
    void OnMirror(int32_t, MirrorResult) override {}
    void OnRefused(int32_t, int32_t) override {}
    void OnTurnEnd() override {}
  };

  UniqueFd listener_;
  std::unique_ptr<Reactor> reactor_;
  OwnDials own_dials_;
  Nobody nobody_;
  Host host_;
  http1::Readers readers_;
  std::unique_ptr<DescriptorBudget> descriptors_;
  std::unique_ptr<MemoryGuard> memory_;
  std::unique_ptr<DeadlineQueue> linger_deadlines_;
  std::unique_ptr<ConnectionList> lingering_;
  EngineContext context_;

 public:
  // Last, because it needs the context.
  Backends backends;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_POOL_RIG_H_
