// A message head, in one form for all versions of HTTP: for the code that decides about a message, edits,
// writes or logs it.
//
// Stage before: a parser. Stage after: the host's decision and its memo, header plans, the access log, and
// the writers of heads. Plain data that refers to the bytes at `data`: a head is valid as long as these bytes
// are, and code that needs it longer copies both.
//
// The bytes of the fields are lines as in HTTP/1.1, `name: value CRLF`, one after another, so that what is
// forwarded unchanged is copied in runs.
// is forwarded unchanged is copied in runs.
#ifndef SIDEROUTE_HTTP_HEAD_H_
#define SIDEROUTE_HTTP_HEAD_H_

#include <cstdint>
#include <span>

#include "http/types.h"

namespace sideroute::http {

// What the fields of a head together mean, as far as code other than the parser needs it.
struct FieldFacts {
  // As declared, if kContentLength occurred; the length of the body is MessageHead::content_length.
  uint64_t content_length = 0;
  Span host;
  // One bit per FieldId that occurred.
  uint16_t seen = 0;
  // `chunked` was the last coding.
  bool chunked = false;
  bool connection_upgrade = false;
  // `TE: trailers`.
  bool te_trailers = false;

  [[nodiscard]] constexpr bool Has(FieldId id) const noexcept {
    return (seen >> static_cast<unsigned>(id) & 1u) != 0;
  }
};

// What both directions have in common.
struct MessageHead {
  // Set once the head is complete; all offsets count from here.
  const char* data = nullptr;
  // Length of the head from start line to empty line, with a leading CRLF if there was one. The body begins
  // here.
  uint32_t length = 0;
  // 0 or 1: HTTP/1.0 or HTTP/1.1.
  uint8_t minor_version = 1;
  BodyKind body = BodyKind::kNone;
  // Bytes of the body when `body` is kLength.
  uint64_t content_length = 0;
  // In order of arrival.
  std::span<const Field> fields;
  FieldFacts facts;

  [[nodiscard]] bool has_body() const noexcept {
    return body == BodyKind::kLength ? content_length > 0 : body != BodyKind::kNone;
  }
};

struct RequestHead : MessageHead {
  // Offset of the request line: 2 after a leading CRLF, otherwise 0.
  uint32_t start = 0;
  Span method;
  MethodId method_id = MethodId::kOther;
  Target target;
  // The request asks for another protocol with Connection and Upgrade. False for h2c, which is never
  // forwarded.
  bool upgrade = false;
  // The client holds back the body until it gets a 100 (RFC 9110 section 10.1.1).
  bool expect_continue = false;
};

struct ResponseHead : MessageHead {
  // 100 to 999; values from 600 on are forwarded unchanged.
  uint16_t status = 0;
  Span reason;

  // Another head follows this one.
  [[nodiscard]] bool interim() const noexcept { return status < 200 && status != 101; }
};

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_HEAD_H_
