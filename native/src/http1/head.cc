#include "http1/head.h"

#include <algorithm>
#include <cstring>

#include "http/scan.h"

namespace sideroute::http1 {
namespace {

// Offsets are 32 bits wide; no sensible limit is beyond this.
constexpr size_t kHeadCeiling = size_t{16} * 1024 * 1024;

// `d` stands for a digit.
constexpr std::string_view kVersionPattern = "HTTP/d.d\r\n";
constexpr std::string_view kStatusPattern = "HTTP/d.d ddd";

// The number of the first `length` bytes that match the pattern. It is also called with an incomplete line,
// so that a malformed one fails at the same byte however the bytes were split.
size_t CountMatches(std::string_view pattern, const char* p, size_t length) noexcept {
  size_t i = 0;
  while (i < length && (pattern[i] == 'd' ? Is(p[i], kDigitByte) : p[i] == pattern[i])) ++i;
  return i;
}

// Accepts 1.0 and 1.1 only: the meaning of a later 1.x is not defined.
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

bool KeepsAlive(const MessageHead& head, const FramingFacts& facts) noexcept {
  if (facts.connection_close) return false;
  return head.minor_version == 1 || facts.connection_keep_alive;
}

// Checks Transfer-Encoding once the head is complete.
Error CheckTransferEncoding(const MessageHead& head, const FramingFacts& facts) noexcept {
  if (facts.coding_error != Error::kNone) return facts.coding_error;
  if (head.minor_version == 0) return Error::kTransferEncodingInHttp10;
  if (facts.Has(FieldId::kContentLength)) return Error::kLengthAndTransferEncoding;
  if (!facts.chunked) return Error::kTransferEncodingInvalid;
  return facts.other_coding ? Error::kTransferEncodingUnsupported : Error::kNone;
}

// A CONNECT has no body (RFC 9110 section 9.3.6). Whatever its fields say, servers may read the bytes after
// its head as the next request.
Error CheckConnect(const RequestHead& head, const char* data) noexcept {
  const bool empty =
      head.body == BodyKind::kNone || (head.body == BodyKind::kLength && head.content_length == 0);
  if (!empty) return Error::kConnectWithBody;
  // Servers may read either of the two, so both must name the same authority (RFC 9112 section 3.2).
  const bool same = !head.facts.Has(FieldId::kHost) ||
                    SameAuthority(head.target.authority.In(data), head.facts.host.In(data));
  return same ? Error::kNone : Error::kHostDiffers;
}

void TakeFields(const char* data, FieldSection& section, MessageHead& head) noexcept {
  if (section.facts().named_fields != 0) DropNamedFields(data, section.fields(), section.facts());
  head.length = static_cast<uint32_t>(section.position());
  head.fields = section.fields();
  head.data = data;
  head.facts = section.facts();
}

void DropContentLength(std::span<Field> fields) noexcept {
  for (Field& field : fields) {
    if (field.id == FieldId::kContentLength) field.flags |= kFieldDrop;
  }
}

// Whether the fields announce a body.
bool AnnouncesBody(const FramingFacts& facts) noexcept {
  return facts.Has(FieldId::kTransferEncoding) || facts.content_length != 0 ||
         facts.length_error != Error::kNone;
}

}  // namespace

RequestHeadParser::RequestHeadParser(std::span<Field> storage, const HeadLimits& limits) noexcept
    : section_(SectionKind::kRequest, storage.first(std::min(storage.size(), limits.max_fields))),
      limits_(Clamp(limits)) {}

// All other members of the head are written by a complete parse.
void RequestHeadParser::Reset() noexcept {
  head_.start = 0;
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
    return stop == limits_.max_head_bytes ? Fail(Error::kHeadTooLarge) : status;
  }
  if (const Error error = Conclude(data); error != Error::kNone) return Fail(error);
  state_ = State::kDone;
  return ParseStatus::kComplete;
}

