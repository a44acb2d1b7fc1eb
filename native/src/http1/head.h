// Request and response heads of HTTP/1.x, strict, incremental at every byte and without copies (RFC 9112).
//
// Stage before: the receive buffer of a connection, in which the head lies contiguously. Stage after: routing
// and the exchange, which read spans into the same buffer, and http1_body, which takes the body kind.
// Outcomes are those of SAFETY part 2, rows 1-48, 63-66 (requests) and 80-94 (responses); they depend on the
// bytes alone, never on how they were split into reads.
#ifndef SIDEROUTE_HTTP1_HEAD_H_
#define SIDEROUTE_HTTP1_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "http1/error.h"
#include "http1/fields.h"
#include "http1/framing.h"
#include "http1/target.h"
#include "http1/types.h"

namespace sideroute::http1 {

// What both directions have in common. Offsets count from the first byte given to the parser.
struct MessageHead {
  // Length of the head: start line to empty line, with a leading CRLF if there was one. The body begins
  // here.
  uint32_t length = 0;
  // 0 or 1: HTTP/1.0 or HTTP/1.1.
  uint8_t minor_version = 1;
  BodyKind body = BodyKind::kNone;
  // The message allows another one after it on its connection.
  bool keep_alive = false;
  // Bytes of the body when `body` is kLength.
  uint64_t content_length = 0;
  // In order of arrival.
  std::span<const Field> fields;
  FramingFacts facts;
};

struct RequestHead : MessageHead {
  // Offset of the request line: 2 after a leading CRLF (SAFETY 11), otherwise 0.
  uint32_t start = 0;
  Span method;
  MethodId method_id = MethodId::kOther;
  Target target;
  // Asks for another protocol with Connection and Upgrade, and not for h2c, which is never forwarded (SAFETY
  // 74).
  bool upgrade = false;
  // Holds its body back until a 100 (RFC 9110 section 10.1.1).
  bool expect_continue = false;
};

// What a response head is read against.
struct ResponseContext {
  MethodId method = MethodId::kGet;
  // The request forwarded an Upgrade; otherwise a 101 is an error (SAFETY 87).
  bool upgrade_requested = false;
};

struct ResponseHead : MessageHead {
  // 100 to 999; from 600 on they are forwarded as they are.
  uint16_t status = 0;
  Span reason;

  // Another head follows this one.
  [[nodiscard]] bool interim() const noexcept { return status < 200 && status != 101; }
};

// Parses one request head after another. Call Parse with everything received since the head began, again with
// more bytes after kNeedMore; the buffer may move in between. After kComplete use head(), then Reset() for
// the next request.
class RequestHeadParser {
 public:
  // At most min(limits.max_fields, storage.size()) fields are taken; `storage` must outlive parser and
  // heads.
  RequestHeadParser(std::span<Field> storage, const HeadLimits& limits) noexcept;

  void Reset() noexcept;
  [[nodiscard]] ParseStatus Parse(const char* data, size_t length) noexcept;

  // Valid after kComplete, until Reset.
  [[nodiscard]] const RequestHead& head() const noexcept { return head_; }
  [[nodiscard]] Error error() const noexcept { return error_; }
  // False while the request line is not complete and valid, also after an error in it.
  [[nodiscard]] bool request_line_done() const noexcept { return state_ >= State::kFields; }
  // Offset of the request line.
  [[nodiscard]] size_t request_line_start() const noexcept { return head_.start; }

 private:
  enum class State : uint8_t { kStart, kStartLf, kMethod, kTarget, kVersion, kFields, kDone };

  [[nodiscard]] ParseStatus Fail(Error error) noexcept;
  [[nodiscard]] ParseStatus ParseRequestLine(const char* data, size_t length) noexcept;
  [[nodiscard]] Error Conclude(const char* data) noexcept;

  RequestHead head_;
  FieldSection section_;
  HeadLimits limits_;
  size_t position_ = 0;
  State state_ = State::kStart;
  Error error_ = Error::kNone;
};

// The same for responses; Reset before each head, interim ones included.
class ResponseHeadParser {
 public:
  ResponseHeadParser(std::span<Field> storage, const HeadLimits& limits) noexcept;

  void Reset(const ResponseContext& context) noexcept;
  [[nodiscard]] ParseStatus Parse(const char* data, size_t length) noexcept;

  [[nodiscard]] const ResponseHead& head() const noexcept { return head_; }
  [[nodiscard]] Error error() const noexcept { return error_; }

 private:
  enum class State : uint8_t { kStatus, kAfterStatus, kReason, kReasonLf, kFields, kDone };

  [[nodiscard]] ParseStatus Fail(Error error) noexcept;
  [[nodiscard]] ParseStatus ParseStatusLine(const char* data, size_t stop) noexcept;
  [[nodiscard]] Error Conclude(const char* data) noexcept;
  [[nodiscard]] Error ConcludeBody() noexcept;

  ResponseHead head_;
  FieldSection section_;
  ResponseContext context_;
  size_t max_head_bytes_;
  size_t position_ = 0;
  State state_ = State::kStatus;
  Error error_ = Error::kNone;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_HEAD_H_
