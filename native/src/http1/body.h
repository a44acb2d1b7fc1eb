// Finds the end of a message body and the payload in it: Content-Length, chunked, or until the connection
// ends (RFC 9112 sections 6 and 7), in both directions.
//
// Stage before: http1/head, which says the kind. Stage after: the exchange forwards the payload from the same
// buffer and writes framing of its own.
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
  // Chunk extensions with the blanks around them, in bytes: of one chunk, and of one message so many or as
  // many as its payload so far, whichever is more. They are dropped.
  size_t max_line_extension_bytes = 4 * 1024;
  size_t max_extension_bytes = 16 * 1024;
  // The trailer section with its empty line, in bytes. It has to lie in one buffer.
  size_t max_trailer_bytes = 16 * 1024;
};

enum class BodyEvent : uint8_t { kNeedMore, kData, kDone, kError };

struct BodyStep {
  BodyEvent event;
  // Bytes taken from the front of the buffer, payload included.
  size_t consumed;
  // With kData: part of the buffer, never empty. With kDone: the trailer section, to which Field offsets
  // refer.
  std::string_view bytes;
};

// Call Next on what is unread until it answers kNeedMore, kDone or kError (also with no bytes: a body may be
// over already), and drop `consumed` bytes after each call. After kNeedMore the bytes not consumed must be
// given again, with more after them; that happens only inside a trailer section. Bytes after kDone belong to
// the next message, or to none.
class BodyDecoder {
 public:
  // `trailers` bounds the number of trailer fields and must outlive the decoder; `kind`: whose they are.
  BodyDecoder(SectionKind kind, std::span<Field> trailers, const BodyLimits& limits) noexcept
      : section_(kind, trailers), limits_(limits) {}

  void Start(BodyKind kind, uint64_t content_length) noexcept;
  [[nodiscard]] BodyStep Next(const char* data, size_t length) noexcept;

  // The connection ended: kDone, or kError with kTruncated.
  [[nodiscard]] BodyStep Finish() noexcept;

  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  // Bytes that follow as they are, of a body whose length is known; 0 of any
  // other.
  [[nodiscard]] uint64_t left() const noexcept { return state_ == State::kLength ? remaining_ : 0; }
  // So many of them went another way.
  void Skip(uint64_t bytes) noexcept {
    remaining_ -= bytes;
    if (remaining_ == 0) state_ = State::kDone;
  }
  [[nodiscard]] Error error() const noexcept { return error_; }
  // After kDone. Fields marked for dropping would frame, route or manage a connection.
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

  // What a chunk extension is made of (RFC 9112 section 7.1.1). `kBlanks`: only blanks and `;` may follow.
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
  // Goes on with the extensions of a chunk at `*at`, up to and with the CR of their line.
  [[nodiscard]] Error TakeExtensions(const char* data, size_t length, size_t* at) noexcept;
  [[nodiscard]] bool TakeExtensionByte(char c) noexcept;
  [[nodiscard]] BodyStep NextTrailers(const char* data, size_t from, size_t length) noexcept;

  FieldSection section_;
  BodyLimits limits_;
  // Payload bytes still to come, of the body or of the chunk.
  uint64_t remaining_ = 0;
  // Of the chunks so far.
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
