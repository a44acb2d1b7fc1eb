// One copy of a request on its way to a mirror, whose response is thrown away.
//
// Stage before: the exchange, which passes the body on as it goes to its own upstream. Stage after:
// upstream/attempt. Nothing a mirror does can reach back: it never waits in a queue, what its stream does not
// take is bounded, and past any bound the copy is given up and counted.
#ifndef SIDEROUTE_EXCHANGE_MIRROR_H_
#define SIDEROUTE_EXCHANGE_MIRROR_H_

#include <cstdint>

#include "http/engine_context.h"
#include "http/kept_request.h"
#include "http/stream.h"
#include "net/intrusive_list.h"
#include "net/timer_wheel.h"
#include "upstream/attempt.h"

namespace sideroute {

class Exchange;
class ExchangePool;

class Mirror final : public ListNode<Mirror>, private AttemptUser {
 public:
  Mirror(EngineContext& context, ExchangePool& pool);
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // Sends the head. False when the mirror is over already: reported, free, not to be touched.
  // `exchange` is told through OnMirrorEnded when the copy ends before its body does; `complete`: there is no
  // body.
  bool Start(Exchange& exchange, const MirrorTarget& target, const http::RequestHead& head, bool complete);
  void SendBody(const BodyPiece& piece);
  // All of the request has been passed on.
  void OnRequestComplete();
  // The request has ended before its body was complete.
  void OnRequestAborted();
  // For the end of the engine.
  void Abandon() { End(MirrorResult::kAborted); }
  // Memory of its buffers.
  size_t held_bytes() const;
  // Gives it up to free that memory.
  void Shed() { End(MirrorResult::kOverflow); }

 private:
  void OnStreamLent() override;
  void OnNoStream(NoStream why) override;
  void OnTurn() override {}
  void OnConnected() override;
  void OnStreamEvent() override;
  void OnDisplaced() override {}
  void OnDeadline() { End(MirrorResult::kTimeout); }

  bool connected() const { return attempt_.state() == Attempt::State::kConnected; }
  // Until a connection stands everything is kept, for whichever it will be.
  void SendKept();
  bool Overfull() const;
  void AwaitResponse() { deadline_.ArmAfter(context_.settings.mirror_timeout_ms); }
  void ReadResponse();
  // Over: everything is given back, and reported.
  void End(MirrorResult result);

  EngineContext& context_;
  ExchangePool& pool_;
  Exchange* exchange_ = nullptr;
  Backend* backend_ = nullptr;
  Attempt attempt_;
  Shared<HeaderPlan> plan_;
  int32_t series_ = 0;
  bool request_complete_ = false;
  bool in_body_ = false;
  uint8_t interim_count_ = 0;
  // What has come of the request while there is no connection.
  KeptRequest request_;
  // Of the rest of the request and of the response.
  MemberTimer<Mirror, &Mirror::OnDeadline> deadline_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_MIRROR_H_
