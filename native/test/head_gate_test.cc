// What the table of the gate cannot show: default limits, and heads with more fields than the gate can hold.
#include "http1/head_gate.h"

#include <string>

#include "check.h"
#include "gate_cases.h"
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

TEST("up to 90 fields are admitted, up to 200 refused, more are 431") {
  CHECK_EQ(Gate(Fields(90)), "admit");
  CHECK_EQ(Gate(Fields(91)), "refuse not_implemented");
  CHECK_EQ(Gate(Fields(200)), "refuse not_implemented");
  CHECK_EQ(Gate(Fields(201)), "invalid header_limit");
}

TEST("limits above what the gate tells apart make it refuse, not answer 431") {
  const HeadLimits many{.max_head_bytes = 65536, .max_fields = 1000, .max_request_line = 8192};
  CHECK_EQ(Gate(Fields(500), many), "refuse not_implemented");
}

TEST("what begins as a request is never taken for another protocol later") {
  for (const GateCase& each : kGateCases) {
    const std::string input(each.input);
    for (size_t length = 1; length <= input.size(); ++length) {
      if (!BeginsRequest(input.data(), length)) continue;
      CHECK_EQ(Gate(input) == "not-http", false);
      CHECK_EQ(Gate(input.substr(0, length)) == "not-http", false);
    }
  }
  for (const char* begun : {"GET ", "POST\t", "OPTIONS * HT", "CONNECT a:1", "GET \0\1"}) {
    CHECK_EQ(BeginsRequest(begun, std::string(begun).size()), true);
  }
  for (const char* other :
       {"G", "GET", "GETS ", "get ", "PRI * HTTP/2.0", "\r\nGET ", " GET ", "\x16\x03\x01", "SSH-2.0-x "}) {
    CHECK_EQ(BeginsRequest(other, std::string(other).size()), false);
  }
}

TEST("by default a request line over 8 KiB is 414 and a head over 64 KiB is 431") {
  CHECK_EQ(Gate("GET /" + std::string(9000, 'x')), "invalid uri_limit");
  CHECK_EQ(Gate("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x')), "invalid header_limit");
  CHECK_EQ(Gate("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(60'000, 'x')), "more");
  CHECK_EQ(Gate(std::string(9000, 'x')), "not-http");
}

}  // namespace
}  // namespace sideroute::test
