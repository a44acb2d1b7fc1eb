// One request and its response: the state machine between a downstream and an upstream connection.
//
// Stage before: downstream_connection, which lends its bytes. Stage after: upstream_pool for a connection,
// the host for the decision and the outcome.
//
//   request:   head --decide--> body ------------------------------> done
//   upstream:          wanted --(queue, dial, dial again)--> lent -------> released | closed
//                        ^----------- retry, after a while ------'
//   response:                                             head (1xx*) --> body --> flush --> outcome
//                                                          `--> tunnel (101, 2xx to CONNECT)
//
// Both directions run at the same time. Each moves on when its source has bytes and its sink holds none back.
#ifndef SIDEROUTE_EXCHANGE_EXCHANGE_H_
#define SIDEROUTE_EXCHANGE_EXCHANGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "http/engine_context.h"
#include "http1/body_relay.h"
#include "http1/head.h"
#include "log/request_facts.h"
#include "net/intrusive_list.h"
#include "net/timer_wheel.h"
#include "upstream/dial_plan.h"
#include "upstream/upstream_pool.h"
#include "upstream/upstream_user.h"

namespace sideroute {

class Downstream;
class Mirror;
class StateRecords;
class UpstreamConnection;

// What a step has led to. After anything but kOpen the exchange is over and must not be touched.
enum class Progress : uint8_t { kOpen, kNextRequest, kClosed };

class Exchange final : public ListNode<Exchange>,
                       public ListNode<Exchange, Displaceable>,
                       public UpstreamUser {
 public:
  // In the list of those that wait for a connection.
  using ListNode<Exchange>::linked;
  using ListNode<Exchange>::Unlink;

  explicit Exchange(EngineContext& context);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // A new request begins on `downstream`.
  void Begin(Downstream* downstream);
  http1::ParseStatus ParseHead(const Window& window) {
    return request_parser_.Parse(window.data, window.length);
  }
  const http1::RequestHeadParser& request_parser() const { return request_parser_; }
  // The head in `window` is complete: decides, and forwards or answers.
  Progress Start(const Window& window);
  // Past the head.
  bool started() const { return started_; }
  bool tunnel() const { return tunnel_; }

  Progress OnDownstreamEvent();
  // The downstream is reset.
  void Abandon() { BreakOff(Reason::kDownstreamReset); }
  // The engine ends before the exchange does.
  void Cut(Reason reason);
  // Memory of its buffers, beside those of its downstream.
  size_t held_bytes() const;
  // What the kernel holds for its upstream.
  size_t QueuedBytes() const;
  // The backend has not taken what is to be sent to it; since when.
  bool upstream_blocked() const;
  uint64_t upstream_blocked_since_ms() const;
  // Gives up what is kept only to be sent again; returns how much that was.
  size_t DropReplay();
  void OnUpstreamEvent() override;
  void OnUpstreamAvailable();
  // Its connection is needed by somebody whose caller is there.
  void GiveWay();
  // It gets no more of the body.
  void OnMirrorEnded(Mirror& mirror);

  // The request in progress, once started: exchange_state.cc.
  void Describe(StateRecords& records) const;
  // As many fields, for no request.
  static void DescribeNone(StateRecords& records);

 private:
  enum class RequestState : uint8_t { kHead, kBody, kDone };
  enum class ResponseState : uint8_t { kHead, kBody, kFlush };
  enum class Wait : uint8_t { kNothing, kConnect, kQueue, kRetry, kExpect, kDiscard, kRedial };

  void KeepExcerpt(const http::RequestHead& head);

  // Request: exchange.cc
  Progress SendRequest(const Window* window);
  Progress PumpRequest();
  Progress Advance();
  Progress AdvanceAll();
  bool PassRequestBody(std::string_view head, char* data, size_t length, size_t* used,
                       BodyRelay::Status* status);
  void RequestComplete();
  Progress RequestBroken();
  void ForgetSent();
  // For the access log.
  void KeepFacts(const http::RequestHead& head);
  void NoteConnected();

  // The upstream connection: exchange_connect.cc
  Progress BeginAttempt();
  void StartAttempt();
  Progress AcquireUpstream(Backend::Turn turn);
  Progress ConnectFailed(bool timed_out);
  Progress PauseDialling(uint32_t pause_ms);
  Progress NoConnection();
  void Connected();

  // The caller has ended: exchange_caller.cc
  Progress OnCallerEnd();
  void NoteCallerEnd();
  void PassOnEnd();

  // Retries and mirrors: exchange_copies.cc
  bool has_retries() const { return policy_ && policy_->attempts > 0; }
  bool RetriesProcessed(uint16_t status) const;
  bool TakeRetry(bool sent);
  Progress TryAgain();
  void StartMirrors(const http::RequestHead& head);
  void SendToMirrors(std::span<iovec> parts);
  void EndMirrors();

  // Response: exchange_response.cc
  Progress PumpResponse();
  Progress TakeResponseHead(const Window& window, bool* blocked);
  Progress RelayInterim(const Window& window);
  Progress SwitchToTunnel(const Window& window);
  Progress UpstreamEnded(bool broken);
  Progress UpstreamBroken(Reason reason);
  void ReleaseRetried(const Window& window);
  Progress PumpTunnel();
  bool PumpTunnelFlow(bool upward, bool* broken);

  // End: exchange_end.cc
  Progress ReplyReason(Reason reason);
  // `may_keep`: another request may follow, if what is left of this one can be read away.
  Progress Reply(int32_t index, bool may_keep);
  Progress SendReply(bool may_keep);
  Progress DiscardRequestBody();
  Progress ResponseProduced();
  Progress Finish();
  Progress Truncate(Reason reason);
  void BreakOff(Reason reason);
  void ReleaseUpstream(bool reusable);
  void DropUpstream();
  void Report();
  void Log(uint64_t ended_ns);
  // Carries on with the downstream after a step that did not begin with it.
  void Continue(Progress progress);
  void ArmStall();

  void OnWaitTimer();
  void OnRequestDeadline();
  void OnAttemptDeadline();
  void TimedOut();
  void OnStall();

  struct RequestSink final : BodySink {
    explicit RequestSink(Exchange& exchange) : exchange(exchange) {}
    bool SendParts(std::span<iovec> parts) override;
    Exchange& exchange;
  };
  // For a body that goes to mirrors only, or nowhere.
  struct DiscardSink final : BodySink {
    explicit DiscardSink(Exchange& exchange) : exchange(exchange) {}
    bool SendParts(std::span<iovec> parts) override {
      exchange.SendToMirrors(parts);
      return true;
    }
    Exchange& exchange;
  };
  struct ResponseSink final : BodySink {
    explicit ResponseSink(Exchange& exchange) : exchange(exchange) {}
    bool SendParts(std::span<iovec> parts) override;
    Exchange& exchange;
  };

  EngineContext& context_;
  Downstream* downstream_ = nullptr;
  UpstreamConnection* upstream_ = nullptr;
  Backend* backend_ = nullptr;
  // Of the table that decided, whatever table there is by now. Empty: no edits, no limits.
  Shared<HeaderPlan> plan_;
  Shared<Policy> policy_;
  // Lines for the head of the reply or response, of this request alone.
  std::string fields_;

  Decision decision_;
  uint64_t started_ns_ = 0;
  uint16_t status_ = 0;
  int32_t reason_ = -1;

  // Facts of the request head that are needed after its bytes are gone.
  http1::MethodId method_ = http1::MethodId::kOther;
  bool http10_ = false;
  bool upgrade_ = false;
  bool keep_alive_ = false;
  bool repeatable_ = false;

  RequestFacts facts_;

  bool started_ = false;
  // The downstream has sent FIN, and nothing stands before it but this request, all of which has come.
  bool caller_ended_ = false;
  RequestState request_state_ = RequestState::kHead;
  ResponseState response_state_ = ResponseState::kHead;
  Wait wait_ = Wait::kNothing;
  // The body waits for the 100 that the downstream asked for.
  bool body_held_ = false;
  bool more_request_ = false;
  bool more_response_ = false;
  // sent_ is all of the request that has left, so that it can be sent once more.
  bool kept_ = false;
  // Once more of the engine's own accord: the reused connection may have been closed while idle.
  bool may_resend_ = false;
  bool resent_ = false;
  // A pooled connection has failed it: no other is taken.
  bool fresh_only_ = false;
  bool response_begun_ = false;
  bool upstream_reusable_ = false;
  bool close_ = false;
  // The body lasts until the downstream connection ends, so its end proves nothing unless it is a reset.
  bool until_close_ = false;
  bool tunnel_ = false;
  bool tunnel_up_ended_ = false;
  bool tunnel_down_ended_ = false;
  uint8_t interim_count_ = 0;
  DialPlan dials_;
  // Retries of the policy so far, and why there was not another.
  uint16_t retries_ = 0;
  RetryDenial denial_ = RetryDenial::kNone;
  size_t sent_head_length_ = 0;
  // Those that still get the body.
  std::vector<Mirror*> mirrors_;
  // The reply that waits for the end of the request body, and how much of that was dropped.
  int32_t pending_reply_ = -1;
  // That reply is the decision's, not one for a failure.
  bool decided_reply_ = false;
  size_t discarded_ = 0;

  // The request as sent, head first, for as long as it may have to be sent again.
  ByteBuffer sent_;
  RequestSink request_sink_;
  ResponseSink response_sink_;
  MemberTimer<Exchange, &Exchange::OnWaitTimer> wait_timer_;
  MemberTimer<Exchange, &Exchange::OnRequestDeadline> request_deadline_;
  MemberTimer<Exchange, &Exchange::OnAttemptDeadline> attempt_deadline_;
  MemberTimer<Exchange, &Exchange::OnStall> stall_timer_;

  // `METHOD path` for whoever asks what goes on: the head itself is gone by then. Apart from what is looked
  // at.
  static constexpr size_t kExcerptMethod = 24;
  static constexpr size_t kExcerptPath = 128;
  uint8_t excerpt_length_ = 0;
  std::array<char, kExcerptMethod + 1 + kExcerptPath> excerpt_;

  BodyRelay request_body_{http1::SectionKind::kRequestTrailer};
  BodyRelay response_body_{http1::SectionKind::kResponseTrailer};
  std::array<http1::Field, kMaxHeaderFields> request_fields_;
  std::array<http1::Field, kMaxHeaderFields> response_fields_;
  http1::RequestHeadParser request_parser_;
  http1::ResponseHeadParser response_parser_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_EXCHANGE_H_
