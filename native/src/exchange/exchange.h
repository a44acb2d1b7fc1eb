// One request and its response: the state machine between a downstream stream and the upstream streams of its
// attempts, one attempt after the other.
//
// Stage before: a connection from an application, which gives the downstream stream. Stage after:
// upstream/attempt for the upstream streams, the host for the decision and the outcome.
//
//   request:   head --decide--> body ------------------------------> done
//   attempt:           wanted --(queue, dial, dial again)--> lent -------> released | reset
//                        ^----------- retry, after a while ------'
//   response:                                             head (1xx*) --> body --> flush --> outcome
//                                                          `--> relay (101, 2xx to CONNECT)
//
// Both directions run at the same time. Each one moves on when its source has bytes and its sink has none
// left to send.
#ifndef SIDEROUTE_EXCHANGE_EXCHANGE_H_
#define SIDEROUTE_EXCHANGE_EXCHANGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/engine_context.h"
#include "http/grpc.h"
#include "http/kept_request.h"
#include "http/stream.h"
#include "log/request_facts.h"
#include "log/request_log.h"
#include "log/span.h"
#include "net/timer_wheel.h"
#include "upstream/attempt.h"

namespace sideroute {

class ExchangePool;
class Mirror;
class StateRecords;

class Exchange final : public RequestServer, private AttemptUser {
 public:
  Exchange(EngineContext& context, ExchangePool& pool);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Progress Start(DownstreamStream& downstream, const http::RequestHead& head) override;
  Progress OnDownstreamEvent() override;
  void Cut(Reason reason) override;
  // exchange_state.cc
  size_t HeldBytes(bool sockets) const override;
  uint64_t BlockedSinceMs() const override;
  size_t DropReplay() override;
  void Describe(StateRecords& records) const override;
  // The protocol of the downstream.
  Protocol protocol() const { return protocol_; }
  // The mirror is removed from those that get the rest of the body.
  void OnMirrorEnded(Mirror& mirror);

 private:
  enum class RequestState : uint8_t { kHead, kBody, kDone };
  enum class ResponseState : uint8_t { kHead, kBody, kFlush };
  // What wait_timer_ is for. While the exchange has no stream, the attempt has timers of its own.
  enum class Wait : uint8_t { kNothing, kRetry, kExpect, kDiscard };

  void KeepExcerpt(const http::RequestHead& head);

  // Request: exchange.cc
  void Clear(DownstreamStream& downstream);
  Progress SendRequest(const BodyPiece* first);
  Progress PumpRequest();
  Progress Advance();
  Progress AdvanceAll();
  void SendToAll(const BodyPiece& piece, bool with_head);
  void RequestComplete();
  Progress RequestBroken();
  void ForgetSent();
  void AwaitContinue();
  // For the access log and for taps.
  void NoteHead(const http::RequestHead& head);
  void KeepFacts(const http::RequestHead& head);

  // Traces, of a request that is sampled: exchange_trace.cc
  const http::RequestHead& BeginSpan(const http::RequestHead& head);
  void NoteAttempt();
  // `status` is that of the response that is retried, or 0 if there was none; then `reason` says why.
  void NoteRetry(uint16_t status, std::string_view reason);
  void NoteMirror(int32_t series);
  void EndSpan(uint64_t ended_ns);

  // Long bodies that are spliced because nothing here reads their bytes: exchange_splice.cc
  static bool IsLong(const http::MessageHead& head) {
    return head.body == http::BodyKind::kLength && head.content_length >= kLeastSpliced;
  }
  std::optional<ReadResult> SpliceRequest(BodyPiece* piece);
  std::optional<ReadResult> SpliceResponse(BodyPiece* piece);

  // gRPC calls: exchange_call.cc
  uint64_t TimeLimitMs() const;
  bool AwaitsPeer() const;
  void NoteGrpcStatus(const http::ResponseHead& head);
  void NoteGrpcStatus(const Trailers& trailers);

  // Getting an upstream stream: exchange_attempt.cc
  Attempt::Options options() const;
  void ArmAttempt();
  Progress BeginAttempt();
  Progress NoConnection(NoStream why);
  void OnStreamLent() override;
  void OnNoStream(NoStream why) override;
  void OnTurn() override { ArmAttempt(); }
  void OnConnected() override;
  void OnStreamEvent() override { Continue(AdvanceAll()); }
  void OnDisplaced() override;

  // The caller has ended: exchange_caller.cc
  Progress OnCallerEnd();
  void NoteCallerEnd();
  void PassOnEnd();

  // Retries and mirrors: exchange_copies.cc
  bool has_retries() const { return policy_ && policy_->attempts > 0; }
  bool sends_once() const { return policy_ && policy_->once; }
  bool RetriesProcessed(uint16_t status) const;
  bool TakeRetry(bool sent);
  // Retries instead of replying with `reason`, or instead of relaying the response with `status` if that is
  // not 0.
  Progress TryAgain(Reason reason, uint16_t status = 0);
  void StartMirrors(const http::RequestHead& head);
  void SendToMirrors(const BodyPiece& piece);
  void EndMirrors();

