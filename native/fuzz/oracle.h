// Checks shared by the fuzz targets; every failure is a finding.
#ifndef SIDEROUTE_FUZZ_ORACLE_H_
#define SIDEROUTE_FUZZ_ORACLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../test/summary.h"

namespace sideroute::fuzz {

inline void Require(bool condition, const char* what, std::string_view first = {},
                    std::string_view second = {}) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n  %.*s\n  %.*s\n", what, static_cast<int>(first.size()), first.data(),
               static_cast<int>(second.size()), second.data());
  std::abort();
}

// Up to three cuts that depend on the input alone, so that a finding is reproduced by its input.
inline test::Cuts SomeCuts(std::string_view input) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : input) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  test::Cuts cuts;
  for (int i = 0; i < 3; ++i) {
    cuts.push_back(static_cast<size_t>(hash % (input.size() + 1)));
    hash = hash >> 17 ^ hash * 31;
  }
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// Returns the outcome of `run` on the whole input, after checking that splits do not change it.
template <typename Run>
std::string SameAtEverySplit(std::string_view input, Run run) {
  std::string whole = run(test::Cuts{});
  const std::string bytes = run(test::EveryByte(input.size()));
  Require(whole == bytes, "byte by byte is the same", whole, bytes);
  const std::string cut = run(SomeCuts(input));
  Require(whole == cut, "some cuts are the same", whole, cut);
  return whole;
}

// Checks the bytes of an accepted head without using the parser: lines end in CRLF, CR, LF and NUL occur
// nowhere else, and the number of lines is that of start line, fields and empty line.
inline void RequirePlainLines(std::string_view head, size_t fields) {
  size_t lines = 0;
  for (size_t i = 0; i < head.size(); ++i) {
    Require(head[i] != '\0', "no NUL in a head");
    if (head[i] == '\r') Require(i + 1 < head.size() && head[i + 1] == '\n', "no bare CR in a head");
    if (head[i] == '\n') {
      Require(i > 0 && head[i - 1] == '\r', "no bare LF in a head");
      ++lines;
    }
  }
  Require(head.ends_with("\r\n\r\n"), "a head ends in an empty line");
  Require(lines == fields + 2, "a line per field");
}

inline void RequireWithin(http1::Span span, size_t length) {
  Require(span.offset <= length && span.length <= length - span.offset, "a span lies within the head");
}

// Writes field lines from the parsed fields.
inline std::string WriteFields(std::span<const http1::Field> fields, const char* data, size_t length) {
  std::string text;
  for (const http1::Field& field : fields) {
    RequireWithin({field.name_offset, field.name_length}, length);
    RequireWithin({field.value_offset, field.value_length}, length);
    text += field.Name(data);
    text += ": ";
    text += field.Value(data);
    text += "\r\n";
  }
  return text;
}

}  // namespace sideroute::fuzz

#endif  // SIDEROUTE_FUZZ_ORACLE_H_
