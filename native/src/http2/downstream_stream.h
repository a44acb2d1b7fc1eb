// A request of an application, and its response.
//
// Stage before: downstream, the connection that it came on. Stage after: an exchange, as http/stream.h says.
#ifndef SIDEROUTE_HTTP2_DOWNSTREAM_STREAM_H_
#define SIDEROUTE_HTTP2_DOWNSTREAM_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/stream.h"
#include "http2/stream.h"

namespace sideroute::http2 {

class Downstream;

class DownstreamRequest final : public Stream, public DownstreamStream {
 public:
  DownstreamRequest(Downstream& connection, BlockPool& blocks, uint32_t id);

  // Its head is complete; it is good until Took.
  void Start(const http::RequestHead& head);
  // Something has come, may be sent, or has ended.
  void Tell();
  // A head that is no request, or one that is beyond a limit: answered here.
  void Refuse(const LocalReply& reply, ReplyForm form);

  RequestServer* exchange() const { return exchange_; }
  // Nobody serves it yet.
  bool waits() const { return !started_; }
  bool tunnels() const { return tunnels_; }
  std::string_view broken() const { return fault_; }

 private:
  const Caller& caller() const override;
  void LoadPeer() override;
  bool body_at_hand() const override { return !body_over_ && HasPiece(); }
  ReadResult ReadBody(BodyPiece* piece) override { return ReadPiece(piece); }
  void Took() override { TookPiece(); }
  std::string_view fault() const override { return fault_; }
  // Streams of a connection end one by one.
  bool CallerEnded() const override { return false; }
  uint32_t reply_waits_ms(bool early) const override;
  size_t SendInterim(const http::ResponseHead& head) override;
  size_t SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                  const BodyPiece& first) override;
  size_t SendBody(const BodyPiece& piece) override { return SendPiece(piece); }
  size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields, bool may_keep) override;
  void SendEnd() override { SendLast(); }
  bool takes_success_for_switch() const override { return upgrades_; }
  bool Flush() override { return !is_reset(); }
  size_t unsent() const override { return waiting(); }
  bool write_failed() const override { return is_reset(); }
  bool failed() const override { return is_reset(); }
  bool gone() const override { return is_reset(); }
  // What we have reset it for is no affair of the backend.
  StreamError error() const override {
    return is_reset() && fault_.empty() ? ToStreamError(code()) : StreamError::kCancelled;
  }
  Reason why_gone() const override;
  bool Truncate(StreamError) override { return false; }
  Progress End(StreamEnd how, StreamError why) override;
  void NextRequest() override {}

  Downstream& downstream_;
  RequestServer* exchange_ = nullptr;
  bool started_ = false;
  bool head_only_ = false;
  // It is an extended CONNECT.
  bool upgrades_ = false;
  bool tunnels_ = false;
  // Of a tunnel that has not begun.
  bool body_over_ = false;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_DOWNSTREAM_STREAM_H_
