// Vocabulary of heads, whatever the version of HTTP: spans, fields, methods, targets.
//
// Stage before: the parsers of http1. Stage after: whoever reads a head (http/head.h). Everything is plain
// data that refers to the bytes of one head by offset, so that these may move.
#ifndef SIDEROUTE_HTTP_TYPES_H_
#define SIDEROUTE_HTTP_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sideroute {

// Limits of a message head, in bytes and fields. Larger heads than 16 MiB are never accepted.
struct HeadLimits {
  // Start line, fields and the empty line that ends them.
  size_t max_head_bytes = 64 * 1024;
  size_t max_fields = 200;
  // Request line without its CRLF.
  size_t max_request_line = 8 * 1024;
};

}  // namespace sideroute

namespace sideroute::http {

// A run of the bytes of a head.
struct Span {
  uint32_t offset = 0;
  uint32_t length = 0;

  [[nodiscard]] constexpr std::string_view In(const char* data) const noexcept {
    return {data + offset, length};
  }
};

// Fields that decide framing, persistence or routing. Every other field is `kOther`.
enum class FieldId : uint8_t {
  kOther,
  kHost,
  kContentLength,
  kTransferEncoding,
  kConnection,
  kKeepAlive,
  kProxyConnection,
  kTe,
  kTrailer,
  kUpgrade,
  kExpect,
  kHttp2Settings,
};

// Set on a field that must not be forwarded: hop-by-hop (RFC 9110 section 7.6.1), named by Connection, or a
// repeat.
inline constexpr uint8_t kFieldDrop = 1;
// Set on a field whose line must not be forwarded as it came: framing that is not in the one form in which
// every server reads it the same, and in a response a name with blanks behind it. Whoever forwards it writes
// `Name: value`, with what was understood.
inline constexpr uint8_t kFieldAnew = 2;

// Set on a field that its sender has asked to keep out of the tables of HPACK, on every hop (RFC 7541 section
// 7.1.3).
inline constexpr uint8_t kFieldSensitive = 4;

// One field line; offsets count from the first byte of the section's buffer, the value is without outer
// whitespace.
struct Field {
  uint32_t name_offset;
  uint32_t value_offset;
  uint32_t value_length;
  uint16_t name_length;
  FieldId id;
  uint8_t flags;

  [[nodiscard]] constexpr std::string_view Name(const char* data) const noexcept {
    return {data + name_offset, name_length};
  }
  [[nodiscard]] constexpr std::string_view Value(const char* data) const noexcept {
    return {data + value_offset, value_length};
  }
  [[nodiscard]] constexpr bool drop() const noexcept { return (flags & kFieldDrop) != 0; }
  [[nodiscard]] constexpr bool sensitive() const noexcept { return (flags & kFieldSensitive) != 0; }
  [[nodiscard]] constexpr bool anew() const noexcept { return (flags & kFieldAnew) != 0; }
};

static_assert(sizeof(Field) == 16);

enum class MethodId : uint8_t {
  kOther,
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kConnect,
  kOptions,
  kTrace,
  kPatch
};

// RFC 9112 section 3.2.
enum class TargetForm : uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

// How the end of a message is found (RFC 9112 section 6.3). `kSwitched`: 101, or 2xx to CONNECT; no more HTTP
// follows.
enum class BodyKind : uint8_t { kNone, kLength, kChunked, kUntilClose, kSwitched };

// Parts of a request target; spans count from the first byte of the head.
struct Target {
  TargetForm form = TargetForm::kOrigin;
  // False: no `?` at all, unlike an empty query.
  bool has_query = false;
  // The whole target, byte-exact.
  Span whole;
  // Raw, not normalised: what is decoded here would have to be what backends decode. Empty for an
  // absolute-form without path, for authority-form and asterisk-form.
  Span path;
  // Without the `?`.
  Span query;
  // Host and port of absolute-form and authority-form; empty otherwise.
  Span authority;
};

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_TYPES_H_
