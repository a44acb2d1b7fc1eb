// The field section of a head or a trailer section: lines `name: value` up to and including the empty line.
//
// Stage before: http1/head after the start line, http1/body after the last chunk. Stage after: http1/framing,
// field by field as each line ends. Parsing resumes at the byte where the previous call ran out, so every
// byte is looked at once.
#ifndef SIDEROUTE_HTTP1_FIELDS_H_
#define SIDEROUTE_HTTP1_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "http1/error.h"
#include "http1/framing.h"
#include "http1/types.h"

namespace sideroute::http1 {

class FieldSection {
 public:
  // Fields are stored in `storage`, which must outlive the section; its size limits their number.
  FieldSection(SectionKind kind, std::span<Field> storage) noexcept : storage_(storage), kind_(kind) {}

  // The section begins at `offset` of the buffer that Parse gets.
  void Start(size_t offset) noexcept;

  // Continues with `data`: the same bytes as before, and possibly more. Does not look at bytes from `stop`
  // on; the caller decides whether it is an error to run out of bytes there.
  [[nodiscard]] ParseStatus Parse(const char* data, size_t stop) noexcept;

  // First byte not yet taken; after kComplete, the byte after the empty line.
  [[nodiscard]] size_t position() const noexcept { return position_; }
  [[nodiscard]] Error error() const noexcept { return error_; }
  [[nodiscard]] std::span<Field> fields() const noexcept { return storage_.first(count_); }
  [[nodiscard]] const FramingFacts& facts() const noexcept { return facts_; }
  [[nodiscard]] FramingFacts& facts() noexcept { return facts_; }

 private:
  enum class State : uint8_t { kLineStart, kName, kBeforeColon, kBeforeValue, kValue, kValueLf, kEndLf };

  [[nodiscard]] ParseStatus Fail(Error error, size_t position) noexcept;
  [[nodiscard]] ParseStatus Suspend(State state, size_t position) noexcept;
  [[nodiscard]] Error AddField(const char* data, const char* value_end) noexcept;
  // Whitespace between a name and its colon is removed from responses and refused in requests (RFC 9112
  // section 5.1).
  [[nodiscard]] bool TakesBlanks() const noexcept {
    return kind_ == SectionKind::kResponse || kind_ == SectionKind::kResponseTrailer;
  }

  std::span<Field> storage_;
  size_t count_ = 0;
  size_t position_ = 0;
  size_t name_offset_ = 0;
  size_t name_length_ = 0;
  size_t value_offset_ = 0;
  FramingFacts facts_;
  SectionKind kind_;
  State state_ = State::kLineStart;
  Error error_ = Error::kNone;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_FIELDS_H_
