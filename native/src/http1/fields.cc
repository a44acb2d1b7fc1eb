#include "http1/fields.h"

#include <limits>

#include "http/scan.h"

namespace sideroute::http1 {

void FieldSection::Start(size_t offset) noexcept {
  count_ = 0;
  position_ = offset;
  facts_ = FramingFacts{};
  state_ = State::kLineStart;
  error_ = Error::kNone;
}

ParseStatus FieldSection::Fail(Error error, size_t position) noexcept {
  error_ = error;
  position_ = position;
  return ParseStatus::kError;
}

ParseStatus FieldSection::Suspend(State state, size_t position) noexcept {
  state_ = state;
  position_ = position;
  return ParseStatus::kNeedMore;
}

Error FieldSection::AddField(const char* data, const char* value_end) noexcept {
  const char* value = data + value_offset_;
  while (value_end != value && IsBlank(value_end[-1])) --value_end;
  if (count_ == storage_.size()) return Error::kTooManyFields;
  Field& field = storage_[count_++];
  field.name_offset = static_cast<uint32_t>(name_offset_);
  field.name_length = static_cast<uint16_t>(name_length_);
  field.value_offset = static_cast<uint32_t>(value_offset_);
  field.value_length = static_cast<uint32_t>(value_end - value);
  field.flags = data[name_offset_ + name_length_] == ':' ? 0 : kFieldAnew;
  field.id = LookUpField(field.Name(data));
  return field.id == FieldId::kOther ? Error::kNone : NoteField(kind_, data, field, facts_);
}

// Hot path: native/test/bench.cc. The cases of the switch are the points where bytes can run out. If the
// whole head is available, the switch is entered once and parsing runs straight through the cases below.
ParseStatus FieldSection::Parse(const char* data, size_t stop) noexcept {
  if (error_ != Error::kNone) return ParseStatus::kError;
  const char* p = data + position_;
  const char* const end = data + stop;
  const auto at = [data](const char* pointer) { return static_cast<size_t>(pointer - data); };

  State state = state_;
  for (;;) {
    switch (state) {
      case State::kLineStart:
        if (p == end) return Suspend(State::kLineStart, at(p));
        if (*p == '\r') {
          ++p;
          state = State::kEndLf;
          continue;
        }
        // Refuses a folded line, and whitespace before the first field.
        if (IsBlank(*p)) return Fail(Error::kFieldFolded, at(p));
        name_offset_ = at(p);
        [[fallthrough]];

      case State::kName:
        p = SkipToken(SkipPlain(p, end), end);
        if (p == end) return Suspend(State::kName, at(p));
        name_length_ = at(p) - name_offset_;
        // The colon must follow a non-empty name directly.
        if (*p != ':' || name_length_ == 0) {
          if (!IsBlank(*p) || name_length_ == 0 || !TakesBlanks()) return Fail(Error::kFieldName, at(p));
          state = State::kBeforeColon;
          continue;
        }
      colon:
        if (name_length_ > std::numeric_limits<uint16_t>::max()) return Fail(Error::kHeadTooLarge, at(p));
        ++p;
        [[fallthrough]];

      case State::kBeforeValue:
        p = SkipBlanks(p, end);
        if (p == end) return Suspend(State::kBeforeValue, at(p));
        value_offset_ = at(p);
        [[fallthrough]];

      case State::kValue:
        p = SkipValue(p, end);
        if (p == end) return Suspend(State::kValue, at(p));
        // Refuses NUL, control characters and a bare LF.
        if (*p != '\r') return Fail(*p == '\n' ? Error::kLineEnd : Error::kFieldValue, at(p));
        ++p;
        [[fallthrough]];

      case State::kValueLf:
        if (p == end) return Suspend(State::kValueLf, at(p));
        // Refuses a bare CR.
        if (*p != '\n') return Fail(Error::kLineEnd, at(p));
        if (const Error error = AddField(data, p - 1); error != Error::kNone) return Fail(error, at(p));
        ++p;
        state = State::kLineStart;
        continue;

      case State::kBeforeColon:
        p = SkipBlanks(p, end);
        if (p == end) return Suspend(State::kBeforeColon, at(p));
        if (*p != ':') return Fail(Error::kFieldName, at(p));
        goto colon;

      case State::kEndLf:
        if (p == end) return Suspend(State::kEndLf, at(p));
        if (*p != '\n') return Fail(Error::kLineEnd, at(p));
        position_ = at(p) + 1;
        return ParseStatus::kComplete;
    }
  }
}

}  // namespace sideroute::http1
