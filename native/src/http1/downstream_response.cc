// The response half of a connection from an application: heads, replies, framing, and whether the connection
// stays open afterwards.
#include "http1/downstream.h"
#include "http1/head_writer.h"

namespace sideroute::http1 {

size_t Downstream::SendFramed(FramedPiece& framed, bool last) {
  context_.counters.bytes_downstream += framed.size();
  if (framed.size() > 0) Send(framed.parts(), last);
  return framed.size();
}

// HTTP/1.0 does not know interim responses (RFC 9110 section 15.2).
size_t Downstream::SendInterim(const http::ResponseHead& head) {
  if (http10_) return 0;
  ByteBuffer& out = context_.head;
  out.Restart();
  WriteResponseHead(head, {}, out);
  FramedPiece framed(out.view(), {}, OutFraming::kRaw);
  return SendFramed(framed, false);
}

// Hot path.
size_t Downstream::SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                            const BodyPiece& first) {
  ResponseHeadOptions options;
  options.plan = plan;
  options.fields = fields;
  switched_ = head.body == BodyKind::kSwitched;
  if (switched_) {
    close_ = true;
  } else {
    const bool unframed = head.body == BodyKind::kChunked || head.body == BodyKind::kUntilClose;
    options.downstream_http10 = http10_;
    options.framing = framing_ = unframed && !http10_ ? OutFraming::kChunked : OutFraming::kRaw;
    until_close_ = unframed && http10_;
    // If the response ends before the request body does, the connection has to close: the rest of the body
    // would be read as the next request.
    close_ = !keep_alive_ || until_close_ || context_.closes() || !request_done();
    if (close_) {
      options.connection = ConnectionField::kClose;
    } else if (http10_) {
      options.connection = ConnectionField::kKeepAlive;
    }
  }
  ByteBuffer& out = context_.head;
  out.Restart();
  WriteResponseHead(head, options, out);
  FramedPiece framed(out.view(), first, framing_);
  return SendFramed(framed, close_ && first.last);
}

size_t Downstream::SendBody(const BodyPiece& piece) {
  FramedPiece framed({}, piece, framing_);
  return SendFramed(framed, close_ && piece.last);
}

size_t Downstream::NoteSpliced(const BodyPiece& piece) {
  context_.counters.bytes_downstream += piece.wire_bytes;
  return piece.wire_bytes;
}

size_t Downstream::SendReply(const LocalReply& reply, ReplyForm, std::string_view fields, bool may_keep) {
  close_ = !may_keep || !keep_alive_ || !request_done() || context_.closes();
  ConnectionField connection = ConnectionField::kNone;
  if (close_) {
    connection = ConnectionField::kClose;
  } else if (http10_) {
    connection = ConnectionField::kKeepAlive;
  }
  ByteBuffer& out = context_.head;
  out.Restart();
  const bool with_body = reader_->head.head().method_id != MethodId::kHead;
  WriteReply(reply, fields, context_.DateLine(), connection, with_body, out);
  FramedPiece framed(out.view(), {}, OutFraming::kRaw);
  return SendFramed(framed, close_);
}

// If the framing shows that the body is incomplete, the bytes still unsent are worth delivering.
bool Downstream::Truncate(StreamError /*why*/) {
  close_ = true;
  return !until_close_ && has_unsent();
}

// Hot path.
Progress Downstream::End(StreamEnd how, StreamError /*why*/) {
  exchange_ = nullptr;
  timer_.Cancel();
  ++served_;
  idle_since_ms_ = context_.wheel.now_ms();
  const bool done = request_done();
  EndRead();
  switch (how) {
    case StreamEnd::kComplete:
      if (!close_ && done) return Progress::kNextRequest;
      // Unread bytes at close() would turn the FIN into a reset, which may overtake the response.
      CloseAfterResponse(done && NothingUnread());
      break;
    case StreamEnd::kRelayed:
      CloseNow(false);
      break;
    case StreamEnd::kTruncated:
      CloseNow(until_close_);
      break;
    case StreamEnd::kReset:
      CloseNow(true);
      break;
  }
  return Progress::kClosed;
}

}  // namespace sideroute::http1
