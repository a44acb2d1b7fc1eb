// Response heads: the outcome is the same at every split, spans are in bounds, and an accepted head stays the
// same when it is written again, as received and as relayed, with framing in one form only.
#include <array>

#include "../test/forwarded.h"
#include "input.h"
#include "oracle.h"

namespace sideroute::fuzz {
namespace {

constexpr HeadLimits kLimits{.max_head_bytes = 1024, .max_fields = 24, .max_request_line = 256};
// A response whose body ended with its connection gets one more field.
constexpr HeadLimits kLimitsAnew{.max_head_bytes = 4096, .max_fields = 25, .max_request_line = 256};

void Check(const http1::ResponseContext& context, std::string_view input) {
  const std::string outcome = SameAtEverySplit(
      input, [&](const test::Cuts& cuts) { return test::RunResponse(input, cuts, kLimits, context, false); });

  std::array<http1::Field, 24> storage;
  http1::ResponseHeadParser parser(storage, kLimits);
  parser.Reset(context);
  if (parser.Parse(input.data(), input.size()) != http1::ParseStatus::kComplete) return;
  const http1::ResponseHead& head = parser.head();
  const char* data = input.data();
  Require(head.length <= input.size(), "a head lies within its input");
  RequireWithin(head.reason, head.length);
  RequirePlainLines(input.substr(0, head.length), head.fields.size());
  Require(head.status >= 100 && head.status <= 999, "a status has three digits");
  const bool bodiless = head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless || context.method == http1::MethodId::kHead) {
    Require(head.body == http1::BodyKind::kNone || head.body == http1::BodyKind::kSwitched, "no body",
            outcome);
  }
  if (head.status == 101) Require(context.upgrade_requested, "101 only when asked for", outcome);

  const std::string text = (head.minor_version == 1 ? "HTTP/1.1 " : "HTTP/1.0 ") +
                           std::to_string(head.status) + ' ' + std::string(head.reason.In(data)) + "\r\n" +
                           WriteFields(head.fields, data, head.length) + "\r\n";
  const std::string anew = test::RunResponse(text, {}, kLimitsAnew, context, false);
  std::string_view expected = outcome;
  if (head.length != input.size()) expected = expected.substr(0, expected.rfind(" rest:"));
  Require(anew == expected, "a head written anew is the same", expected, anew);

  const std::string relayed = test::Forward(head, data);
  const http1::BodyKind body = test::ForwardedBody(head);
  const uint64_t content_length = head.content_length;
  const bool announced = context.method == http1::MethodId::kHead || head.status == 304;
  const std::string fault = test::FramingFault(relayed, body, content_length, announced);
  Require(fault.empty(), "framing is relayed in one form", fault, relayed);
  std::array<http1::Field, 25> storage_again;
  http1::ResponseHeadParser relayed_parser(storage_again, kLimitsAnew);
  relayed_parser.Reset(context);
  Require(relayed_parser.Parse(relayed.data(), relayed.size()) == http1::ParseStatus::kComplete,
          "a relayed head is accepted", relayed);
  const http1::ResponseHead& again = relayed_parser.head();
  Require(again.length == relayed.size(), "a relayed head is one head", relayed);
  Require(again.body == body && again.content_length == content_length, "relaying keeps the framing",
          relayed);
  const std::string twice = test::Forward(again, relayed.data());
  Require(twice == relayed, "what is relayed is relayed as it is", relayed, twice);
}

}  // namespace
}  // namespace sideroute::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  sideroute::fuzz::Check(sideroute::fuzz::DecodeContext(data[0]),
                         {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
