#include "http2/upstream_stream.h"

#include "http/scan.h"
#include "http2/upstream.h"
#include "http2/websocket.h"

namespace sideroute::http2 {

UpstreamRequest::UpstreamRequest(Upstream& connection, BlockPool& blocks, StreamUser& user, Executed executed,
                                 bool connecting)
    : Stream(connection, blocks, 0), upstream_(connection), user_(&user) {
  connecting_ = connecting;
  executed_ = executed;
  refusable_ = true;
  takes_data_ = false;
}

// Hot path.
void UpstreamRequest::SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                               const BodyPiece& first) {
  if (is_reset()) return;
  method_ = head.method_id;
  tunnels_ = head.upgrade || head.method_id == http::MethodId::kConnect;
  if (head.upgrade) {
    for (const http::Field& field : head.fields) {
      if (field.id == http::FieldId::kUpgrade) protocol_ = field.Value(head.data);
      if (http::NamesEqual(field.Name(head.data), "sec-websocket-key"))
        accept_ = WebSocketAccept(field.Value(head.data));
    }
    switch (upstream_.connects()) {
      case Upstream::Connects::kYes:
        break;
      case Upstream::Connects::kNo:
        return RefuseConnect();
      case Upstream::Connects::kUnknown:
        // An extended CONNECT has no body; bytes after it wait for the response.
        awaited_ = std::make_unique<KeptRequest>(upstream_.blocks());
        awaited_->Keep(head);
        awaited_plan_ = plan;
        return upstream_.AwaitConnects();
    }
  }
  const bool only = !tunnels_ && first.last && first.bytes.empty() && first.trailers.fields.empty();
  upstream_.SendHead(*this, head, plan, copy, only);
  if (!only && !(tunnels_ && first.bytes.empty())) SendPiece(first);
}

void UpstreamRequest::SendAwaited() {
  if (upstream_.connects() == Upstream::Connects::kNo) return RefuseConnect();
  const std::unique_ptr<KeptRequest> awaited = std::move(awaited_);
  upstream_.SendHead(*this, awaited->head(), awaited_plan_, RequestCopy::kOwn, false);
  if (send_ended_) SendLast();
}

// The peer does not announce extended CONNECT, so none may be sent (RFC 8441 section 3).
void UpstreamRequest::RefuseConnect() {
  awaited_ = nullptr;
  fault_ = "no-extended-connect";
  upstream_.GiveUp(*this);
}

// A FIN from an HTTP/1.1 caller ends only its connection; the request is complete already.
void UpstreamRequest::SendEnd() {
  send_ended_ = true;
  if (tunnels_ && !awaits_connects()) SendLast();
}

// Hot path.
ReadResult UpstreamRequest::ReadHead(const http::ResponseHead** head) {
  // Nothing of a malformed response is passed on.
  if (head_ != nullptr && fault_.empty()) {
    *head = head_;
    head_given_ = true;
    return ReadResult::kGiven;
  }
  if (!is_reset()) return ReadResult::kAgain;
  return fault_.empty() ? ReadResult::kReset : ReadResult::kMalformed;
}

// Hot path.
void UpstreamRequest::Took() {
  if (head_given_) {
    head_ = nullptr;
    head_given_ = false;
  }
  TookPiece();
}

// A head that nobody has taken yet can only be an interim one, which the next head replaces.
void UpstreamRequest::TakeHead(const http::ResponseHead& head) {
  begun_ = true;
  executed_ = Executed::kPossibly;
  head_ = &head;
  head_given_ = false;
  if (head.interim()) return;
  in_body_ = takes_data_ = true;
  if (head.body == http::BodyKind::kSwitched) BecomeTunnel();
}

void UpstreamRequest::KeepHead() {
  if (head_ == nullptr || head_ == &kept_) return;
  kept_bytes_.assign(head_->data, head_->length);
  kept_fields_.assign(head_->fields.begin(), head_->fields.end());
  kept_ = *head_;
  kept_.data = kept_bytes_.data();
  kept_.fields = kept_fields_;
  head_ = &kept_;
}

void UpstreamRequest::NoteReset(Executed executed, StreamError error) {
  if (!begun_) executed_ = executed;
  error_ = error;
}

void UpstreamRequest::NoteStands() {
  connecting_ = false;
  if (user_ == nullptr) return;
  user_->OnConnected();
  if (user_ != nullptr) user_->OnStreamEvent();
}

}  // namespace sideroute::http2
