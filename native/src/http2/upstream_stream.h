// A request to a backend, and its response.
//
// Stage before: upstream, the connection that lends it. Stage after: exchange and mirror, see http/stream.h.
#ifndef SIDEROUTE_HTTP2_UPSTREAM_STREAM_H_
#define SIDEROUTE_HTTP2_UPSTREAM_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/kept_request.h"
#include "http/stream.h"
#include "http2/head_builder.h"
#include "http2/stream.h"

namespace sideroute::http2 {

class Upstream;
// Tag for the list of streams that are lent.
struct Lent;

class UpstreamRequest final : public Stream, public UpstreamStream, public ListNode<UpstreamRequest, Lent> {
 public:
  UpstreamRequest(Upstream& connection, BlockPool& blocks, StreamUser& user, Executed executed,
                  bool connecting);

  void SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                const BodyPiece& first) override;
  void SendBody(const BodyPiece& piece) override { SendPiece(piece); }
  void SendEnd() override;
  bool send_ended() const override { return send_ended_; }
  bool Flush() override { return !is_reset(); }
  size_t unsent() const override { return waiting(); }
  bool write_failed() const override { return is_reset(); }
  ReadResult ReadHead(const http::ResponseHead** head) override;
  ReadResult ReadBody(BodyPiece* piece) override { return ReadPiece(piece); }
  void Took() override;
  std::string_view fault() const override { return fault_; }
  bool gave_all() const override { return GaveAll(); }
  bool failed() const override { return is_reset(); }
  size_t held_bytes() const override { return held(); }
  size_t QueuedBytes() const override { return 0; }
  uint64_t blocked_since_ms() const override { return blocked_since_ms_; }

  // For the connection of this stream.
  StreamUser* user() const { return user_; }
  void Forget() { user_ = nullptr; }
  // Facts of the request for reading the response; `protocol` is empty if none was requested.
  Asked asked() const { return {method_, protocol_, accept_}; }
  bool in_body() const { return in_body_; }
  // A head is complete; it stays in the builder until the user is told.
  void TakeHead(const http::ResponseHead& head);
  // The user did not take the head at once.
  void KeepHead();
  void NoteReset(Executed executed, StreamError error);
  void NoteStands();
  // Holds an extended CONNECT that was not sent, because the peer has not said whether it takes one.
  bool awaits_connects() const { return awaited_ != nullptr; }
  void SendAwaited();
  void RefuseConnect();

 private:
  Upstream& upstream_;
  StreamUser* user_;
  http::MethodId method_ = http::MethodId::kGet;
  std::string protocol_;
  std::string accept_;
  bool send_ended_ = false;
  bool tunnels_ = false;
  // The final (not interim) head has arrived.
  bool in_body_ = false;
  // A head that was not taken; valid while it is not null.
  const http::ResponseHead* head_ = nullptr;
  bool head_given_ = false;
  http::ResponseHead kept_;
  std::string kept_bytes_;
  std::vector<http::Field> kept_fields_;
  std::unique_ptr<KeptRequest> awaited_;
  const HeaderPlan* awaited_plan_ = nullptr;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_UPSTREAM_STREAM_H_
