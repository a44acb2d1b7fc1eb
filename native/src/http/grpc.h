// What a request head says about gRPC, whatever its version of HTTP. src/routing/grpc-call.ts answers the
// same questions; one table of cases tests both.
#ifndef SIDEROUTE_HTTP_GRPC_H_
#define SIDEROUTE_HTTP_GRPC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http/types.h"

namespace sideroute::http {

// Whether a content-type value makes a request a gRPC call: `application/grpc`, alone or followed by a format
// or parameters. The types of gRPC-Web, another protocol, do not.
bool IsGrpcContentType(std::string_view value);

// The value of grpc-timeout in milliseconds; -1 if it is not valid. Rounded up, so that no deadline ends too
// early.
int64_t ParseGrpcTimeout(std::string_view value);

// gRPC status codes, indexed by number. The last entry stands for a complete response without a code that
// gRPC knows. GRPC_STATUSES in src/grpc-status.ts.
inline constexpr auto kGrpcStatusNames = std::to_array<std::string_view>(
    {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
     "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
     "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", "missing"});
inline constexpr int8_t kMissingStatus = 17;
static_assert(kGrpcStatusNames.size() == kMissingStatus + 1);
// Stands for a code in a request that is not a gRPC call.
inline constexpr int8_t kNoCall = -1;

// Hot path. The grpc-status among these fields: trailers, or the head of a response without a body.
int8_t FindGrpcStatus(const char* data, std::span<const Field> fields);
// Whether the code is a fault of the server or of the path to it, as the HTTP statuses from 500 on are.
bool IsGrpcFault(int8_t code);

// Whether a request is a gRPC call, and how long its caller waits.
struct Call {
  bool is_call = false;
  // Counted from the arrival of the head; -1: no limit.
  int64_t timeout_ms = -1;
};

// Hot path. For an HTTP/2 request only, because gRPC has no calls over HTTP/1. Only the first field of each
// name counts.
Call ReadCall(MethodId method, const char* data, std::span<const Field> fields);

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_GRPC_H_
