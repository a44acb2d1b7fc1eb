// One copy of a request on its way to a mirror, whose response is thrown away (SPEC F10).
//
// Stage before: the exchange, which passes the body on as it goes to its own upstream. Stage after:
// upstream_pool. Nothing a mirror does can reach back: it never waits in a queue, what its socket does not
// take is bounded, and past any bound the copy is given up and counted.
#ifndef SIDEROUTE_EXCHANGE_MIRROR_H_
#define SIDEROUTE_EXCHANGE_MIRROR_H_

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>

#include "http/engine_context.h"
#include "http1/body_relay.h"
#include "http1/head.h"
#include "net/byte_buffer.h"
#include "net/intrusive_list.h"
#include "net/timer_wheel.h"
#include "upstream/dial_plan.h"
#include "upstream/upstream_pool.h"
#include "upstream/upstream_user.h"

namespace sideroute {

class Exchange;
class UpstreamConnection;

class Mirror final : public ListNode<Mirror>, public UpstreamUser {
 public:
  explicit Mirror(EngineContext& context);
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // Sends the head. False when the mirror is over already: reported, free, not to be touched.
  // `exchange` is told through OnMirrorEnded when the copy ends before its body does; `complete`: there is no
  // body.
  bool Start(Exchange& exchange, const MirrorTarget& target, const http::RequestHead& head, bool complete);
  // Bytes of the body, framed.
  void SendBody(std::span<iovec> parts);
  // All of the request has been passed on.
  void OnRequestComplete();
  // The request has ended before its body was complete.
  void OnRequestAborted();
  // For the end of the engine.
  void Abandon();
  // Memory of its buffers.
  size_t held_bytes() const;
  // Gives it up to free that memory.
  void Shed();

  void OnUpstreamEvent() override;

 private:
  void OnDeadline();
  // Both false when the mirror is over.
  bool Connect(Backend::Turn turn);
  bool ConnectFailed(bool timed_out);
  bool connected() const;
  void Send(std::span<iovec> parts);
  void SendUnsent();
  bool Overfull() const;
  void ReadResponse();
  // Over: everything is given back, and reported.
  void End(MirrorResult result);

  EngineContext& context_;
  Exchange* exchange_ = nullptr;
  Backend* backend_ = nullptr;
  UpstreamConnection* upstream_ = nullptr;
  int32_t series_ = 0;
  http1::MethodId method_ = http1::MethodId::kOther;
  bool request_complete_ = false;
  bool in_body_ = false;
  bool more_ = false;
  bool reusable_ = false;
  uint8_t interim_count_ = 0;
  DialPlan dials_;
  // What has come of the request while there is no connection.
  ByteBuffer unsent_;
  // Of the connect, of the pause before the next, of the response: one after the other.
  MemberTimer<Mirror, &Mirror::OnDeadline> deadline_;
  BodyRelay body_{http1::SectionKind::kResponseTrailer};
  std::array<http1::Field, kMaxHeaderFields> fields_;
  http1::ResponseHeadParser parser_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_MIRROR_H_
