// What the head of a request says of gRPC, whatever version of HTTP it came in. The same questions are
// answered in src/routing/grpc-call.ts, by one table of cases.
#ifndef SIDEROUTE_HTTP_GRPC_H_
#define SIDEROUTE_HTTP_GRPC_H_

#include <cstdint>
#include <string_view>

namespace sideroute::http {

// Whether the value of content-type makes a request a call: `application/grpc`, alone or with a format or
// parameters behind it. That of gRPC-Web, which is another protocol, does not.
bool IsGrpcContentType(std::string_view value);

// The value of grpc-timeout in milliseconds, rounded up so that a deadline is never missed for being cut off;
// -1 for what is none.
int64_t ParseGrpcTimeout(std::string_view value);

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_GRPC_H_
