// Heads as forwarded, and what must hold for all of them: checked without the parser, so that the checks can
// judge it. Used by the unit tests and, as oracle, by the fuzz targets.
#ifndef SIDEROUTE_TEST_FORWARDED_H_
#define SIDEROUTE_TEST_FORWARDED_H_

#include <string>
#include <string_view>

#include "http1/head.h"
#include "http1/head_writer.h"

namespace sideroute::test {

// Written by WriteRequestHead and WriteResponseHead, for a backend and for an HTTP/1.1 client.
std::string Forward(const http1::RequestHead& head, const char* data);
std::string Forward(const http1::ResponseHead& head, const char* data);

// Returns what is wrong with the framing of the head `text`, or an empty string. It must have at most one
// framing field, as `Name: value CRLF` with the shortest number or exactly `chunked`, which agrees with
// `body` and `length`. `announced`: a length that frames no body is allowed, as in a response to HEAD.
std::string FramingFault(std::string_view text, http1::BodyKind body, uint64_t length,
                         bool announced = false);

// What the relayed head of a backend's message says about its body, which may end with the connection.
http1::BodyKind ForwardedBody(const http1::ResponseHead& head);

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_FORWARDED_H_
