// An HTTP/2 connection to a backend: many streams at a time.
//
// Stage before: upstream/upstream_pool, which owns it, dials it and lends its streams. Stage after:
// upstream_stream.
#ifndef SIDEROUTE_HTTP2_UPSTREAM_H_
#define SIDEROUTE_HTTP2_UPSTREAM_H_

#include <cstdint>
#include <vector>

#include "http/engine_context.h"
#include "http2/connection.h"
#include "http2/upstream_stream.h"
#include "net/timer_wheel.h"
#include "upstream/upstream_connection.h"

namespace sideroute::http2 {

class Upstream final : public Connection, public UpstreamConnection {
 public:
  Upstream(EngineContext& context, Endpoint& endpoint);
  ~Upstream() override;

  // For the streams of this connection.
  void SendHead(UpstreamRequest& request, const http::RequestHead& head, const HeaderPlan* plan,
                RequestCopy copy, bool last);
  // Whether the peer takes extended CONNECT, which it says in its SETTINGS (RFC 8441 section 3). kUnknown
  // until they arrive; AwaitConnects limits the wait.
  enum class Connects : uint8_t { kUnknown, kYes, kNo };
  Connects connects() const {
    if (!greeted()) return Connects::kUnknown;
    return peer_connects() ? Connects::kYes : Connects::kNo;
  }
  void AwaitConnects();
  // Gives up a request that was not sent. Its user is told from a timer, so not within its own call.
  void GiveUp(UpstreamRequest& request) {
    Lose(request, ErrorCode::kProtocolError);
    connects_timer_.ArmAfter(0);
  }
  BlockPool& blocks() { return Connection::context_.blocks; }

 private:
  int Open(UniqueFd fd) override;
  UpstreamStream* BeginStream(StreamUser& user, bool careful) override;
  bool EndStream(UpstreamStream& stream, GivenBack how, StreamError why) override;
  void Shut(bool reset) override;
  int descriptor() const override { return fd(); }

  void OnEvent() override;
  Block OnBlock(uint32_t id, Stream* stream, bool ended) override;
  void OnBlockEnd(uint32_t id, const Block& block, bool ended) override;
  void Tell(Stream& stream) override;
  void OnGoaway(uint32_t last, ErrorCode code) override;
  void OnStreams() override;
  void OnSettled() override;
  void OnOver(bool orderly) override;
  void OnPartialBlock(bool) override {}
  void OnPingTimer();
  void OnConnectsTimer();
  // The peer does not answer any more.
  void Vanish();
  // Asks the kernel (getpeername).
  bool IsConnected() const;
  void ConnectFailed();
  std::vector<UpstreamRequest*> LentStreams() const;

  IntrusiveList<UpstreamRequest, Lent> requests_;
  uint32_t next_id_ = 1;
  // The peer accepts no more streams, or no new ones are wanted on this connection.
  bool leaving_ = false;
  // 0: no ping was sent yet.
  uint64_t pinged_ms_ = 0;
  bool ping_waits_ = false;
  bool heard_of_request_ = true;
  MemberTimer<Upstream, &Upstream::OnPingTimer> ping_timer_;
  MemberTimer<Upstream, &Upstream::OnConnectsTimer> connects_timer_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_UPSTREAM_H_
