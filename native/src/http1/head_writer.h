// Writes the head that goes on from the head that came in: the same bytes, without what concerns one
// connection only.
//
// Stage before: http1/head. Stage after: the socket of the other side. Fields are copied in runs, so their
// order, case, repetition, blanks and bytes stay; nothing is added but what framing and persistence of the
// next connection need. What frames the message leaves in one form only: `Transfer-Encoding: chunked` or
// `Content-Length: 5`, once, where it stood first and with its name as it was spelt.
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
// An absolute-form target becomes origin-form and its authority the Host (RFC 9112 section 3.2.2).
// The version becomes 1.1, which is ours (RFC 9110 section 2.5), unless there is no Host to make such a
// request valid.
void WriteRequestHead(const http::RequestHead& head, const HeaderPlan* plan, ByteBuffer& out,
                      RequestCopy copy = RequestCopy::kOwn);

enum class ConnectionField : uint8_t { kNone, kClose, kKeepAlive };

struct ResponseHeadOptions {
  OutFraming framing = OutFraming::kRaw;
  ConnectionField connection = ConnectionField::kNone;
  // Transfer-Encoding means nothing to an HTTP/1.0 downstream.
  bool downstream_http10 = false;
  // Somebody else writes it, and with it the fields that frame a body, and Date. No trailers follow.
  bool framed_elsewhere = false;
  const HeaderPlan* plan = nullptr;
  // Lines of this response alone, appended last.
  std::string_view fields;
};

// Appends the response head, interim ones included, to `out`.
void WriteResponseHead(const http::ResponseHead& head, const ResponseHeadOptions& options, ByteBuffer& out);

// Appends a reply made here, body included if `with_body`. `fields`: lines of this reply alone; `date`: a
// line, too.
void WriteReply(const LocalReply& reply, std::string_view fields, std::string_view date,
                ConnectionField connection, bool with_body, ByteBuffer& out);

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_HEAD_WRITER_H_
