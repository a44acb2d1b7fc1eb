// Every row of the case tables, whole, byte by byte, and split at every position, always with the same
// outcome.
#include <functional>

#include "body_cases.h"
#include "check.h"
#include "gate_cases.h"
#include "request_cases.h"
#include "response_cases.h"
#include "summary.h"

namespace sideroute::test {
namespace {

// Small, so that all splits of heads that exceed them can be tested.
constexpr HeadLimits kSmallLimits{.max_head_bytes = 512, .max_fields = 8, .max_request_line = 96};

using Run = std::function<std::string(const Cuts&)>;

// Empty, or the difference from `expected` and the split.
std::string Disagreement(std::string_view input, std::string_view expected, const Run& run) {
  const auto compare = [&](const Cuts& cuts, const std::string& how) -> std::string {
    const std::string actual = run(cuts);
    if (actual == expected) return {};
    return how + "\nexpected " + std::string(expected) + "\ngot      " + actual;
  };
  if (std::string text = compare({}, "whole"); !text.empty()) return text;
  if (std::string text = compare(EveryByte(input.size()), "byte by byte"); !text.empty()) return text;
  for (size_t cut = 0; cut <= input.size(); ++cut) {
    if (std::string text = compare({cut}, "split at " + std::to_string(cut)); !text.empty()) return text;
  }
  return {};
}

std::string Title(const char* table, const char* row, const char* title) {
  const bool numbered = *row >= '0' && *row <= '9';
  return std::string(table) + (numbered ? ", case " : ", ") + row + ": " + title;
}

TEST("request heads") {
  for (const RequestCase& row : kRequestCases) {
    const std::string text = Disagreement(row.input, row.expected, [&row](const Cuts& cuts) {
      return RunRequest(row.input, cuts, kSmallLimits);
    });
    Report(text.empty(), Title("request head", row.row, row.title), text);
  }
}

TEST("response heads") {
  for (const ResponseCase& row : kResponseCases) {
    const std::string text = Disagreement(row.input, row.expected, [&row](const Cuts& cuts) {
      return RunResponse(row.input, cuts, kSmallLimits, row.context);
    });
    Report(text.empty(), Title("response head", row.row, row.title), text);
  }
}

TEST("bodies") {
  for (const BodyCase& row : kBodyCases) {
    const std::string text = Disagreement(
        row.input, row.expected, [&row](const Cuts& cuts) { return RunBody(row.input, cuts, row.body); });
    Report(text.empty(), Title("body", row.row, row.title), text);
  }
}

TEST("gate") {
  for (const GateCase& row : kGateCases) {
    const auto run = [&row](const Cuts& cuts) { return RunGate(row.input, cuts, kSmallLimits); };
    std::string text;
    if (!row.whole_only) {
      text = Disagreement(row.input, row.expected, run);
    } else if (const std::string actual = run({}); actual != row.expected) {
      text = "expected " + std::string(row.expected) + "\ngot      " + actual;
    }
    Report(text.empty(), Title("gate", row.row, row.title), text);
  }
}

}  // namespace
}  // namespace sideroute::test
