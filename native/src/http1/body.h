// Finds the end of a message body and the payload in it: Content-Length, chunked, or until the connection
// ends (RFC 9112 sections 6 and 7), in both directions.
//
// Stage before: http1/head, which says how the body is framed. Stage after: the exchange, which forwards the
// payload from the same buffer with framing of its own.
#ifndef SIDEROUTE_HTTP1_BODY_H_
#define SIDEROUTE_HTTP1_BODY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http1/error.h"
#include "http1/fields.h"
#include "http1/types.h"

namespace sideroute::http1 {

struct BodyLimits {
  // Limits for chunk extensions including whitespace, in bytes: per chunk, and per message. Per message, as
  // many bytes as the chunks have payload so far are allowed if that is more. Extensions are dropped.
  size_t max_line_extension_bytes = 4 * 1024;
  size_t max_extension_bytes = 16 * 1024;
  // The trailer section with its empty line, in bytes. It must be contiguous in one buffer.
  size_t max_trailer_bytes = 16 * 1024;
};

enum class BodyEvent : uint8_t { kNeedMore, kData, kDone, kError };

struct BodyStep {
  BodyEvent event;
  // Bytes consumed from the front of the buffer, payload included.
  size_t consumed;
  // With kData: part of the buffer, never empty. With kDone: the trailer section, to which Field offsets
  // refer.
  std::string_view bytes;
};

// Call Next on the unread bytes until it returns kNeedMore, kDone or kError, and drop `consumed` bytes after
// each call. Call it also without bytes, because a body may be complete already. After kNeedMore, pass the
// bytes that were not consumed again, followed by more; there are such bytes only inside a trailer section.
// Bytes after kDone do not belong to this message.
class BodyDecoder {
 public:
  // `trailers` limits the number of trailer fields and must outlive the decoder; `kind`: of requests or of
  // responses.
  BodyDecoder(SectionKind kind, std::span<Field> trailers, const BodyLimits& limits) noexcept
      : section_(kind, trailers), limits_(limits) {}

  void Start(BodyKind kind, uint64_t content_length) noexcept;
  [[nodiscard]] BodyStep Next(const char* data, size_t length) noexcept;

  // The connection has ended. Returns kDone, or kError with kTruncated.
  [[nodiscard]] BodyStep Finish() noexcept;

  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  // Payload bytes still to come in a body with Content-Length; 0 for any other body.
  [[nodiscard]] uint64_t left() const noexcept { return state_ == State::kLength ? remaining_ : 0; }
  // `bytes` of the payload were forwarded without being read here (spliced).
  void Skip(uint64_t bytes) noexcept {
    remaining_ -= bytes;
    if (remaining_ == 0) state_ = State::kDone;
  }
  [[nodiscard]] Error error() const noexcept { return error_; }
  // Valid after kDone. Fields with kFieldDrop frame, route or manage a connection and must not be forwarded.
  [[nodiscard]] std::span<const Field> trailers() const noexcept { return section_.fields(); }

 private:
  enum class State : uint8_t {
    kUntilClose,
    kLength,
    kChunkSize,
    kChunkExtension,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailers,
    kDone,
  };

  // Parser state within a chunk extension (RFC 9112 section 7.1.1). `kBlanks`: only whitespace and `;` may
  // follow.
  enum class Extension : uint8_t {
    kBlanks,
    kBeforeName,
    kName,
    kAfterName,
    kBeforeValue,
    kToken,
    kQuoted,
    kEscaped,
    kAfterQuoted,
  };

  [[nodiscard]] BodyStep Fail(Error error, size_t consumed) noexcept;
  // Parses the extensions of a chunk from `*at` up to and including the CR of their line.
  [[nodiscard]] Error TakeExtensions(const char* data, size_t length, size_t* at) noexcept;
  [[nodiscard]] bool TakeExtensionByte(char c) noexcept;
  [[nodiscard]] BodyStep NextTrailers(const char* data, size_t from, size_t length) noexcept;

  FieldSection section_;
  BodyLimits limits_;
  // Payload bytes still to come in the body or the chunk.
  uint64_t remaining_ = 0;
  // Totals over the chunks so far.
  uint64_t payload_bytes_ = 0;
  uint64_t extension_bytes_ = 0;
  size_t line_extension_bytes_ = 0;
  uint8_t size_digits_ = 0;
  Extension extension_ = Extension::kBlanks;
  State state_ = State::kDone;
  Error error_ = Error::kNone;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_BODY_H_
