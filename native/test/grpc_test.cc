// How gRPC calls are told from other requests, and how long they may take.
#include "http/grpc.h"

#include <string>

#include "check.h"
#include "grpc_cases.h"

namespace sideroute::test {
namespace {

TEST("the content types of calls of gRPC, and those of other requests") {
  for (const GrpcContentTypeCase& each : kGrpcContentTypes) {
    CHECK_EQ(http::IsGrpcContentType(each.value), each.is_grpc);
  }
}

TEST("the units of grpc-timeout, rounded up, and what is no timeout") {
  for (const GrpcTimeoutCase& each : kGrpcTimeouts) {
    CHECK_EQ(http::ParseGrpcTimeout(each.value), each.milliseconds);
  }
}

}  // namespace
}  // namespace sideroute::test
