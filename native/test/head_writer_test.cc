// Heads as forwarded: for every accepted row of the tables, the next server reads what the parser has
// understood, in one form only.
#include "http1/head_writer.h"

#include <array>
#include <string>

#include "check.h"
#include "forwarded.h"
#include "request_cases.h"
#include "response_cases.h"
#include "summary.h"

namespace sideroute::test {
namespace {

using http1::BodyKind;
using http1::Field;
using http1::ParseStatus;

constexpr HeadLimits kLimits{.max_head_bytes = 512, .max_fields = 8, .max_request_line = 96};
// A response gets one more line when its body becomes chunked.
constexpr HeadLimits kLimitsAgain{.max_head_bytes = 1024, .max_fields = 9, .max_request_line = 96};

// `parser` has accepted `text`; checks the result of parsing what is written from it.
template <typename Parser>
std::string Fault(Parser& parser, Parser& again, const char* data, BodyKind body, bool announced) {
  const uint64_t length = parser.head().content_length;
  const std::string text = Forward(parser.head(), data);
  if (std::string fault = FramingFault(text, body, length, announced); !fault.empty())
    return fault + "\n" + Quote(text);
  if (again.Parse(text.data(), text.size()) != ParseStatus::kComplete || again.head().length != text.size())
    return "is not accepted again\n" + Quote(text);
  if (again.head().body != body || again.head().content_length != length)
    return "has another body\n" + Quote(text);
  const std::string twice = Forward(again.head(), text.data());
  return twice == text ? "" : "changes once more\n" + Quote(text) + "\n" + Quote(twice);
}

TEST("request heads that are forwarded") {
  for (const RequestCase& row : kRequestCases) {
    std::array<Field, 9> fields;
    std::array<Field, 9> fields_again;
    http1::RequestHeadParser parser(fields, kLimits);
    http1::RequestHeadParser again(fields_again, kLimitsAgain);
    if (parser.Parse(row.input.data(), row.input.size()) != ParseStatus::kComplete) continue;
    const std::string fault = Fault(parser, again, row.input.data(), parser.head().body, false);
    Report(fault.empty(), std::string("forwarded request head: ") + row.title, fault);
  }
}

TEST("response heads that are relayed") {
  for (const ResponseCase& row : kResponseCases) {
    std::array<Field, 9> fields;
    std::array<Field, 9> fields_again;
    http1::ResponseHeadParser parser(fields, kLimits);
    http1::ResponseHeadParser again(fields_again, kLimitsAgain);
    parser.Reset(row.context);
    again.Reset(row.context);
    if (parser.Parse(row.input.data(), row.input.size()) != ParseStatus::kComplete) continue;
    const BodyKind body = ForwardedBody(parser.head());
    const bool announced = row.context.method == http1::MethodId::kHead || parser.head().status == 304;
    const std::string fault = Fault(parser, again, row.input.data(), body, announced);
    Report(fault.empty(), std::string("relayed response head: ") + row.title, fault);
  }
}

std::string ForwardRequest(std::string_view text) {
  std::array<Field, 8> fields;
  http1::RequestHeadParser parser(fields, HeadLimits{});
  if (parser.Parse(text.data(), text.size()) != ParseStatus::kComplete) return "refused";
  return Forward(parser.head(), text.data());
}

TEST(
    "a head that is in order leaves as it came, and one that is not is changed in that line "
    "only") {
  const auto head = [](const char* line) {
    return std::string("POST /x HTTP/1.1\r\nA:\t1 \r\nHost:  a \r\n") + line + "\r\nB:2\r\n\r\n";
  };
  CHECK_EQ(ForwardRequest(head("Content-Length: 5")), head("Content-Length: 5"));
  CHECK_EQ(ForwardRequest(head("cOntent-length:\t0005 ")), head("cOntent-length: 5"));
  CHECK_EQ(ForwardRequest(head("transfer-encoding: chunked")), head("transfer-encoding: chunked"));
  CHECK_EQ(ForwardRequest(head("Transfer-Encoding:CHUNKED")), head("Transfer-Encoding: chunked"));
}

std::string ForwardResponse(std::string_view text) {
  std::array<Field, 8> fields;
  http1::ResponseHeadParser parser(fields, HeadLimits{});
  parser.Reset({});
  if (parser.Parse(text.data(), text.size()) != ParseStatus::kComplete) return "refused";
  return Forward(parser.head(), text.data());
}

TEST("a response head is cleaned in those lines only that need it") {
  CHECK_EQ(ForwardResponse("HTTP/1.0 200\r\nA:\t1 \r\nB \t:2\r\nC:3 \r\nContent-Length : 05\r\n\r\n"),
           "HTTP/1.1 200 \r\nA:\t1 \r\nB: 2\r\nC:3 \r\nContent-Length: 5\r\n\r\n");
  CHECK_EQ(ForwardResponse("HTTP/1.1 204\r\n\r\n"), "HTTP/1.1 204 \r\n\r\n");
  CHECK_EQ(ForwardResponse("HTTP/1.1 426 \r\nUpgrade :\tx\r\nContent-Length: 0\r\n\r\n"),
           "HTTP/1.1 426 \r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace sideroute::test
