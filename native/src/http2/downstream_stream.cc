#include "http2/downstream_stream.h"

#include "http2/downstream.h"

namespace sideroute::http2 {

DownstreamRequest::DownstreamRequest(Downstream& connection, BlockPool& blocks, uint32_t id)
    : Stream(connection, blocks, id), downstream_(connection) {}

uint32_t DownstreamRequest::reply_waits_ms(bool early) const {
  return early ? downstream_.early_reply_waits_ms() : 0;
}

const Caller& DownstreamRequest::caller() const { return downstream_.caller(); }

void DownstreamRequest::LoadPeer() { downstream_.LoadPeer(); }

// Hot path.
void DownstreamRequest::Start(const http::RequestHead& head) {
  started_ = true;
  head_only_ = head.method_id == http::MethodId::kHead;
  upgrades_ = head.upgrade;
  // The bytes that follow belong to the tunnel and are not a request body.
  if (head.method_id == http::MethodId::kConnect || head.upgrade) {
    BecomeTunnel();
    body_over_ = true;
  }
  exchange_ = downstream_.servers().Take();
  exchange_->Start(*this, head);
}

Reason DownstreamRequest::why_gone() const {
  if (fault_.empty()) return Reason::kDownstreamReset;
  return fault_.starts_with("flood-") ? Reason::kFlood : Reason::kBadRequest;
}

// Hot path.
void DownstreamRequest::Tell() {
  if (exchange_ != nullptr) exchange_->OnDownstreamEvent();
}

size_t DownstreamRequest::SendInterim(const http::ResponseHead& head) {
  if (is_reset()) return 0;
  return downstream_.SendHead(*this, head, nullptr, {}, false);
}

// Hot path.
size_t DownstreamRequest::SendHead(const http::ResponseHead& head, const HeaderPlan* plan,
                                   std::string_view fields, const BodyPiece& first) {
  if (is_reset()) return 0;
  tunnels_ = head.body == http::BodyKind::kSwitched;
  const bool only = !tunnels_ && first.last && first.bytes.empty() && first.trailers.fields.empty();
  const size_t sent = downstream_.SendHead(*this, head, plan, fields, only);
  return only ? sent : sent + SendPiece(first);
}

size_t DownstreamRequest::SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields, bool) {
  if (is_reset()) return 0;
  const bool only = form == ReplyForm::kGrpc || head_only_ || reply.status == 204 || reply.body.empty();
  const size_t sent = downstream_.SendReply(*this, reply, form, fields, only);
  if (only) return sent;
  BodyPiece body;
  body.bytes = reply.body;
  body.last = true;
  return sent + SendPiece(body);
}

void DownstreamRequest::Refuse(const LocalReply& reply, ReplyForm form) {
  started_ = true;
  SendReply(reply, form, {}, false);
  // If the window does not take the reply now, waiting is not worth it.
  End(StreamEnd::kComplete, StreamError::kNone);
}

// Hot path.
Progress DownstreamRequest::End(StreamEnd how, StreamError why) {
  exchange_ = nullptr;
  const bool broken = how == StreamEnd::kTruncated || how == StreamEnd::kReset;
  if (broken && why == StreamError::kNone) why = StreamError::kInternal;
  // After a complete response the rest of the request is not needed (RFC 9113 section 8.1).
  downstream_.EndRequest(*this, broken ? static_cast<ErrorCode>(why) : ErrorCode::kNoError);
  return Progress::kClosed;
}

}  // namespace sideroute::http2
