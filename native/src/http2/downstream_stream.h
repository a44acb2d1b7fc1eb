// A request from an application, and its response.
//
// Stage before: downstream, the connection of the request. Stage after: an exchange, see http/stream.h.
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

  // The head is complete; it is valid until Took.
  void Start(const http::RequestHead& head);
  // Something has arrived, can be sent, or has ended.
  void Tell();
  // Answers a malformed head, or one beyond a limit, without an exchange.
  void Refuse(const LocalReply& reply, ReplyForm form);

  RequestServer* exchange() const { return exchange_; }
  // No exchange serves it yet.
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
  // HTTP/2 streams end one by one; a FIN of the connection is not an end of a caller.
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
  // If we reset the stream because of its fault, the backend does not get that error code.
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
  // The request is an extended CONNECT.
  bool upgrades_ = false;
  bool tunnels_ = false;
  // For a tunnel that has not been established: there is no body to read.
  bool body_over_ = false;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_DOWNSTREAM_STREAM_H_
