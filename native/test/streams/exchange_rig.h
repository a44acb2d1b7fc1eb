// An exchange between scripted streams: no socket, no HTTP/1, and only the loop that the test turns for
// timers.
#ifndef SIDEROUTE_TEST_STREAMS_EXCHANGE_RIG_H_
#define SIDEROUTE_TEST_STREAMS_EXCHANGE_RIG_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../check.h"
#include "../nobody.h"
#include "../scripted_loop.h"
#include "exchange/exchange_pool.h"
#include "net/connection.h"
#include "net/own_dials.h"
#include "upstream/backends.h"

namespace sideroute::test {

class ScriptedDownstream final : public DownstreamStream {
 public:
  const Caller& caller() const override { return caller_; }
  void Speak(Protocol protocol) { caller_.protocol = protocol; }
  void LoadPeer() override {}
  bool body_at_hand() const override { return at_hand; }
  ReadResult ReadBody(BodyPiece* piece) override {
    if (coming.empty()) return ReadResult::kAgain;
    if (coming.front().result != ReadResult::kGiven) return coming.front().result;
    read_ = coming.front();
    coming.pop_front();
    *piece = {.bytes = read_.bytes, .last = read_.last, .trailers = {}, .wire_bytes = read_.bytes.size()};
    return ReadResult::kGiven;
  }
  void Took() override {}
  std::string_view fault() const override { return "scripted"; }
  bool CallerEnded() const override { return caller_ended; }
  uint32_t reply_waits_ms(bool) const override { return reply_waits_ms_; }
  void SetReplyWaits(uint32_t ms) { reply_waits_ms_ = ms; }
  size_t SendInterim(const http::ResponseHead& head) override {
    return Note('[' + std::to_string(head.status) + ']');
  }
  size_t SendHead(const http::ResponseHead& head, const HeaderPlan*, std::string_view,
                  const BodyPiece& first) override {
    return Note('<' + std::to_string(head.status) + '>') + SendBody(first);
  }
  size_t SendBody(const BodyPiece& piece) override {
    return Note(std::string(piece.bytes) + (piece.last ? "$" : ""));
  }
  size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view, bool may_keep) override {
    return Note('{' + (form == ReplyForm::kGrpc ? reply.grpc : reply.body) +
                (may_keep ? " keep}" : " close}"));
  }
  void SendEnd() override { sent += '|'; }
  bool Flush() override { return !breaks; }
  size_t unsent() const override { return blocked; }
  bool write_failed() const override { return breaks; }
  bool failed() const override { return false; }
  bool gone() const override { return is_gone; }
  StreamError error() const override { return resets_with; }
  bool Truncate(StreamError why) override {
    told = why;
    return delivers_rest;
  }
  Progress End(StreamEnd how, StreamError why) override {
    CHECK(!end.has_value());
    end = how;
    if (how == StreamEnd::kTruncated) CHECK(told == why);
    if (how != StreamEnd::kComplete) told = why;
    return how == StreamEnd::kComplete ? Progress::kNextRequest : Progress::kClosed;
  }
  void NextRequest() override { ++next; }

  std::deque<Coming> coming;
  bool at_hand = false;
  bool caller_ended = false;
  bool breaks = false;
  bool is_gone = false;
  bool delivers_rest = false;
  // The error code of the caller's reset, and the one it is told.
  StreamError resets_with = StreamError::kCancelled;
  StreamError told = StreamError::kNone;
  size_t blocked = 0;
  // `<status>` for a head, `[status]` for an interim one, `{reason keep}` for a reply, the bytes of the body,
  // and `$` for its end.
  std::string sent;
  std::optional<StreamEnd> end;
  int next = 0;

 private:
  size_t Note(std::string text) {
    sent += text;
    return text.size();
  }
  uint32_t reply_waits_ms_ = 0;
  Caller caller_;
  Coming read_;
};

struct RigHost final : EngineHost {
  bool Decide(int32_t, const http::RequestHead&, Decision* decided) override {
    *decided = decision;
    return works;
  }
  void OnOutcome(const OutcomeRecord& outcome) override { outcomes.push_back(outcome); }
  void OnMirror(int32_t, MirrorResult result) override { mirrors.push_back(result); }
  void OnRefused(int32_t, int32_t) override {}
  void OnTurnEnd() override {}

  Decision decision;
  bool works = true;
  std::vector<OutcomeRecord> outcomes;
  std::vector<MirrorResult> mirrors;
};

class Rig final : private TurnClient, private RequestServers {
 public:
  explicit Rig(const EngineSettings& settings = {});
  ~Rig();

  // A request begins: `method`, with a body if `has_body`.
  void Request(std::string_view method = "GET", bool has_body = false);
  // Its head asks for a 100, or for another protocol.
  bool expects = false, upgrades = false;
  // Tells the exchange that something has changed on that side.
  void DownstreamEvent();
  void UpstreamEvent();
  void Pass(uint64_t ms) { loop.Pass(ms); }

  Backend& backend() { return *backends_.Find(0); }
  Backend& mirror_backend() { return *backends_.Find(1); }
  // The stream that was lent last.
  ScriptedUpstream& upstream() { return *backend().streams.back(); }
  void SetPolicy(const Policy& policy) { host.decision.policy = context_->policies.Add(policy); }
  void SetMirror();
  // The only outcome; `none` if there is none, or more than one.
  std::string Outcome() const;

  ScriptedLoop loop;
  RigHost host;
  ScriptedDownstream downstream;
  RequestServer* exchange = nullptr;
  EngineContext& context() { return *context_; }

 private:
  void OnBatchEnd() override { pool_->Trim(); }
  void OnTurnEnd() override {}
  uint64_t NextDueMs() const override { return context_->wheel.NextDueMs(); }
  void OnTime(uint64_t now_ms) override { context_->wheel.Run(now_ms); }
  // For connections, of which there are none.
  RequestServer* Take() override { return nullptr; }

  std::unique_ptr<Reactor> reactor_;
  OwnDials own_dials_;
  Nobody nobody_;
  std::unique_ptr<DescriptorBudget> descriptors_;
  std::unique_ptr<MemoryGuard> memory_;
  std::unique_ptr<DeadlineQueue> linger_deadlines_;
  std::unique_ptr<ConnectionList> lingering_;
  Backends backends_;
  std::unique_ptr<EngineContext> context_;
  std::unique_ptr<ExchangePool> pool_;
  std::string head_;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_STREAMS_EXCHANGE_RIG_H_
