// Protocols recognised by their first bytes, with the same result at every split.
#include "accept/sniff.h"

#include <string>
#include <string_view>

#include "check.h"

namespace sideroute {
namespace {

using namespace std::string_view_literals;

const char* Name(Sniffed protocol) {
  switch (protocol) {
    case Sniffed::kUndecided:
      return "undecided";
    case Sniffed::kHttp1:
      return "http1";
    case Sniffed::kTls:
      return "tls";
    case Sniffed::kHttp2:
      return "http2";
    case Sniffed::kOther:
      break;
  }
  return "other";
}

struct SniffCase {
  std::string_view bytes;
  // The protocol of `bytes`, and the number of bytes after which it is known.
  Sniffed protocol;
  size_t decided_at;
};

constexpr SniffCase kCases[] = {
    {"GET / HTTP/1.1\r\n"sv, Sniffed::kHttp1, 1},
    {"PURGE /x HTTP/1.1\r\n"sv, Sniffed::kHttp1, 2},
    {"PRI /x HTTP/1.1\r\n"sv, Sniffed::kHttp1, 5},
    {"PROPFIND / HTTP/1.1\r\n"sv, Sniffed::kHttp1, 3},
    {"!odd~method / HTTP/1.1\r\n"sv, Sniffed::kHttp1, 1},
    {"\r\nGET / HTTP/1.1\r\n"sv, Sniffed::kHttp1, 1},
    {"\nGET / HTTP/1.1\r\n"sv, Sniffed::kHttp1, 1},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, Sniffed::kHttp2, 24},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\4"sv, Sniffed::kHttp2, 24},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\nX"sv, Sniffed::kHttp1, 23},
    {"PRI * HTTP/1.1\r\n"sv, Sniffed::kHttp1, 12},
    {"\x16\x03\x01\x02\x00"sv, Sniffed::kTls, 2},
    {"\x16\x03\x03"sv, Sniffed::kTls, 2},
    {"\x16\x02"sv, Sniffed::kOther, 2},
    {"\x16G"sv, Sniffed::kOther, 2},
    {"\x80\x2e\x01"sv, Sniffed::kOther, 1},
    {"\0\0\0"sv, Sniffed::kOther, 1},
    {" GET"sv, Sniffed::kOther, 1},
    {"\"x\""sv, Sniffed::kOther, 1},
    {"\x7f"sv, Sniffed::kOther, 1},
    {"\xc3\xa9"sv, Sniffed::kOther, 1},
};

TEST("first bytes name the protocol, at the first byte that can") {
  for (const SniffCase& row : kCases) {
    for (size_t length = 1; length <= row.bytes.size(); ++length) {
      const Sniffed expected = length < row.decided_at ? Sniffed::kUndecided : row.protocol;
      // A separate copy, so that the sanitizer detects a read beyond the received bytes.
      const std::string seen(row.bytes.substr(0, length));
      const Sniffed actual = Sniff(seen.data(), seen.size());
      CHECK_EQ(std::string(Name(actual)) + " " + seen, std::string(Name(expected)) + " " + seen);
    }
  }
}

TEST("every first byte is decided alike, whatever follows") {
  for (int byte = 0; byte < 256; ++byte) {
    const char bytes[2] = {static_cast<char>(byte), ' '};
    const Sniffed one = Sniff(bytes, 1);
    const Sniffed two = Sniff(bytes, 2);
    if (one != Sniffed::kUndecided) {
      CHECK_EQ(std::string(Name(two)), std::string(Name(one)));
    } else {
      CHECK(byte == 'P' || byte == 0x16);
    }
  }
}

TEST("an HTTP response of an upstream that speaks unasked is recognised in any split") {
  constexpr std::string_view kResponse = "HTTP/1.1 408 Request Timeout";
  for (size_t length = 1; length <= kResponse.size(); ++length)
    CHECK(MayBeHttpResponse(kResponse.data(), length));
  for (const std::string_view banner : {"220 mail"sv, "SSH-2.0"sv, "HTTPS"sv, "HTTP/2"sv, "\x4a\0\0"sv}) {
    CHECK(!MayBeHttpResponse(banner.data(), banner.size()));
  }
}

}  // namespace
}  // namespace sideroute