  // Response: exchange_response.cc
  Progress PumpResponse();
  void NoteBegun();
  Progress ReadFailed(ReadResult result);
  Progress TakeResponseHead(const http::ResponseHead& head, bool* stop);
  Progress RelayInterim(const http::ResponseHead& head);
  void NoteResponse(uint16_t status);
  Progress UpstreamBroken(Reason reason);
  Progress NothingExecuted();
  static bool IsVerdict(StreamError why);
  Progress PassReset(StreamError why);
  void ReleaseRetried();

  // After the protocol switch: exchange_relay.cc
  Progress SwitchToRelay(const http::ResponseHead& head);
  Progress PumpRelay();
  bool PumpUp();
  bool PumpDown();

  // End: exchange_end.cc
  Progress ReplyReason(Reason reason);
  // `may_keep`: the connection may serve another request, if the rest of this request can be read and
  // dropped.
  Progress Reply(int32_t index, bool may_keep);
  Progress SendReply(bool may_keep);
  Progress DiscardRequestBody();
  Progress ResponseProduced();
  // `why`: the error code the caller gets, if its protocol has one.
  Progress Truncate(Reason reason, StreamError why);
  // The downstream is reset.
  Progress Abandon();
  Progress BreakOff(Reason reason);
  void SetReason(Reason reason);
  Progress End(StreamEnd how, StreamError why = StreamError::kNone);
  void Report();
  RequestEntry Entry(uint64_t ended_ns) const;
  // Lets the downstream go on after a step that was started by something else.
  void Continue(Progress progress);
  void ArmStall();

  void OnWaitTimer();
  void OnRequestDeadline();
  void OnAttemptDeadline();
  void TimedOut();
  void OnStall();

  EngineContext& context_;
  ExchangePool& pool_;
  DownstreamStream* downstream_ = nullptr;
  Backend* backend_ = nullptr;
  Attempt attempt_;
  // From the table that made the decision, even if it has been replaced since. Empty: no edits, no limits.
  Shared<HeaderPlan> plan_;
  Shared<Policy> policy_;
  // Header lines that the decision adds to the response of this request.
  std::string fields_;

  Decision decision_;
  uint64_t started_ns_ = 0;
  uint16_t status_ = 0;
  int32_t reason_ = -1;

  // Facts of the request head that are needed after its bytes are gone.
  Protocol protocol_ = Protocol::kHttp1;
  uint8_t minor_version_ = 1;
  bool repeatable_ = false;
  // gRPC only.
  http::Call call_;
  int8_t grpc_status_ = http::kNoCall;

  RequestFacts facts_;
  // Null if the request is not traced.
  std::unique_ptr<TraceSpan> span_;

  // The caller has ended its side, and this is its last request, received completely.
  bool caller_ended_ = false;
  RequestState request_state_ = RequestState::kHead;
  ResponseState response_state_ = ResponseState::kHead;
  Wait wait_ = Wait::kNothing;
  // Whether the body is long enough to be spliced.
  bool long_request_ = false;
  bool long_response_ = false;
  // The body waits for the 100 (Continue) that the caller asked for.
  bool body_held_ = false;
  // `request_` holds everything of the request that was sent, so it can be sent again.
  bool kept_ = false;
  // The engine may send the request again without a retry policy: a reused connection may have been closed
  // while it was idle.
  bool may_resend_ = false;
  bool resent_ = false;
  // A reused connection has failed this request, so every further attempt uses a new one.
  bool fresh_only_ = false;
  bool response_begun_ = false;
  bool relay_ = false;
  bool relay_up_ended_ = false;
  bool relay_down_ended_ = false;
  uint8_t interim_count_ = 0;
  // Number of streams for which the peer said that it executed nothing.
  uint8_t refused_ = 0;
  // Retries by the policy so far, and why there was no further one.
  uint16_t retries_ = 0;
  RetryDenial denial_ = RetryDenial::kNone;
  // The mirrors that still get the body.
  std::vector<Mirror*> mirrors_;
  // The reply that waits for the end of the request body, and how many body bytes were dropped meanwhile.
  int32_t pending_reply_ = -1;
  // True if that reply is the decision itself, false if it reports a failure.
  bool decided_reply_ = false;
  size_t discarded_ = 0;

  // Kept as long as the request may have to be sent, or sent again.
  KeptRequest request_;
  MemberTimer<Exchange, &Exchange::OnWaitTimer> wait_timer_;
  MemberTimer<Exchange, &Exchange::OnRequestDeadline> request_deadline_;
  MemberTimer<Exchange, &Exchange::OnAttemptDeadline> attempt_deadline_;
  MemberTimer<Exchange, &Exchange::OnStall> stall_timer_;

  // `METHOD path` for state dumps, because the head itself is gone by then. Last, apart from the members that
  // every event uses.
  static constexpr size_t kExcerptMethod = 24;
  static constexpr size_t kExcerptPath = 128;
  uint8_t excerpt_length_ = 0;
  std::array<char, kExcerptMethod + 1 + kExcerptPath> excerpt_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_EXCHANGE_H_
