#include "http1/body.h"

#include <algorithm>

#include "http/scan.h"

namespace sideroute::http1 {
namespace {

constexpr unsigned HexValue(char c) noexcept {
  return c <= '9' ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

}  // namespace

void BodyDecoder::Start(BodyKind kind, uint64_t content_length) noexcept {
  error_ = Error::kNone;
  // Removes the trailers of the previous body.
  if (kind == BodyKind::kChunked || !section_.fields().empty()) section_.Start(0);
  switch (kind) {
    case BodyKind::kNone:
      state_ = State::kDone;
      break;
    case BodyKind::kLength:
      remaining_ = content_length;
      state_ = content_length == 0 ? State::kDone : State::kLength;
      break;
    case BodyKind::kChunked:
      remaining_ = payload_bytes_ = extension_bytes_ = 0;
      size_digits_ = 0;
      state_ = State::kChunkSize;
      break;
    case BodyKind::kUntilClose:
    case BodyKind::kSwitched:
      state_ = State::kUntilClose;
      break;
  }
}

BodyStep BodyDecoder::Fail(Error error, size_t consumed) noexcept {
  error_ = error;
  return {BodyEvent::kError, consumed, {}};
}

BodyStep BodyDecoder::Finish() noexcept {
  if (error_ != Error::kNone) return {BodyEvent::kError, 0, {}};
  if (state_ == State::kUntilClose) state_ = State::kDone;
  if (state_ == State::kDone) return {BodyEvent::kDone, 0, {}};
  return Fail(Error::kTruncated, 0);
}

// Hot path: native/test/bench.cc. Each call gives at most one run of payload, so a million one-byte chunks
// need no memory.
BodyStep BodyDecoder::Next(const char* data, size_t length) noexcept {
  if (error_ != Error::kNone) return {BodyEvent::kError, 0, {}};
  size_t i = 0;
  for (;;) {
    // These states can be handled without another byte.
    if (state_ == State::kDone) return {BodyEvent::kDone, i, {}};
    if (state_ == State::kTrailers) return NextTrailers(data, i, length);
    if (i == length) return {BodyEvent::kNeedMore, i, {}};

    const char c = data[i];
    switch (state_) {
      case State::kUntilClose:
        return {BodyEvent::kData, length, {data + i, length - i}};

      case State::kLength:
      case State::kChunkData: {
        const size_t run = static_cast<size_t>(std::min<uint64_t>(remaining_, length - i));
        remaining_ -= run;
        if (remaining_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kChunkDataCr;
        return {BodyEvent::kData, i + run, {data + i, run}};
      }

      case State::kChunkSize:
        if (Is(c, kHexByte)) {
          // At most sixteen digits, below 2^63; leading zeros count as digits.
          if (++size_digits_ > 16 || remaining_ >> 59 != 0) return Fail(Error::kChunkSize, i);
          remaining_ = remaining_ << 4 | HexValue(c);
          ++i;
          break;
        }
        // A size needs digits, and only extensions or CR may follow them.
        if (size_digits_ == 0) return Fail(Error::kChunkSize, i);
        if (c == '\r') {
          ++i;
          size_digits_ = 0;
          state_ = State::kChunkSizeLf;
        } else if (c == ';' || IsBlank(c)) {
          line_extension_bytes_ = 0;
          extension_ = Extension::kBlanks;
          state_ = State::kChunkExtension;
        } else {
          return Fail(Error::kChunkSize, i);
        }
        break;

      case State::kChunkExtension:
        if (const Error error = TakeExtensions(data, length, &i); error != Error::kNone)
          return Fail(error, i);
        break;

      case State::kChunkSizeLf:
        if (c != '\n') return Fail(Error::kChunkEnd, i);
        ++i;
        payload_bytes_ += remaining_;
        state_ = remaining_ == 0 ? State::kTrailers : State::kChunkData;
        break;

      case State::kChunkDataCr:
        if (c != '\r') return Fail(Error::kChunkEnd, i);  // nothing between the payload and its CRLF
        ++i;
        state_ = State::kChunkDataLf;
        break;

      case State::kChunkDataLf:
        if (c != '\n') return Fail(Error::kChunkEnd, i);
        ++i;
        state_ = State::kChunkSize;
        break;

      case State::kTrailers:
      case State::kDone:
        break;
    }
  }
}

// Extensions are dropped, but invalid ones are refused and not skipped: servers that skip them differently
// disagree about where the chunk begins.
Error BodyDecoder::TakeExtensions(const char* data, size_t length, size_t* at) noexcept {
  const uint64_t in_all = std::max<uint64_t>(limits_.max_extension_bytes, payload_bytes_);
  for (; *at < length; ++*at) {
    const char c = data[*at];
    const bool complete = extension_ == Extension::kName || extension_ == Extension::kToken ||
                          extension_ == Extension::kAfterQuoted;
    if (c == '\r' && complete) {
      ++*at;
      size_digits_ = 0;
      state_ = State::kChunkSizeLf;
      return Error::kNone;
    }
    if (line_extension_bytes_ == limits_.max_line_extension_bytes || extension_bytes_ >= in_all)
      return Is(c, kValueByte) ? Error::kChunkExtensionsTooLong : Error::kChunkExtension;
    // Whitespace without a `;` after it is an error of the size, not of an extension.
    const bool first = size_digits_ != 0;
    if (!TakeExtensionByte(c)) return first ? Error::kChunkSize : Error::kChunkExtension;
    ++line_extension_bytes_;
    ++extension_bytes_;
  }
  return Error::kNone;
}

// Returns false if `c` is not allowed here.
bool BodyDecoder::TakeExtensionByte(char c) noexcept {
  switch (extension_) {
    case Extension::kBlanks:
      if (IsBlank(c)) return true;
      if (c != ';') return false;
      size_digits_ = 0;
      extension_ = Extension::kBeforeName;
      return true;
    case Extension::kBeforeName:
      if (IsBlank(c)) return true;
      extension_ = Extension::kName;
      return Is(c, kTchar);
    case Extension::kName:
      if (Is(c, kTchar)) return true;
      [[fallthrough]];
    case Extension::kAfterName:
      if (c == '=') {
        extension_ = Extension::kBeforeValue;
        return true;
      }
      extension_ = c == ';' ? Extension::kBeforeName : Extension::kAfterName;
      return c == ';' || IsBlank(c);
    case Extension::kBeforeValue:
      if (IsBlank(c)) return true;
      extension_ = c == '"' ? Extension::kQuoted : Extension::kToken;
      return c == '"' || Is(c, kTchar);
    case Extension::kToken:
      if (Is(c, kTchar)) return true;
      [[fallthrough]];
    case Extension::kAfterQuoted:
      extension_ = c == ';' ? Extension::kBeforeName : Extension::kBlanks;
      return c == ';' || IsBlank(c);
    case Extension::kQuoted:
      if (c == '"') extension_ = Extension::kAfterQuoted;
      if (c == '\\') extension_ = Extension::kEscaped;
      return Is(c, kValueByte);
    case Extension::kEscaped:
      extension_ = Extension::kQuoted;
      return Is(c, kValueByte);
  }
  return false;
}

// Parsed as strictly as the fields of a head, so a request smuggled in here is a malformed field.
BodyStep BodyDecoder::NextTrailers(const char* data, size_t from, size_t length) noexcept {
  const size_t available = length - from;
  const size_t stop = std::min(available, limits_.max_trailer_bytes);
  switch (section_.Parse(data + from, stop)) {
    case ParseStatus::kError:
      return Fail(section_.error(), from + section_.position());
    case ParseStatus::kNeedMore:
      if (stop == limits_.max_trailer_bytes) return Fail(Error::kHeadTooLarge, from + stop);
      return {BodyEvent::kNeedMore, from, {}};
    case ParseStatus::kComplete:
      break;
  }
  state_ = State::kDone;
  return {BodyEvent::kDone, from + section_.position(), {data + from, section_.position()}};
}

}  // namespace sideroute::http1
