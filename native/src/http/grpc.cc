#include "http/grpc.h"

#include <cstddef>

#include "http/scan.h"

namespace sideroute::http {

namespace {

constexpr std::string_view kGrpc = "application/grpc";
// Limit for the digits of a timeout value (gRPC over HTTP/2 specification).
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

int8_t FindGrpcStatus(const char* data, std::span<const Field> fields) {
  constexpr std::string_view kStatus = "grpc-status";
  for (const Field& field : fields) {
    if (field.name_length != kStatus.size() || !NamesEqual(field.Name(data), kStatus)) continue;
    const std::string_view value = field.Value(data);
    if (value.empty() || value.size() > 2) return kMissingStatus;
    int code = 0;
    for (const char c : value) {
      if (c < '0' || c > '9') return kMissingStatus;
      code = code * 10 + (c - '0');
    }
    return code < kMissingStatus ? static_cast<int8_t>(code) : kMissingStatus;
  }
  return kMissingStatus;
}

bool IsGrpcFault(int8_t code) {
  // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, and a missing status.
  constexpr uint32_t kFaults = 1u << 2 | 1u << 4 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15 | 1u << 17;
  return code >= 0 && (kFaults >> code & 1u) != 0;
}

Call ReadCall(MethodId method, const char* data, std::span<const Field> fields) {
  constexpr std::string_view kType = "content-type", kTimeout = "grpc-timeout";
  static_assert(kType.size() == kTimeout.size());
  Call call;
  if (method != MethodId::kPost) return call;
  bool has_type = false, has_timeout = false;
  for (const Field& field : fields) {
    if (field.name_length != kType.size() || field.id != FieldId::kOther) continue;
    const std::string_view name = field.Name(data);
    if (!has_type && NamesEqual(name, kType)) {
      has_type = true;
      call.is_call = IsGrpcContentType(field.Value(data));
    } else if (!has_timeout && NamesEqual(name, kTimeout)) {
      has_timeout = true;
      call.timeout_ms = ParseGrpcTimeout(field.Value(data));
    }
  }
  if (!call.is_call) call.timeout_ms = -1;
  return call;
}

}  // namespace sideroute::http