ParseStatus RequestHeadParser::ParseRequestLine(const char* data, size_t length) noexcept {
  // The limit is a position and not a length to compare, so that the outcome does not depend on how the bytes
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
    return stop == limit ? Fail(Error::kRequestLineTooLong) : ParseStatus::kNeedMore;
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
      // One empty line is skipped (RFC 9112 section 2.2); a second one fails as a method.
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
      if (*p != ' ' || head_.method.length == 0) return Fail(Error::kMethod);
      head_.method_id = LookUpMethod(head_.method.In(data));
      ++p;
      head_.target.whole.offset = at(p);
      state_ = State::kTarget;
      [[fallthrough]];

    case State::kTarget:
      p = SkipTarget(p, end);
      if (p == end) return suspend();
      head_.target.whole.length = at(p) - head_.target.whole.offset;
      // A second space, no version, or a byte that is not allowed in a target.
      if (*p != ' ' || head_.target.whole.length == 0) return Fail(Error::kTarget);
      ++p;
      state_ = State::kVersion;
      [[fallthrough]];

    case State::kVersion: {
      const size_t available = std::min(static_cast<size_t>(end - p), kVersionPattern.size());
      if (available == kVersionPattern.size() && std::memcmp(p, "HTTP/1.1\r\n", available) == 0) {
        head_.minor_version = 1;
      } else {
        const size_t matches = CountMatches(kVersionPattern, p, available);
        if (matches < available) return Fail(matches < 8 ? Error::kVersionSyntax : Error::kLineEnd);
        // At most nine bytes are looked at again when more arrive.
        if (available < kVersionPattern.size()) return suspend();
        if (!TakeVersion(p, head_)) return Fail(Error::kVersionUnsupported);
      }
      position_ = at(p) + kVersionPattern.size();
      break;
    }

    case State::kFields:
    case State::kDone:
      break;
  }
  // After the version, so that `PRI * HTTP/2.0` fails as an unsupported version and not as a bad target.
  if (!ParseTarget(data, head_.target.whole, head_.method_id, head_.target)) return Fail(Error::kTarget);
  return ParseStatus::kComplete;
}

Error RequestHeadParser::Conclude(const char* data) noexcept {
  TakeFields(data, section_, head_);
  const FramingFacts& facts = section_.facts();
  if (!facts.Has(FieldId::kHost) && head_.minor_version == 1) return Error::kHostMissing;
  if (facts.Has(FieldId::kTransferEncoding)) {
    if (const Error error = CheckTransferEncoding(head_, facts); error != Error::kNone) return error;
    head_.body = BodyKind::kChunked;
  } else if (facts.Has(FieldId::kContentLength)) {
    head_.body = BodyKind::kLength;  // whatever the method
  } else {
    head_.body = BodyKind::kNone;
  }
  head_.content_length = head_.body == BodyKind::kLength ? facts.content_length : 0;
  if (head_.method_id == MethodId::kConnect) {
    if (const Error error = CheckConnect(head_, data); error != Error::kNone) return error;
  }
  head_.keep_alive = KeepsAlive(head_, section_.facts());
  // HTTP/1.0 has neither Upgrade nor Expect (RFC 9110 sections 7.8 and 10.1.1).
  head_.upgrade =
      head_.minor_version == 1 && facts.connection_upgrade && facts.upgrade_protocol && !facts.upgrade_h2c;
  head_.expect_continue = head_.minor_version == 1 && facts.expect_continue;
  return Error::kNone;
}

ResponseHeadParser::ResponseHeadParser(std::span<Field> storage, const HeadLimits& limits) noexcept
    : section_(SectionKind::kResponse, storage.first(std::min(storage.size(), limits.max_fields))),
      max_head_bytes_(Clamp(limits).max_head_bytes) {}

void ResponseHeadParser::Reset(const ResponseContext& context) noexcept {
  context_ = context;
  position_ = 0;
  state_ = State::kStatus;
  error_ = Error::kNone;
}

ParseStatus ResponseHeadParser::Fail(Error error) noexcept {
  error_ = error;
  return ParseStatus::kError;
}

ParseStatus ResponseHeadParser::Parse(const char* data, size_t length) noexcept {
  if (error_ != Error::kNone) return ParseStatus::kError;
  if (state_ == State::kDone) return ParseStatus::kComplete;
  const size_t stop = std::min(length, max_head_bytes_);
  ParseStatus status = ParseStatus::kComplete;
  if (state_ < State::kFields) {
    status = ParseStatusLine(data, stop);
    if (status == ParseStatus::kError) return status;
    if (status == ParseStatus::kComplete) {
      section_.Start(position_);
      state_ = State::kFields;
    }
  }
  if (status == ParseStatus::kComplete) {
    status = section_.Parse(data, stop);
    if (status == ParseStatus::kError) return Fail(section_.error());
  }
  if (status == ParseStatus::kNeedMore) {
    return stop == max_head_bytes_ ? Fail(Error::kHeadTooLarge) : status;
  }
  if (const Error error = Conclude(data); error != Error::kNone) return Fail(error);
  state_ = State::kDone;
  return ParseStatus::kComplete;
}

