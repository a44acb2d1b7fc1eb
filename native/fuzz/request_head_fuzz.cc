// Request heads: same outcome at every split, spans in bounds, and what is accepted survives being written
// anew, both as it came and as a proxy would forward it.
#include <array>

#include "oracle.h"

namespace sideroute::fuzz {
namespace {

constexpr HeadLimits kLimits{.max_head_bytes = 1024, .max_fields = 24, .max_request_line = 256};
// A field written anew may be a byte longer.
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
  // `skip:` and `rest:` belong to what surrounds the head.
  const std::string anew = Rewritten(line + WriteFields(head.fields, data, head.length, false) + "\r\n");
  std::string_view expected = outcome;
  if (head.start != 0) expected.remove_prefix(std::string_view("skip:2 ").size());
  if (head.length != input.size()) expected = expected.substr(0, expected.rfind(" rest:"));
  Require(anew == expected, "a head written anew is the same", expected, anew);

  std::string fields = WriteFields(head.fields, data, head.length, true);
  if (head.body == http1::BodyKind::kChunked) fields += "Transfer-Encoding: chunked\r\n";
  const std::string forwarded_text = line + fields + "\r\n";
  http1::RequestHeadParser forwarded_parser(storage, kLimitsAnew);
  const http1::BodyKind body = head.body;
  const uint64_t content_length = head.content_length;
  const bool crowded = head.fields.size() == storage.size();
  if (crowded) return;  // No room for the field added.
  Require(
      forwarded_parser.Parse(forwarded_text.data(), forwarded_text.size()) == http1::ParseStatus::kComplete,
      "a forwarded head is accepted", forwarded_text);
  const http1::RequestHead& forwarded = forwarded_parser.head();
  Require(forwarded.length == forwarded_text.size(), "a forwarded head is one head", forwarded_text);
  Require(forwarded.body == body && forwarded.content_length == content_length,
          "forwarding keeps the framing", forwarded_text);
  Require(!forwarded.facts.Has(http1::FieldId::kConnection) &&
              !forwarded.facts.Has(http1::FieldId::kUpgrade) && !forwarded.facts.Has(http1::FieldId::kTe),
          "forwarding drops what belongs to the connection", forwarded_text);
}

}  // namespace
}  // namespace sideroute::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sideroute::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
