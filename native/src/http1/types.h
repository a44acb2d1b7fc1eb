// What the HTTP/1.x parsers add to http/types.h, whose names they use as their own.
//
// Stage before: bytes received from a connection. Stage after: http1/head, http1/body and the users of their
// results. Results refer to the caller's buffer by offset, so the buffer may move between calls.
#ifndef SIDEROUTE_HTTP1_TYPES_H_
#define SIDEROUTE_HTTP1_TYPES_H_

#include <cstdint>

#include "http/types.h"

namespace sideroute::http1 {

using namespace http;

enum class ParseStatus : uint8_t { kNeedMore, kComplete, kError };

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_TYPES_H_
