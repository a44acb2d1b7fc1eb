// What the table of the gate cannot show: default limits and heads beyond what the gate tells apart.
#include "http1/head_gate.h"

#include <string>

#include "check.h"
#include "summary.h"

namespace sideroute::test {
namespace {

std::string Gate(const std::string& input, const HeadLimits& limits = {}) {
  return RunGate(input, {}, limits);
}

std::string Fields(int count) {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < count; ++i) text += "X: 1\r\n";
  return text + "\r\n";
}

TEST("U15: up to 90 fields are admitted, up to 200 refused, more are 431") {
  CHECK_EQ(Gate(Fields(90)), "admit");
  CHECK_EQ(Gate(Fields(91)), "refuse not_implemented");
  CHECK_EQ(Gate(Fields(200)), "refuse not_implemented");
  CHECK_EQ(Gate(Fields(201)), "invalid header_limit");
}

TEST("limits above what the gate tells apart make it refuse, not answer 431") {
  const HeadLimits many{.max_head_bytes = 65536, .max_fields = 1000, .max_request_line = 8192};
  CHECK_EQ(Gate(Fields(500), many), "refuse not_implemented");
}

TEST("SAFETY 63, 64: default limits") {
  CHECK_EQ(Gate("GET /" + std::string(9000, 'x')), "invalid uri_limit");
  CHECK_EQ(Gate("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x')), "invalid header_limit");
  CHECK_EQ(Gate("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(60'000, 'x')), "more");
  CHECK_EQ(Gate(std::string(9000, 'x')), "not-http");
}

}  // namespace
}  // namespace sideroute::test
