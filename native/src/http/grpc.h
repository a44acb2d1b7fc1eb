// What the head of a request says of gRPC, whatever version of HTTP it came in. The same questions are
// answered in src/routing/grpc-call.ts, by one table of cases.
#ifndef SIDEROUTE_HTTP_GRPC_H_
#define SIDEROUTE_HTTP_GRPC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http/types.h"

namespace sideroute::http {

// Whether the value of content-type makes a request a call: `application/grpc`, alone or with a format or
// parameters behind it. That of gRPC-Web, which is another protocol, does not.
bool IsGrpcContentType(std::string_view value);

// The value of grpc-timeout in milliseconds, rounded up so that a deadline is never missed for being cut off;
// -1 for what is none.
int64_t ParseGrpcTimeout(std::string_view value);

// Codes of gRPC, by their numbers, and what stands for a response that is complete and has none, or one that
// gRPC does not know. GRPC_STATUSES in src/grpc-status.ts.
inline constexpr auto kGrpcStatusNames = std::to_array<std::string_view>(
    {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
     "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
     "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", "missing"});
inline constexpr int8_t kMissingStatus = 17;
static_assert(kGrpcStatusNames.size() == kMissingStatus + 1);
// In place of a code, of what is no call.
inline constexpr int8_t kNoCall = -1;

// Hot path. What grpc-status says among these fields, trailers or those of a head that ends its response.
int8_t FindGrpcStatus(const char* data, std::span<const Field> fields);
// Of a code: the fault of a server, or of what is on the way to it, as a status of HTTP from 500 on.
bool IsGrpcFault(int8_t code);

// What makes a request a call, and how long its caller waits.
struct Call {
  bool is_call = false;
  // Since its head has come; -1: as long as it takes.
  int64_t timeout_ms = -1;
};

// Hot path. Of a request of HTTP/2: over HTTP/1 there are no calls. Only the first field of each name counts.
Call ReadCall(MethodId method, const char* data, std::span<const Field> fields);

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_GRPC_H_
