// Writes the head that is forwarded: the bytes of the head that came in, without what concerns only one
// connection.
//
// Stage before: http1/head. Stage after: the socket of the other side. Fields are copied in runs, so their
// order, case, repetition, whitespace and bytes stay. Only what the framing and persistence of the next
// connection need is added. A field that frames the message is always written in one form,
// `Transfer-Encoding: chunked` or `Content-Length: 5`, once, at its first position and with its name as
// received.
#ifndef SIDEROUTE_HTTP1_HEAD_WRITER_H_
#define SIDEROUTE_HTTP1_HEAD_WRITER_H_

#include <cstdint>
#include <string_view>

#include "http/engine_types.h"
#include "http/head.h"
#include "http/header_plan.h"
#include "http/stream.h"
#include "http1/body_writer.h"
#include "net/byte_buffer.h"

namespace sideroute {

// Appends the request head to `out`. `plan` may be null.
//
// An absolute-form target becomes origin-form and its authority becomes the Host (RFC 9112 section 3.2.2).
// The version becomes 1.1, the proxy's own (RFC 9110 section 2.5), unless the request has no Host, which
// HTTP/1.1 requires.
void WriteRequestHead(const http::RequestHead& head, const HeaderPlan* plan, ByteBuffer& out,
                      RequestCopy copy = RequestCopy::kOwn);

enum class ConnectionField : uint8_t { kNone, kClose, kKeepAlive };

struct ResponseHeadOptions {
  OutFraming framing = OutFraming::kRaw;
  ConnectionField connection = ConnectionField::kNone;
  // HTTP/1.0 does not know Transfer-Encoding.
  bool downstream_http10 = false;
  // The caller's HTTP library writes the head, with its own Date and the fields that frame the body. No
  // trailers follow.
  bool framed_elsewhere = false;
  const HeaderPlan* plan = nullptr;
  // Header lines of this response only, appended last.
  std::string_view fields;
};

// Appends the response head, interim ones included, to `out`.
void WriteResponseHead(const http::ResponseHead& head, const ResponseHeadOptions& options, ByteBuffer& out);

// Appends a local reply, with its body if `with_body`. `fields`: header lines of this reply only; `date`: the
// Date line.
void WriteReply(const LocalReply& reply, std::string_view fields, std::string_view date,
                ConnectionField connection, bool with_body, ByteBuffer& out);

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_HEAD_WRITER_H_
