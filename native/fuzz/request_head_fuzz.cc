// Request heads: the outcome is the same at every split, spans are in bounds, and an accepted head stays the
// same when it is written again, as received and as forwarded, with framing in one form only.
#include <array>

#include "../test/forwarded.h"
#include "oracle.h"

namespace sideroute::fuzz {
namespace {

constexpr HeadLimits kLimits{.max_head_bytes = 1024, .max_fields = 24, .max_request_line = 256};
// A field written again may be one byte longer.
constexpr HeadLimits kLimitsAnew{.max_head_bytes = 4096, .max_fields = 25, .max_request_line = 256};

std::string Rewritten(std::string_view text) { return test::RunRequest(text, {}, kLimitsAnew, false); }

void Check(std::string_view input) {
  const std::string outcome = SameAtEverySplit(
      input, [input](const test::Cuts& cuts) { return test::RunRequest(input, cuts, kLimits, false); });

  std::array<http1::Field, 24> storage;
  http1::RequestHeadParser parser(storage, kLimits);
  if (parser.Parse(input.data(), input.size()) != http1::ParseStatus::kComplete) return;
  const http1::RequestHead& head = parser.head();
  const char* data = input.data();
  Require(head.length <= input.size(), "a head lies within its input");
  for (const http1::Span span : {head.method, head.target.whole, head.target.path, head.target.query,
                                 head.target.authority, head.facts.host}) {
    RequireWithin(span, head.length);
  }
  RequirePlainLines(input.substr(head.start, head.length - head.start), head.fields.size());

  const std::string line = std::string(head.method.In(data)) + ' ' + std::string(head.target.whole.In(data)) +
                           (head.minor_version == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  // `skip:` and `rest:` describe bytes around the head.
  const std::string anew = Rewritten(line + WriteFields(head.fields, data, head.length) + "\r\n");
  std::string_view expected = outcome;
  if (head.start != 0) expected.remove_prefix(std::string_view("skip:2 ").size());
  if (head.length != input.size()) expected = expected.substr(0, expected.rfind(" rest:"));
  Require(anew == expected, "a head written anew is the same", expected, anew);

  const std::string forwarded = test::Forward(head, data);
  const http1::BodyKind body = head.body;
  const uint64_t content_length = head.content_length;
  const std::string fault = test::FramingFault(forwarded, body, content_length);
  Require(fault.empty(), "framing is forwarded in one form", fault, forwarded);
  http1::RequestHeadParser forwarded_parser(storage, kLimitsAnew);
  Require(forwarded_parser.Parse(forwarded.data(), forwarded.size()) == http1::ParseStatus::kComplete,
          "a forwarded head is accepted", forwarded);
  const http1::RequestHead& again = forwarded_parser.head();
  Require(again.length == forwarded.size(), "a forwarded head is one head", forwarded);
  Require(again.body == body && again.content_length == content_length, "forwarding keeps the framing",
          forwarded);
  Require(!again.facts.Has(http1::FieldId::kTe) &&
              (again.upgrade || !again.facts.Has(http1::FieldId::kConnection)),
          "forwarding drops what belongs to the connection", forwarded);
  const std::string twice = test::Forward(again, forwarded.data());
  Require(twice == forwarded, "what is forwarded is forwarded as it is", forwarded, twice);
}

}  // namespace
}  // namespace sideroute::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sideroute::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
