#include "http1_head.h"

#include <algorithm>
#include <cstring>

#include "http1_scan.h"

namespace sideroute::http1 {
namespace {

// Offsets are 32 bits wide; nobody configures heads beyond this.
constexpr size_t kHeadCeiling = 16 * 1024 * 1024;

// "HTTP/1.1" CR LF
constexpr size_t kVersionLength = 10;

// Checks the first `length` bytes of `HTTP/D.D` CR LF one by one, so that a partial version fails where a
// whole one does.
Error CheckVersion(const char* p, size_t length) noexcept {
  constexpr std::string_view kPattern = "HTTP/d.d\r\n";
  for (size_t i = 0; i < length; ++i) {
    const bool match = kPattern[i] == 'd' ? Is(p[i], kDigitByte) : p[i] == kPattern[i];
    if (!match) return i < 8 ? Error::kVersionSyntax : Error::kLineEnd;
  }
  return Error::kNone;
}

// SAFETY 3: the versions here are 1.0 and 1.1; a later 1.x has no meaning that could be relied on.
bool TakeVersion(const char* p, MessageHead& head) noexcept {
  if (p[5] != '1' || (p[7] != '0' && p[7] != '1')) return false;
  head.minor_version = static_cast<uint8_t>(p[7] - '0');
  return true;
}

HeadLimits Clamp(HeadLimits limits) noexcept {
  limits.max_head_bytes = std::min(limits.max_head_bytes, kHeadCeiling);
  limits.max_request_line = std::min(limits.max_request_line, kHeadCeiling);
  return limits;
}

bool KeepsAlive(const MessageHead& head) noexcept {
  if (head.facts.connection_close) return false;
  return head.minor_version == 1 || head.facts.connection_keep_alive;
}

// SAFETY 34, 39, 40, 42, 43, 80, 82: what Transfer-Encoding may be once the head is complete.
Error CheckTransferEncoding(const MessageHead& head) noexcept {
  const FramingFacts& facts = head.facts;
  if (head.minor_version == 0) return Error::kTransferEncodingInHttp10;
  if (facts.Has(FieldId::kContentLength)) return Error::kLengthAndTransferEncoding;
  if (!facts.chunked) return Error::kTransferEncodingInvalid;
  return facts.other_coding ? Error::kTransferEncodingUnsupported : Error::kNone;
}

void TakeFields(const char* data, FieldSection& section, MessageHead& head) noexcept {
  if (section.facts().named_fields != 0) DropNamedFields(data, section.fields(), section.facts());
  head.length = static_cast<uint32_t>(section.position());
  head.fields = section.fields();
  head.facts = section.facts();
}

}  // namespace

RequestHeadParser::RequestHeadParser(std::span<Field> storage, const HeadLimits& limits) noexcept
    : section_(SectionKind::kRequest, storage.first(std::min(storage.size(), limits.max_fields))),
      limits_(Clamp(limits)) {}

void RequestHeadParser::Reset() noexcept {
  head_ = RequestHead{};
  position_ = 0;
  state_ = State::kStart;
  error_ = Error::kNone;
}

ParseStatus RequestHeadParser::Fail(Error error) noexcept {
  error_ = error;
  return ParseStatus::kError;
}

ParseStatus RequestHeadParser::Parse(const char* data, size_t length) noexcept {
  if (error_ != Error::kNone) return ParseStatus::kError;
  if (state_ == State::kDone) return ParseStatus::kComplete;
  if (state_ < State::kFields) {
    if (const ParseStatus status = ParseRequestLine(data, length); status != ParseStatus::kComplete)
      return status;
    section_.Start(position_);
    state_ = State::kFields;
  }
  const size_t stop = std::min(length, limits_.max_head_bytes);
  const ParseStatus status = section_.Parse(data, stop);
  if (status == ParseStatus::kError) return Fail(section_.error());
  if (status == ParseStatus::kNeedMore) {
    return stop == limits_.max_head_bytes ? Fail(Error::kHeadTooLarge) : status;  // SAFETY 64
  }
  if (const Error error = Conclude(data); error != Error::kNone) return Fail(error);
  state_ = State::kDone;
  return ParseStatus::kComplete;
}

ParseStatus RequestHeadParser::ParseRequestLine(const char* data, size_t length) noexcept {
  // The limit is a place, not a comparison of lengths, so that the outcome is the same however the bytes
  // arrive.
  size_t stop;
  const char* p;
  const char* end;
  const auto at = [data](const char* pointer) { return static_cast<uint32_t>(pointer - data); };
  const auto set_stop = [&] {
    const size_t limit = std::min(head_.start + limits_.max_request_line + 2, limits_.max_head_bytes);
    stop = std::min(length, limit);
    end = data + stop;
    return limit;
  };
  size_t limit = set_stop();
  const auto suspend = [&] {
    position_ = at(p);
    return stop == limit ? Fail(Error::kRequestLineTooLong) : ParseStatus::kNeedMore;  // SAFETY 63
  };
  p = data + position_;

  switch (state_) {
    case State::kStart:
      if (p == end) return suspend();
      if (*p != '\r') {
        state_ = State::kMethod;
        goto method;
      }
      ++p;
      state_ = State::kStartLf;
      [[fallthrough]];

    case State::kStartLf:
      if (p == end) return suspend();
      if (*p != '\n') return Fail(Error::kMethod);
      // SAFETY 11: one empty line is skipped; a second one is no method.
      ++p;
      head_.start = at(p);
      limit = set_stop();
      state_ = State::kMethod;
      [[fallthrough]];

    case State::kMethod:
    method:
      p = SkipToken(p, end);
      if (p == end) return suspend();
      head_.method = {head_.start, at(p) - head_.start};
      if (*p != ' ' || head_.method.length == 0) return Fail(Error::kMethod);  // SAFETY 1, 4
      head_.method_id = LookUpMethod(head_.method.In(data));
      ++p;
      head_.target.whole.offset = at(p);
      state_ = State::kTarget;
      [[fallthrough]];

    case State::kTarget:
      p = SkipTarget(p, end);
      if (p == end) return suspend();
      head_.target.whole.length = at(p) - head_.target.whole.offset;
      // SAFETY 1, 2, 6: a blank too many, no version, or a byte that no target holds.
      if (*p != ' ' || head_.target.whole.length == 0) return Fail(Error::kTarget);
      ++p;
      state_ = State::kVersion;
      [[fallthrough]];

    case State::kVersion: {
      const size_t available = std::min(static_cast<size_t>(end - p), kVersionLength);
      if (available == kVersionLength && std::memcmp(p, "HTTP/1.1\r\n", kVersionLength) == 0) {
        head_.minor_version = 1;
      } else {
        if (const Error error = CheckVersion(p, available); error != Error::kNone) return Fail(error);
        if (available < kVersionLength) {
          // Everything up to `end` is looked at again when more arrives: nine bytes at most.
          position_ = at(p);
          return stop == limit ? Fail(Error::kRequestLineTooLong) : ParseStatus::kNeedMore;
        }
        if (!TakeVersion(p, head_)) return Fail(Error::kVersionUnsupported);
      }
      position_ = at(p) + kVersionLength;
      break;
    }

    case State::kFields:
    case State::kDone:
      break;
  }
  // Only now, so that `PRI * HTTP/2.0` is a version not supported rather than a bad target (SAFETY 78).
  if (!ParseTarget(data, head_.target.whole, head_.method_id, head_.target)) return Fail(Error::kTarget);
  return ParseStatus::kComplete;
}

Error RequestHeadParser::Conclude(const char* data) noexcept {
  TakeFields(data, section_, head_);
  const FramingFacts& facts = head_.facts;
  if (!facts.Has(FieldId::kHost) && head_.minor_version == 1) return Error::kHostMissing;  // SAFETY 13, 24
  if (facts.Has(FieldId::kTransferEncoding)) {
    if (const Error error = CheckTransferEncoding(head_); error != Error::kNone) return error;
    head_.body = BodyKind::kChunked;
  } else if (facts.Has(FieldId::kContentLength)) {
    head_.body = BodyKind::kLength;  // SAFETY 44: whatever the method
    head_.content_length = facts.content_length;
  } else {
    head_.body = BodyKind::kNone;  // SAFETY 45
  }
  head_.keep_alive = KeepsAlive(head_);
  // HTTP/1.0 knows neither (RFC 9110 sections 7.8 and 10.1.1).
  head_.upgrade =
      head_.minor_version == 1 && facts.connection_upgrade && facts.upgrade_protocol && !facts.upgrade_h2c;
  head_.expect_continue = head_.minor_version == 1 && facts.expect_continue;
  return Error::kNone;
}

}  // namespace sideroute::http1
