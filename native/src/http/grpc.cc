#include "http/grpc.h"

#include <cstddef>

namespace sideroute::http {

namespace {

constexpr std::string_view kGrpc = "application/grpc";
// Of the number in a timeout.
constexpr size_t kMaxDigits = 8;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }

}  // namespace

bool IsGrpcContentType(std::string_view value) {
  if (value.size() < kGrpc.size()) return false;
  for (size_t i = 0; i < kGrpc.size(); ++i) {
    if (Lower(value[i]) != kGrpc[i]) return false;
  }
  return value.size() == kGrpc.size() ||
         std::string_view("+; \t").find(value[kGrpc.size()]) != std::string_view::npos;
}

int64_t ParseGrpcTimeout(std::string_view value) {
  if (value.size() < 2 || value.size() > kMaxDigits + 1) return -1;
  int64_t number = 0;
  for (const char c : value.substr(0, value.size() - 1)) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  switch (value.back()) {
    case 'H':
      return number * 3'600'000;
    case 'M':
      return number * 60'000;
    case 'S':
      return number * 1'000;
    case 'm':
      return number;
    case 'u':
      return RoundUp(number, 1'000);
    case 'n':
      return RoundUp(number, 1'000'000);
    default:
      return -1;
  }
}

}  // namespace sideroute::http
