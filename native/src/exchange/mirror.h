// One copy of a request on its way to a mirror, whose response is thrown away.
//
// Stage before: the exchange, which passes on the body as it goes to its own upstream. Stage after:
// upstream/attempt. A mirror cannot affect its exchange: it never waits in a queue, its unsent bytes are
// bounded, and beyond any limit the copy is given up and counted.
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

  // Sends the head. Returns false if the mirror has ended already: it has been reported and is back in the
  // pool. If the mirror ends before the body does, `exchange` is told by OnMirrorEnded. `complete`: there is
  // no body.
  bool Start(Exchange& exchange, const MirrorTarget& target, const http::RequestHead& head, bool complete);
  void SendBody(const BodyPiece& piece);
  // The whole request has been passed on.
  void OnRequestComplete();
  // The request has ended before its body was complete.
  void OnRequestAborted();
  // When the engine closes.
  void Abandon() { End(MirrorResult::kAborted); }
  // Size of its buffers.
  size_t held_bytes() const;
  // Ends the mirror to free its buffers.
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
  // Until a connection is established, the request is kept.
  void SendKept();
  bool Overfull() const;
  void AwaitResponse() { deadline_.ArmAfter(context_.settings.mirror_timeout_ms); }
  void ReadResponse();
  // Reports the result, gives back all resources and returns the mirror to the pool.
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
  // The part of the request that arrived before there was a connection.
  KeptRequest request_;
  // Covers the rest of the request and the response.
  MemberTimer<Mirror, &Mirror::OnDeadline> deadline_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_MIRROR_H_
