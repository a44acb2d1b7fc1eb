// The gate: the verdict is the same at every split and agrees with the parser it uses. One exception: bytes
// after a head turn an admission into a refusal.
#include <array>

#include "http1/head_gate.h"
#include "oracle.h"

namespace sideroute::fuzz {
namespace {

constexpr HeadLimits kLimits{.max_head_bytes = 512, .max_fields = 8, .max_request_line = 128};

void Check(std::string_view input) {
  const std::string whole = test::RunGate(input, {}, kLimits, false);
  for (const test::Cuts& cuts : {test::EveryByte(input.size()), SomeCuts(input)}) {
    const std::string cut = test::RunGate(input, cuts, kLimits, false);
    Require(cut == whole || (cut == "admit" && whole == "refuse not_implemented"),
            "one verdict at every split", whole, cut);
  }
  std::array<http1::Field, 8> storage;
  http1::RequestHeadParser parser(storage, kLimits);
  const http1::ParseStatus status = parser.Parse(input.data(), input.size());
  const GateResult result = GateFirstHead(input.data(), input.size(), kLimits);
  switch (result.verdict) {
    case GateVerdict::kNeedMore:
      Require(status == http1::ParseStatus::kNeedMore || !parser.request_line_done(),
              "more only while a line may come");
      break;
    case GateVerdict::kAdmit:
      Require(status == http1::ParseStatus::kComplete, "only complete heads are admitted");
      Require(parser.head().minor_version == 1 && parser.head().target.form == http1::TargetForm::kOrigin &&
                  parser.head().body != http1::BodyKind::kChunked && !parser.head().upgrade &&
                  !parser.head().expect_continue && parser.head().start == 0,
              "only what the engine carries is admitted");
      break;
    case GateVerdict::kRefuse:
      Require(status == http1::ParseStatus::kComplete ||
                  parser.error() == http1::Error::kTransferEncodingUnsupported,
              "only valid heads are refused");
      break;
    case GateVerdict::kInvalid:
      Require(status == http1::ParseStatus::kError && result.reason == http1::ReasonOf(parser.error()),
              "the reason is the parser's");
      break;
    case GateVerdict::kNotHttp:
      Require(status == http1::ParseStatus::kError && !parser.request_line_done(), "a request line is HTTP");
      break;
  }
}

}  // namespace
}  // namespace sideroute::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sideroute::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