ParseStatus ResponseHeadParser::ParseStatusLine(const char* data, size_t stop) noexcept {
  const char* p = data + position_;
  const char* const end = data + stop;
  const auto at = [data](const char* pointer) { return static_cast<uint32_t>(pointer - data); };
  const auto suspend = [&] {
    position_ = at(p);
    return ParseStatus::kNeedMore;
  };

  switch (state_) {
    case State::kStatus: {
      // Fails at the first byte that cannot be part of a status line, without waiting for the rest of a
      // banner.
      const size_t available = std::min(static_cast<size_t>(end - p), kStatusPattern.size());
      if (CountMatches(kStatusPattern, p, available) < available) return Fail(Error::kStatusLine);
      if (available < kStatusPattern.size()) return suspend();
      if (!TakeVersion(p, head_)) return Fail(Error::kVersionUnsupported);
      head_.status = static_cast<uint16_t>((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
      if (head_.status < 100) return Fail(Error::kStatusLine);
      p += kStatusPattern.size();
      state_ = State::kAfterStatus;
      [[fallthrough]];
    }

    case State::kAfterStatus:
      if (p == end) return suspend();
      // The space is required even before an empty reason, but many origins leave it out, so it is optional
      // here.
      if (*p != ' ' && *p != '\r') return Fail(Error::kStatusLine);
      if (*p == ' ') ++p;
      head_.reason.offset = at(p);
      state_ = State::kReason;
      [[fallthrough]];

    case State::kReason:
      p = SkipValue(p, end);
      if (p == end) return suspend();
      if (*p != '\r') return Fail(*p == '\n' ? Error::kLineEnd : Error::kStatusLine);
      head_.reason.length = at(p) - head_.reason.offset;
      ++p;
      state_ = State::kReasonLf;
      [[fallthrough]];

    case State::kReasonLf:
      if (p == end) return suspend();
      if (*p != '\n') return Fail(Error::kLineEnd);
      ++p;
      break;

    case State::kFields:
    case State::kDone:
      break;
  }
  position_ = at(p);
  return ParseStatus::kComplete;
}

Error ResponseHeadParser::Conclude(const char* data) noexcept {
  TakeFields(data, section_, head_);
  head_.keep_alive = KeepsAlive(head_, section_.facts());
  const bool connected = context_.method == MethodId::kConnect && head_.status >= 200 && head_.status < 300;
  // A switch that was not requested: the bytes after it would reach a client that still expects HTTP.
  if (head_.status == 101 && (!context_.upgrade_requested || head_.minor_version == 0))
    return Error::kUnexpectedSwitch;
  if (connected || head_.status < 200 || head_.status == 204) {
    // These responses have no body whatever their fields say, and must not have those fields (RFC 9112
    // section 6.1, RFC 9110 sections 8.6 and 9.3.6).
    DropContentLength(section_.fields());
    head_.body = connected || head_.status == 101 ? BodyKind::kSwitched : BodyKind::kNone;
    if (head_.body == BodyKind::kSwitched) head_.keep_alive = false;
    // If a body follows nevertheless, it would be taken for the next response.
    if (head_.status == 204 && AnnouncesBody(section_.facts())) head_.keep_alive = false;
    head_.content_length = 0;
    return Error::kNone;
  }
  const Error error = ConcludeBody();
  // After a refused CONNECT it is not certain where the backend expects the next request.
  if (context_.method == MethodId::kConnect) head_.keep_alive = false;
  return error;
}

// For a response whose fields describe the body that GET got or would get.
Error ResponseHeadParser::ConcludeBody() noexcept {
  const FramingFacts& facts = section_.facts();
  if (facts.length_error != Error::kNone) return facts.length_error;
  const bool coded = facts.Has(FieldId::kTransferEncoding);
  if (head_.status == 304) {
    // Content-Length stays: it is the length of the body that GET would get. Transfer-Encoding tells a client
    // nothing.
    head_.body = BodyKind::kNone;
    if (coded) head_.keep_alive = false;
  } else if (const Error error = coded ? CheckTransferEncoding(head_, facts) : Error::kNone;
             error != Error::kNone) {
    return error;
  } else if (context_.method == MethodId::kHead) {
    head_.body = BodyKind::kNone;
  } else if (coded) {
    head_.body = BodyKind::kChunked;
  } else if (facts.Has(FieldId::kContentLength)) {
    head_.body = BodyKind::kLength;
  } else {
    head_.body = BodyKind::kUntilClose;
    head_.keep_alive = false;
  }
  head_.content_length = head_.body == BodyKind::kLength ? facts.content_length : 0;
  return Error::kNone;
}

}  // namespace sideroute::http1
