#include "log/json_line.h"

#include <array>
#include <charconv>
#include <ctime>

namespace sideroute {

namespace {

// Printable ASCII except the two characters that JSON escapes. DEL and all bytes from 0x80 on are escaped
// too, because of terminals.
consteval std::array<bool, 256> MakePlain() {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlain();
constexpr std::string_view kHex = "0123456789abcdef";

void AppendNumber(std::string& text, uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text.append(digits, static_cast<size_t>(end - digits));
}

// Appends a dot and three digits.
void AppendThousandths(std::string& text, unsigned value) {
  const char decimals[] = {'.', static_cast<char>('0' + value / 100),
                           static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
  text.append(decimals, sizeof decimals);
}

void AppendEscaped(std::string& text, unsigned char c) {
  if (c == '"' || c == '\\') {
    text.push_back('\\');
    text.push_back(static_cast<char>(c));
    return;
  }
  text.append("\\u00");
  text.push_back(kHex[c >> 4]);
  text.push_back(kHex[c & 15]);
}

}  // namespace

// Hot path.
void JsonLine::String(std::string_view name, std::string_view bytes) {
  if (bytes.data() == nullptr) return Null(name);
  Name(name);
  text_.push_back('"');
  size_t from = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (kPlain[c]) continue;
    text_.append(bytes, from, i - from);
    AppendEscaped(text_, c);
    from = i + 1;
  }
  text_.append(bytes, from);
  text_.push_back('"');
}

void JsonLine::Number(std::string_view name, uint64_t value) {
  Name(name);
  AppendNumber(text_, value);
}

void JsonLine::Milliseconds(std::string_view name, uint64_t nanoseconds) {
  const uint64_t us = nanoseconds / 1'000;
  Number(name, us / 1'000);
  AppendThousandths(text_, static_cast<unsigned>(us % 1'000));
}

void JsonLine::Address(std::string_view name, const NetAddress& address) {
  if (address.family() == AF_UNSPEC) return Null(name);
  Name(name);
  text_.push_back('"');
  const bool brackets = address.family() == AF_INET6;
  if (brackets) text_.push_back('[');
  address.AppendHost(&text_);
  if (brackets) text_.push_back(']');
  text_.push_back(':');
  AppendNumber(text_, address.port());
  text_.push_back('"');
}

void JsonLine::Time(std::string_view name, uint64_t unix_ms) {
  const auto second = static_cast<int64_t>(unix_ms / 1'000);
  if (second != second_) {
    tm parts{};
    const time_t seconds = second;
    gmtime_r(&seconds, &parts);
    strftime(date_, sizeof date_, "%Y-%m-%dT%H:%M:%S", &parts);
    second_ = second;
  }
  Name(name);
  text_.push_back('"');
  text_.append(date_);
  AppendThousandths(text_, static_cast<unsigned>(unix_ms % 1'000));
  text_.append("Z\"");
}

}  // namespace sideroute
