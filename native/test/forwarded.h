// Heads as they leave, and what holds of all of them: seen without the parser, so that it can be its judge.
// Used by the unit tests and, as oracle, by the fuzz targets.
#ifndef SIDEROUTE_TEST_FORWARDED_H_
#define SIDEROUTE_TEST_FORWARDED_H_

#include <string>
#include <string_view>

#include "http1/head.h"
#include "http1/head_writer.h"

namespace sideroute::test {

// As WriteRequestHead and WriteResponseHead write them, to a backend and to a client of HTTP/1.1.
std::string Forward(const http1::RequestHead& head, const char* data);
std::string Forward(const http1::ResponseHead& head, const char* data);

// Empty, or what is wrong with the framing of the head `text`: it has at most one field for it, as
// `Name: value CRLF` with the shortest number or exactly `chunked`, and says what `body` and `length` say.
// `announced`: a length that frames nothing here is no fault, as in the answer to a HEAD.
std::string FramingFault(std::string_view text, http1::BodyKind body, uint64_t length,
                         bool announced = false);

// What the head written for a message of a backend says about its body, which may end with the connection.
http1::BodyKind ForwardedBody(const http1::ResponseHead& head);

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_FORWARDED_H_
