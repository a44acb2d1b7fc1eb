// Runs all registered tests, or those whose titles contain the first argument, and prints TAP; `--write-seeds
// DIR` writes the fuzzing corpora instead.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.h"
#include "seeds.h"

namespace sideroute::test {
namespace {

struct Entry {
  const char* title;
  TestFunction function;
};

std::vector<Entry>& Entries() {
  static std::vector<Entry> entries;
  return entries;
}

std::string failures;
int reported = 0;
int failed = 0;

}  // namespace

Registration::Registration(const char* title, TestFunction function) {
  Entries().push_back({title, function});
}

void Report(bool ok, std::string_view title, std::string_view detail) {
  std::string escaped;
  for (const char c : title) {
    if (c == '#') escaped += '\\';  // Would begin a TAP directive.
    escaped += c;
  }
  std::printf("%sok %d - %s\n", ok ? "" : "not ", ++reported, escaped.c_str());
  if (ok) return;
  ++failed;
  std::printf("  ---\n  message: |\n");
  std::string_view rest = detail;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::printf("    %.*s\n", static_cast<int>(end), rest.data());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::printf("  ...\n");
}

void Fail(const char* file, int line, std::string_view message) {
  failures += std::string(file) + ':' + std::to_string(line) + ": ";
  failures += message;
  failures += '\n';
  // Printed at once, because the test may crash later.
  std::fprintf(stderr, "%s:%d: %.*s\n", file, line, static_cast<int>(message.size()), message.data());
}

}  // namespace sideroute::test

int main(int argc, char** argv) {
  using namespace sideroute::test;
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0) return WriteSeeds(argv[2]) ? 0 : 1;
  // As in Node.
  std::signal(SIGPIPE, SIG_IGN);
  // Output before a crash must not be lost.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("TAP version 14\n");
  for (const auto& entry : Entries()) {
    if (argc == 2 && std::strstr(entry.title, argv[1]) == nullptr) continue;
    failures.clear();
    const int before = reported;
    const uint64_t looked_before = looked;
    entry.function();
    if (reported == before && looked == looked_before) failures += "nothing was checked\n";
    // A table that has reported its rows needs no further line.
    if (reported == before || !failures.empty()) Report(failures.empty(), entry.title, failures);
  }
  std::printf("1..%d\n", reported);
  return failed == 0 ? 0 : 1;
}
