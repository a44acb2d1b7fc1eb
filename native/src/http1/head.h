// Parsers for request and response heads of HTTP/1.x (RFC 9112): strict, resumable at every byte and without
// copies.
//
// Stage before: the receive buffer of a connection, in which the head is contiguous. Stage after: routing and
// the exchange, which read spans into the same buffer, and http1/body, which takes the body kind.
// docs/safety-cases.md lists the outcomes; they depend only on the bytes, never on how reads split them.
#ifndef SIDEROUTE_HTTP1_HEAD_H_
#define SIDEROUTE_HTTP1_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "http/head.h"
#include "http1/error.h"
#include "http1/fields.h"
#include "http1/framing.h"
#include "http1/target.h"
#include "http1/types.h"

namespace sideroute::http1 {

// `keep_alive`: the message allows another one after it on the same connection.
struct RequestHead : http::RequestHead {
  bool keep_alive = false;
};

struct ResponseHead : http::ResponseHead {
  bool keep_alive = false;
};

// Facts of the request that decide how its response head is read.
struct ResponseContext {
  MethodId method = MethodId::kGet;
  // The request forwarded an Upgrade; otherwise a 101 is an error.
  bool upgrade_requested = false;
};

// Parses one request head after another. Call Parse with everything received since the head began, and after
// kNeedMore again with more bytes; the buffer may move in between. After kComplete use head(), then Reset()
// for the next request.
class RequestHeadParser {
 public:
  // Accepts at most min(limits.max_fields, storage.size()) fields; `storage` must outlive the parser and its
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

// The same for responses. Call Reset before each head, including interim ones.
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
