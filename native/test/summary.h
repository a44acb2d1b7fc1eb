// Outcomes of the parsers as one line of text each, which the case tables state and which must not depend on
// how the bytes are split. Used by the unit tests and, as oracle, by the fuzz targets.
#ifndef SIDEROUTE_TEST_SUMMARY_H_
#define SIDEROUTE_TEST_SUMMARY_H_

#include <string>
#include <string_view>
#include <vector>

#include "http1/body.h"
#include "http1/head.h"
#include "http1/head_gate.h"

namespace sideroute::test {

// `METHOD target form ... 1.1 keep length:5 {Name=value;-Dropped=value}`, or `400 error-name`, or `more`.
std::string Summarise(const http1::RequestHead& head, const char* data);
std::string Summarise(const http1::ResponseHead& head, const char* data);
std::string SummariseError(uint16_t status, http1::Error error);
std::string Summarise(const GateResult& result);

// How to split an input: ascending offsets at which a read ends; the end of the input is implied.
using Cuts = std::vector<size_t>;

// Parse `input`, split at `cuts`, and describe the outcome. If `exact`, each read is in a heap block of its
// exact size, so that a sanitizer detects access beyond it. For accepted heads and bodies the remaining bytes
// are shown as `rest:N`.
std::string RunRequest(std::string_view input, const Cuts& cuts, const HeadLimits& limits, bool exact = true);
std::string RunResponse(std::string_view input, const Cuts& cuts, const HeadLimits& limits,
                        const http1::ResponseContext& context, bool exact = true);
std::string RunGate(std::string_view input, const Cuts& cuts, const HeadLimits& limits, bool exact = true);

struct BodyInput {
  http1::BodyKind kind;
  uint64_t content_length;
  http1::BodyLimits limits;
  // The connection ends after the input.
  bool eof;
  // Of requests or of responses.
  http1::SectionKind trailers = http1::SectionKind::kRequestTrailer;
};
// `done "payload" {trailers} rest:N`, or `400 name after "payload"`, or `more "payload"`.
std::string RunBody(std::string_view input, const Cuts& cuts, const BodyInput& body, bool exact = true);

// Every byte is a separate read.
Cuts EveryByte(size_t length);

// Printable form of arbitrary bytes.
std::string Quote(std::string_view bytes);

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_SUMMARY_H_
