// Basic types of heads, whatever the version of HTTP: spans, fields, methods, targets.
//
// Stage before: the parsers of http1 and the head builder of http2. Stage after: all users of a head
// (http/head.h). Everything is plain data that refers to the bytes of one head by offset, so the bytes may
// move.
#ifndef SIDEROUTE_HTTP_TYPES_H_
#define SIDEROUTE_HTTP_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sideroute {

// Limits of a message head, in bytes and fields. Heads larger than 16 MiB are never accepted.
struct HeadLimits {
  // Start line, fields and the final empty line.
  size_t max_head_bytes = 64 * 1024;
  size_t max_fields = 200;
  // Request line without its CRLF.
  size_t max_request_line = 8 * 1024;
};

}  // namespace sideroute

namespace sideroute::http {

// A range of the bytes of a head.
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

// Marks a field that must not be forwarded: it is hop-by-hop (RFC 9110 section 7.6.1), named by Connection,
// or a repeat.
inline constexpr uint8_t kFieldDrop = 1;
// Marks a field whose line must not be forwarded as received: a framing field not in the one form that all
// servers read alike, or a response field with whitespace after its name. Writers write `Name: value` with
// the parsed value.
inline constexpr uint8_t kFieldAnew = 2;

// Marks a field that its sender wants kept out of HPACK tables, on every hop (RFC 7541 section 7.1.3).
inline constexpr uint8_t kFieldSensitive = 4;

// One field line. Offsets count from the first byte of the section's buffer; the value has no outer
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

// How the end of a message is found (RFC 9112 section 6.3). `kSwitched`: after a 101, or a 2xx to CONNECT, no
// more HTTP follows.
enum class BodyKind : uint8_t { kNone, kLength, kChunked, kUntilClose, kSwitched };

// Parts of a request target; spans count from the first byte of the head.
struct Target {
  TargetForm form = TargetForm::kOrigin;
  // False if there is no `?` at all; an empty query counts as a query.
  bool has_query = false;
  // The whole target, byte-exact.
  Span whole;
  // Raw, not normalised, because decoding here could differ from what backends do. Empty for an absolute-form
  // without path, for authority-form and asterisk-form.
  Span path;
  // Without the `?`.
  Span query;
  // Host and port of absolute-form and authority-form; empty otherwise.
  Span authority;
};

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_TYPES_H_
