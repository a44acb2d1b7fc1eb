// What a request says about gRPC: content types that make it a call, and values of grpc-timeout. The
// TypeScript tests read this table too (test/unit/routing/grpc-cases.test.ts), so that both sides decide
// alike.
#ifndef SIDEROUTE_TEST_GRPC_CASES_H_
#define SIDEROUTE_TEST_GRPC_CASES_H_

#include <cstdint>
#include <string_view>

namespace sideroute::test {

using namespace std::string_view_literals;

struct GrpcContentTypeCase {
  std::string_view value;
  bool is_grpc;
};

inline constexpr GrpcContentTypeCase kGrpcContentTypes[] = {
    {"application/grpc"sv, true},
    {"application/grpc+proto"sv, true},
    {"application/grpc+json"sv, true},
    {"application/grpc;charset=utf-8"sv, true},
    {"application/grpc ; a=b"sv, true},
    {"application/grpc\t"sv, true},
    {"Application/GRPC"sv, true},
    {"APPLICATION/grpc+x"sv, true},
    {""sv, false},
    {"application/grp"sv, false},
    {"application/grpcx"sv, false},
    {"application/grpc-web"sv, false},
    {"application/grpc-web+proto"sv, false},
    {"application/grpc,application/grpc"sv, false},
    {"application/json"sv, false},
    {" application/grpc"sv, false},
    {"text/plain; application/grpc"sv, false},
};

struct GrpcTimeoutCase {
  std::string_view value;
  // Rounded up; -1: not a valid timeout, so the call has no limit.
  int64_t milliseconds;
};

inline constexpr GrpcTimeoutCase kGrpcTimeouts[] = {
    {"1H"sv, 3600000},    {"2M"sv, 120000},
    {"3S"sv, 3000},       {"4m"sv, 4},
    {"5000u"sv, 5},       {"5001u"sv, 6},
    {"1u"sv, 1},          {"6000000n"sv, 6},
    {"6000001n"sv, 7},    {"1n"sv, 1},
    {"0S"sv, 0},          {"0n"sv, 0},
    {"00000010m"sv, 10},  {"99999999m"sv, 99999999},
    {"99999999n"sv, 100}, {"99999999H"sv, 359999996400000},
    {""sv, -1},           {"S"sv, -1},
    {"1"sv, -1},          {"100000000m"sv, -1},
    {"-1S"sv, -1},        {"+1S"sv, -1},
    {"1.5S"sv, -1},       {" 1S"sv, -1},
    {"1S "sv, -1},        {"1 S"sv, -1},
    {"1s"sv, -1},         {"1h"sv, -1},
    {"1N"sv, -1},         {"1U"sv, -1},
    {"1SS"sv, -1},        {"0x1S"sv, -1},
    {"1S,2S"sv, -1},
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_GRPC_CASES_H_
