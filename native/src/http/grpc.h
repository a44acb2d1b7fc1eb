// What the head of a request says of gRPC, whatever version of HTTP it came in. The same questions are
// answered in src/routing/grpc-call.ts, by one table of cases.
#ifndef SIDEROUTE_HTTP_GRPC_H_
#define SIDEROUTE_HTTP_GRPC_H_

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
