// What the fields of one head together determine: framing, persistence and hop-by-hop fields.
//
// Stage before: http1/fields hands over each field as its line ends. Stage after: http1/head turns the facts
// into a body kind, keep-alive and upgrade intent.
#ifndef SIDEROUTE_HTTP1_FRAMING_H_
#define SIDEROUTE_HTTP1_FRAMING_H_

#include <cstdint>
#include <span>

#include "http/head.h"
#include "http1/error.h"
#include "http1/types.h"

namespace sideroute::http1 {

// The section that the fields belong to; the rules differ in details.
enum class SectionKind : uint8_t { kRequest, kResponse, kRequestTrailer, kResponseTrailer };

[[nodiscard]] constexpr bool IsTrailer(SectionKind kind) noexcept {
  return kind >= SectionKind::kRequestTrailer;
}

struct FramingFacts : http::FieldFacts {
  // Number of connection options that name fields without special handling here.
  uint16_t named_fields = 0;
  // A coding other than `chunked` was named.
  bool other_coding = false;
  bool connection_close = false;
  bool connection_keep_alive = false;
  // An Upgrade that names a protocol.
  bool upgrade_protocol = false;
  // An Upgrade that names h2c.
  bool upgrade_h2c = false;
  bool expect_continue = false;
  // Errors in the lengths and codings of a response, which count only if those fields frame it.
  Error length_error = Error::kNone;
  Error coding_error = Error::kNone;
};

// The lookup is case-insensitive; `name` must consist of token bytes.
[[nodiscard]] FieldId LookUpField(std::string_view name) noexcept;

// Records a field whose id is not kOther, and marks it for dropping if it is hop-by-hop.
[[nodiscard]] Error NoteField(SectionKind kind, const char* data, Field& field, FramingFacts& facts) noexcept;

// Marks the fields that Connection names. Call once, after the last field, when `named_fields` is
// not 0.
void DropNamedFields(const char* data, std::span<Field> fields, FramingFacts& facts) noexcept;

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_FRAMING_H_
