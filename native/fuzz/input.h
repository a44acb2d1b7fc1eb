// The layout of the inputs of the fuzz targets: first the arguments of the parser, then the bytes.
#ifndef SIDEROUTE_FUZZ_INPUT_H_
#define SIDEROUTE_FUZZ_INPUT_H_

#include <cstdint>
#include <string>

#include "http1/head.h"

namespace sideroute::fuzz {

// Response head: one byte; bits 0 to 3 are the method of the request, bit 4 says whether it asked for an
// upgrade.
inline std::string EncodeContext(const http1::ResponseContext& context) {
  const auto byte = static_cast<unsigned>(context.method) | (context.upgrade_requested ? 16u : 0u);
  return std::string(1, static_cast<char>(byte));
}

inline http1::ResponseContext DecodeContext(uint8_t byte) {
  constexpr unsigned kMethods = static_cast<unsigned>(http1::MethodId::kPatch) + 1;
  return {static_cast<http1::MethodId>((byte & 15u) % kMethods), (byte & 16u) != 0};
}

// Body: one byte for the kind and one for the length.
inline std::string EncodeBody(http1::BodyKind kind, uint64_t content_length) {
  return {static_cast<char>(kind), static_cast<char>(content_length)};
}

inline http1::BodyKind DecodeBodyKind(uint8_t byte) { return static_cast<http1::BodyKind>(byte % 5u); }

}  // namespace sideroute::fuzz

#endif  // SIDEROUTE_FUZZ_INPUT_H_
