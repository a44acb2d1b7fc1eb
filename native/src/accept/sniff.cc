#include "accept/sniff.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace sideroute {

namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kResponseStart = "HTTP/1.";
static_assert(kResponseStart.size() == kHttpResponseStart);
constexpr unsigned char kTlsHandshake = 0x16;
constexpr unsigned char kTlsMajor = 0x03;

// tchar of RFC 9110 section 5.6.2: what a method may begin with.
bool IsTokenChar(unsigned char c) {
  if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
  return c != 0 && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

bool SharesStart(std::string_view seen, std::string_view whole) {
  const size_t common = std::min(seen.size(), whole.size());
  return seen.substr(0, common) == whole.substr(0, common);
}

}  // namespace

Sniffed Sniff(const char* data, size_t length) {
  const std::string_view seen(data, length);
  const auto first = static_cast<unsigned char>(seen[0]);
  if (first == kTlsHandshake) {
    if (length == 1) return Sniffed::kUndecided;
    return static_cast<unsigned char>(seen[1]) == kTlsMajor ? Sniffed::kTls : Sniffed::kOther;
  }
  if (SharesStart(seen, kHttp2Preface)) {
    return length >= kHttp2Preface.size() ? Sniffed::kHttp2 : Sniffed::kUndecided;
  }
  // An empty line before the request line is tolerated, RFC 9112 section 2.2; how much of it is for the gate.
  if (first == '\r' || first == '\n' || IsTokenChar(first)) return Sniffed::kHttp1;
  return Sniffed::kOther;
}

bool MayBeHttpResponse(const char* data, size_t length) {
  return SharesStart(std::string_view(data, length), kResponseStart);
}

}  // namespace sideroute
