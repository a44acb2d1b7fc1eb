#include "log/request_facts.h"

#include <algorithm>

#include "http/scan.h"

namespace sideroute {

namespace {

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

void RequestTexts::Clear() {
  bytes_.clear();
  pieces_.fill({});
  truncated_ = false;
}

void RequestTexts::Set(RequestText which, std::string_view bytes) {
  const auto index = static_cast<size_t>(which);
  const size_t length = std::min(bytes.size(), kRequestTextLimits[index]);
  truncated_ = truncated_ || length < bytes.size();
  pieces_[index] = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(length), true};
  bytes_.append(bytes, 0, length);
}

std::string_view RequestTexts::Get(RequestText which) const {
  const Piece& piece = pieces_[static_cast<size_t>(which)];
  return piece.set ? std::string_view(bytes_.data() + piece.offset, piece.length) : std::string_view();
}

// Hot path. Compares the length of a name first, because most fields are none of these.
void RequestTexts::Take(const http::RequestHead& head) {
  const char* const data = head.data;
  Clear();
  Set(RequestText::kMethod, head.method.In(data));
  Set(RequestText::kPath, head.target.path.In(data));
  const bool absolute = head.target.form == http::TargetForm::kAbsolute;
  if (absolute) Set(RequestText::kHost, head.target.authority.In(data));
  bool host = absolute, agent = false, id = false;
  uint32_t traceparents = 0;
  for (const http::Field& field : head.fields) {
    if (field.id == http::FieldId::kHost) {
      if (!host) Set(RequestText::kHost, field.Value(data));
      host = true;
      continue;
    }
    switch (field.name_length) {
      case 10:
        if (agent || !http::TokenEquals(field.Name(data), "user-agent")) break;
        Set(RequestText::kUserAgent, field.Value(data));
        agent = true;
        break;
      case 11:
        if (!http::TokenEquals(field.Name(data), "traceparent")) break;
        if (traceparents++ == 0) Set(RequestText::kTraceparent, field.Value(data));
        break;
      case 12:
        if (id || !http::TokenEquals(field.Name(data), "x-request-id")) break;
        Set(RequestText::kRequestId, field.Value(data));
        id = true;
        break;
    }
  }
  if (traceparents > 1) pieces_[static_cast<size_t>(RequestText::kTraceparent)].set = false;
}

// W3C Trace Context, section 3.2: version "-" trace-id "-" parent-id "-" trace-flags, in lower-case
// hexadecimal. Later versions may append more after another dash.
TraceIds ParseTraceparent(std::string_view value) {
  constexpr size_t kLength = 55;
  if (value.size() < kLength) return {};
  const std::string_view version = value.substr(0, 2);
  const std::string_view trace = value.substr(3, 32);
  const std::string_view parent = value.substr(36, 16);
  const std::string_view flags = value.substr(53, 2);
  const bool dashes = value[2] == '-' && value[35] == '-' && value[52] == '-';
  const bool fits = value.size() == kLength || (version != "00" && value[kLength] == '-');
  if (!dashes || !fits || version == "ff" || !IsLowerHex(version) || !IsLowerHex(trace) ||
      !IsLowerHex(parent) || !IsLowerHex(flags) || IsZero(trace) || IsZero(parent)) {
    return {};
  }
  return {trace, parent, flags};
}

}  // namespace sideroute
