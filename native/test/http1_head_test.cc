// Properties of the head parsers that a table of small inputs cannot show: default limits, reuse, moving
// buffers, cost.
#include <array>
#include <cctype>
#include <string>

#include "check.h"
#include "summary.h"

namespace sideroute::test {
namespace {

using http1::Field;
using http1::ParseStatus;

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";

std::string RequestOfFields(int count) {
  std::string text = kGet;
  for (int i = 1; i < count; ++i) text += "X: 1\r\n";
  return text + "\r\n";
}

// Reads of `step` bytes.
Cuts EveryFew(size_t length, size_t step) {
  Cuts cuts;
  for (size_t i = step; i < length; i += step) cuts.push_back(i);
  return cuts;
}

// Parses the input whole, in small reads and split near `point`, and checks the first word of the outcome.
void CheckOutcome(const std::string& input, std::string_view expected) {
  const auto begins = [&](const std::string& actual) { return actual.substr(0, expected.size()); };
  CHECK_EQ(begins(RunRequest(input, {}, HeadLimits{})), expected);
  CHECK_EQ(begins(RunRequest(input, EveryByte(input.size()), HeadLimits{}, false)), expected);
  CHECK_EQ(begins(RunRequest(input, EveryFew(input.size(), 1000), HeadLimits{})), expected);
  for (const size_t point : {size_t{8190}, size_t{8192}, size_t{8194}, size_t{65535}, size_t{65536}}) {
    if (point <= input.size()) CHECK_EQ(begins(RunRequest(input, {point}, HeadLimits{})), expected);
  }
}

TEST("a request line of 8 KiB is taken, one byte more is 414") {
  const std::string rest = " HTTP/1.1\r\nHost: a\r\n\r\n";
  const size_t around = std::string_view("GET / HTTP/1.1").size();
  CheckOutcome("GET /" + std::string(8192 - around, 'x') + rest, "GET origin");
  CheckOutcome("GET /" + std::string(8193 - around, 'x') + rest, "414");
  CheckOutcome("GET /" + std::string(100'000, 'x') + rest, "414");
}

TEST("a head of 64 KiB is taken, one byte more is 431") {
  const size_t around = kGet.size() + std::string_view("X: \r\n\r\n").size();
  CheckOutcome(kGet + "X: " + std::string(65536 - around, 'x') + "\r\n\r\n", "GET origin");
  CheckOutcome(kGet + "X: " + std::string(65537 - around, 'x') + "\r\n\r\n", "431 head-too-large");
  CheckOutcome(kGet + std::string(100'000, 'x'), "431 head-too-large");
}

TEST("200 fields are taken, 201 are 431") {
  CheckOutcome(RequestOfFields(200), "GET origin");
  CheckOutcome(RequestOfFields(201), "431 too-many-fields");
}

TEST("a Range of 5,000 parts is a value like any other") {
  std::string value = "bytes=0-0";
  for (int i = 1; i < 5000; ++i) value += "," + std::to_string(i) + "-" + std::to_string(i);
  CheckOutcome(kGet + "Range: " + value + "\r\n\r\n",
               "GET origin path=/ 1.1 keep none {Host=a;Range=bytes=0-0,1-1");
}

TEST("a name longer than a field can hold is refused even when the head may be larger") {
  const HeadLimits large{.max_head_bytes = 1 << 20, .max_fields = 200, .max_request_line = 8192};
  CHECK_EQ(RunRequest(kGet + std::string(65536, 'x') + ": 1\r\n\r\n", {}, large), "431 head-too-large");
  CHECK_EQ(RunRequest(kGet + std::string(65535, 'x') + ": 1\r\n\r\n", {}, large).substr(0, 3), "GET");
}

TEST("a parser is reused for the next head and for heads that moved in memory") {
  std::array<Field, 8> storage;
  http1::RequestHeadParser parser(storage, HeadLimits{});
  std::string first = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  CHECK(parser.Parse(first.data(), 20) == ParseStatus::kNeedMore);
  const std::string moved = first;
  first.assign(first.size(), '?');
  CHECK(parser.Parse(moved.data(), moved.size()) == ParseStatus::kComplete);
  CHECK(parser.Parse(moved.data(), moved.size()) == ParseStatus::kComplete);
  CHECK_EQ(parser.head().content_length, 3u);
  parser.Reset();
  const std::string second = kGet + "\r\n";
  CHECK(parser.Parse(second.data(), second.size()) == ParseStatus::kComplete);
  CHECK_EQ(Summarise(parser.head(), second.data()), "GET origin path=/ 1.1 keep none {Host=a}");
  parser.Reset();
  CHECK(parser.Parse(" ", 1) == ParseStatus::kError);
  CHECK(parser.Parse(second.data(), second.size()) == ParseStatus::kError);
  parser.Reset();
  CHECK(parser.Parse(second.data(), second.size()) == ParseStatus::kComplete);
}

TEST("the same holds for responses") {
  std::array<Field, 8> storage;
  http1::ResponseHeadParser parser(storage, HeadLimits{});
  parser.Reset({http1::MethodId::kHead, false});
  const std::string hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  CHECK(parser.Parse(hint.data(), hint.size()) == ParseStatus::kComplete);
  CHECK(parser.head().interim());
  parser.Reset({http1::MethodId::kHead, false});
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
  CHECK(parser.Parse(last.data(), last.size()) == ParseStatus::kComplete);
  CHECK_EQ(Summarise(parser.head(), last.data()), "200 reason=OK 1.1 keep none {Content-Length=9}");
}

TEST("a response head over the limit is 502, however it arrives") {
  const std::string endless = "HTTP/1.1 200 " + std::string(70'000, 'x');
  for (const Cuts& cuts : {Cuts{}, EveryFew(endless.size(), 997), Cuts{65'536}}) {
    CHECK_EQ(RunResponse(endless, cuts, HeadLimits{}, {}), "502 head-too-large");
  }
}

TEST("no byte value gets past the classes it does not belong to") {
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool token = std::isalnum(c) != 0 ||
                       (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos);
    const bool value = c == '\t' || (c >= 0x20 && c != 0x7f);
    const bool target = c > 0x20 && c != 0x7f && c != '#';
    const auto accepted = [](const std::string& input) {
      return RunRequest(input, {}, HeadLimits{}).starts_with("G");
    };
    // In the first sixteen bytes and in the tail, for each variant of the scans.
    for (const std::string& pad : {std::string(), std::string(3, 'p'), std::string(21, 'p')}) {
      CHECK_EQ(accepted("GET / HTTP/1.1\r\nHost: a\r\nN" + pad + byte + pad + ": v\r\n\r\n"),
               token || byte == ':');
      CHECK_EQ(accepted("GET / HTTP/1.1\r\nHost: a\r\nN: v" + pad + byte + pad + "v\r\n\r\n"), value);
      // A space ends the target, and no valid version follows.
      CHECK_EQ(accepted("GET /" + pad + byte + pad + "x HTTP/1.1\r\nHost: a\r\n\r\n"), target);
      CHECK_EQ(accepted("G" + pad + byte + pad + " / HTTP/1.1\r\nHost: a\r\n\r\n"), token);
    }
  }
}

}  // namespace
}  // namespace sideroute::test
