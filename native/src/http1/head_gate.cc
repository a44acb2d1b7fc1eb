#include "http1/head_gate.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "http/scan.h"
#include "http1/head.h"

namespace sideroute {
namespace {

using http1::BodyKind;
using http1::Error;
using http1::Field;
using http1::FieldId;
using http1::MethodId;
using http1::ParseStatus;
using http1::RequestHead;
using http1::RequestHeadParser;
using http1::TargetForm;

// Fields the gate can hold. A head with more is invalid if it exceeds the configured limit, otherwise
// refused.
constexpr size_t kGateFields = 256;
// uWebSockets.js is compiled for 98 fields; a few are left for the ones it adds.
constexpr size_t kMaxAdmittedFields = 90;

constexpr GateResult kNeedMoreResult{GateVerdict::kNeedMore, HeadReason::kNone};
constexpr GateResult kNotHttpResult{GateVerdict::kNotHttp, HeadReason::kNone};
constexpr GateResult kRefuseResult{GateVerdict::kRefuse, HeadReason::kNotImplemented};

// uWebSockets.js strips bytes from 0x80 on from both ends of a value.
bool HasHighEdge(std::string_view value) {
  const auto high = [](char c) { return static_cast<uint8_t>(c) >= 0x80; };
  return !value.empty() && (high(value.front()) || high(value.back()));
}

bool Admissible(const char* data, size_t length, const RequestHead& head) {
  const http::FieldFacts& facts = head.facts;
  if (head.start != 0 || head.minor_version == 0 || head.target.form != TargetForm::kOrigin) return false;
  if (head.fields.size() > kMaxAdmittedFields || head.body == BodyKind::kChunked) return false;
  if (facts.Has(FieldId::kUpgrade) || facts.connection_upgrade || facts.Has(FieldId::kExpect)) return false;
  // A second request while the first is pending makes uWebSockets.js close the connection, which loses both.
  if (length - head.length > head.content_length) return false;
  // Framing fields that are not in the plainest form are parsed here, never by uWebSockets.js.
  return std::none_of(head.fields.begin(), head.fields.end(),
                      [data](const Field& field) { return field.anew() || HasHighEdge(field.Value(data)); });
}

enum class Guess : uint8_t { kNeedMore, kHttp, kOther };

// Whether a first line that is not a valid request line was intended as one. A token, a space and `/` are
// enough, as are a standard method and a space. Any other line must be text that ends in an HTTP version. SSH
// banners, memcached commands, PROXY headers and the like do not.
Guess GuessFirstLine(const char* line, size_t length, size_t limit) {
  const char* const end = line + std::min(length, limit);
  const char* const token_end = http1::SkipToken(line, end);
  const std::string_view token(line, static_cast<size_t>(token_end - line));
  if (!token.empty() && token_end != end && http1::IsBlank(*token_end)) {
    if (http1::LookUpMethod(token) != MethodId::kOther) return Guess::kHttp;
    if (*token_end == ' ' && token_end + 1 != end && token_end[1] == '/') return Guess::kHttp;
  }
  // The second check is only for lines that begin with a token, or with a space (an empty method).
  if (token.empty() && line != end && *line != ' ') return Guess::kOther;
  for (const char* p = line; p != end; ++p) {
    if (*p == '\n') {
      std::string_view text(line, static_cast<size_t>(p - line));
      if (text.ends_with('\r')) text.remove_suffix(1);
      if (text.size() < 8) return Guess::kOther;
      const std::string_view version = text.substr(text.size() - 8);
      const bool http = version.starts_with("HTTP/") && http1::Is(version[5], http1::kDigitByte) &&
                        version[6] == '.' && http1::Is(version[7], http1::kDigitByte);
      return http ? Guess::kHttp : Guess::kOther;
    }
    const bool text_byte = (*p >= 0x20 && *p < 0x7f) || *p == '\t' || *p == '\r';
    if (!text_byte) return Guess::kOther;
  }
  return length < limit ? Guess::kNeedMore : Guess::kOther;
}

GateResult JudgeError(const char* data, size_t length, const HeadLimits& limits,
                      const RequestHeadParser& parser) {
  if (!parser.request_line_done()) {
    const size_t start = parser.request_line_start();
    // A lone CR, or a second empty line.
    if (start == 0 && data[0] == '\r') return kNotHttpResult;
    if (start != 0 && data[start] == '\r') return {GateVerdict::kInvalid, HeadReason::kBadRequest};
    const size_t limit = std::min(limits.max_request_line + 2, limits.max_head_bytes - start);
    switch (GuessFirstLine(data + start, length - start, limit)) {
      case Guess::kNeedMore:
        return kNeedMoreResult;
      case Guess::kOther:
        return kNotHttpResult;
      case Guess::kHttp:
        break;
    }
  }
  if (parser.error() == Error::kTransferEncodingUnsupported) return kRefuseResult;
  // The parser ran out of storage below the configured limit, so the head is valid as far as it was parsed.
  if (parser.error() == Error::kTooManyFields && limits.max_fields > kGateFields) return kRefuseResult;
  return {GateVerdict::kInvalid, http1::ReasonOf(parser.error())};
}

}  // namespace

bool BeginsRequest(const char* data, size_t length) {
  const char* const end = data + length;
  const char* const token_end = http1::SkipToken(data, end);
  return token_end != end && http1::IsBlank(*token_end) &&
         http1::LookUpMethod({data, static_cast<size_t>(token_end - data)}) != MethodId::kOther;
}

GateResult GateFirstHead(const char* data, size_t length, const HeadLimits& limits) {
  if (length == 0) return kNeedMoreResult;
  std::array<Field, kGateFields> storage;
  RequestHeadParser parser(storage, limits);
  switch (parser.Parse(data, length)) {
    case ParseStatus::kNeedMore:
      return kNeedMoreResult;
    case ParseStatus::kError:
      return JudgeError(data, length, limits, parser);
    case ParseStatus::kComplete:
      break;
  }
  return Admissible(data, length, parser.head()) ? GateResult{GateVerdict::kAdmit, HeadReason::kNone}
                                                 : kRefuseResult;
}

}  // namespace sideroute
