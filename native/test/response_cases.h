// Response heads and their expected outcomes.
#ifndef SIDEROUTE_TEST_RESPONSE_CASES_H_
#define SIDEROUTE_TEST_RESPONSE_CASES_H_

#include <string_view>

#include "http1/head.h"

namespace sideroute::test {

using namespace std::string_view_literals;

inline constexpr http1::ResponseContext kToGet{http1::MethodId::kGet, false};
inline constexpr http1::ResponseContext kToHead{http1::MethodId::kHead, false};
inline constexpr http1::ResponseContext kToConnect{http1::MethodId::kConnect, false};
inline constexpr http1::ResponseContext kToUpgrade{http1::MethodId::kGet, true};

struct ResponseCase {
  // See RequestCase.
  const char* row;
  const char* title;
  http1::ResponseContext context;
  std::string_view input;
  std::string_view expected;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define END "\r\n"

inline constexpr ResponseCase kResponseCases[] = {
    {"RFC 9112 4", "a plain response", kToGet, OK "Content-Length: 2\r\n" END "hi"sv,
     "200 reason=OK 1.1 keep length:2 {Content-Length=2} rest:2"},
    {"RFC 9112 4", "empty reason", kToGet, "HTTP/1.1 200 \r\nContent-Length: 0\r\n" END ""sv,
     "200 reason= 1.1 keep length:0 {Content-Length=0}"},
    {"104", "no space after the status is let pass", kToGet, "HTTP/1.1 200\r\nContent-Length: 0\r\n" END ""sv,
     "200 reason= 1.1 keep length:0 {Content-Length=0}"},
    {"RFC 9112 4", "reason with blanks and bytes above 0x7f", kToGet,
     "HTTP/1.1 404 Nicht \xc3\xa4\t x\r\nContent-Length: 0\r\n" END ""sv,
     "404 reason=Nicht \\xc3\\xa4\\x09 x 1.1 keep length:0 {Content-Length=0}"},
    {"RFC 9112 4", "a status from 600 on is forwarded", kToGet,
     "HTTP/1.1 999 X\r\nContent-Length: 0\r\n" END ""sv, "999 reason=X 1.1 keep length:0 {Content-Length=0}"},
    {"33", "hop-by-hop fields are dropped", kToGet,
     OK "Content-Length: 0\r\nConnection: keep-alive, X\r\nKeep-Alive: timeout=5\r\nX: "
        "1\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nY: 2\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:0 {Content-Length=0;-Connection=keep-alive, X;-Keep-Alive=timeout=5;-X=1;"
     "-Proxy-Connection=close;-Upgrade=h2c;Y=2}"},
    {"101", "Connection: content-length", kToGet,
     OK "Content-Length: 5\r\nConnection: content-length\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:5 {Content-Length=5;-Connection=content-length}"},
    {"101", "Connection: transfer-encoding, and a field to drop", kToGet,
     OK "Connection: Transfer-Encoding, x, host\r\nX: 1\r\nTransfer-Encoding: chunked\r\nHost: b\r\n" END
        ""sv,
     "200 reason=OK 1.1 keep chunked {-Connection=Transfer-Encoding, x, "
     "host;-X=1;-Transfer-Encoding=chunked;Host=b}"},
    {"31", "several Set-Cookie in order", kToGet,
     OK "Set-Cookie: b\r\nset-cookie: a\r\nContent-Length: 0\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:0 {Set-Cookie=b;set-cookie=a;Content-Length=0}"},
    {"41", "chunked", kToGet, OK "Transfer-Encoding: Chunked\r\n" END ""sv,
     "200 reason=OK 1.1 keep chunked {-Transfer-Encoding=Chunked}"},
    {"26", "Host means nothing in a response", kToGet, OK "Host: a,b\r\nContent-Length: 0\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:0 {Host=a,b;Content-Length=0}"},
    {"80", "Content-Length and Transfer-Encoding", kToGet,
     OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END ""sv, "502 length-and-transfer-encoding"},
    {"80", "both on a HEAD", kToHead, OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END ""sv,
     "502 length-and-transfer-encoding"},
    {"80", "Transfer-Encoding in HTTP/1.0", kToGet,
     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" END ""sv, "502 transfer-encoding-in-http10"},
    {"81", "differing lengths", kToGet, OK "Content-Length: 5\r\nContent-Length: 6\r\n" END ""sv,
     "502 content-length-repeated"},
    {"81", "malformed length", kToGet, OK "Content-Length: 5x\r\n" END ""sv, "502 content-length-invalid"},
    {"81", "list of differing lengths", kToGet, OK "Content-Length: 5, 6\r\n" END ""sv,
     "502 content-length-repeated"},
    {"81", "list with an empty element", kToGet, OK "Content-Length: 5,\r\n" END ""sv,
     "502 content-length-invalid"},
    {"100", "list of equal lengths", kToGet, OK "Content-Length: 5, 05\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:5 {Content-Length=5, 05}"},
    {"100", "list and line of equal lengths", kToGet,
     OK "Content-Length: 5,5\r\nContent-Length: 5\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:5 {Content-Length=5,5;-Content-Length=5}"},
    {"81", "list and line of differing lengths", kToGet,
     OK "Content-Length: 5,5\r\nContent-Length: 6\r\n" END ""sv, "502 content-length-repeated"},
    {"81", "empty length", kToGet, OK "Content-Length:\r\n" END ""sv, "502 content-length-invalid"},
    {"81", "a repeat of the same length is dropped", kToGet,
     OK "Content-Length: 5\r\nContent-Length: 5\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:5 {Content-Length=5;-Content-Length=5}"},
    {"82", "chunked, chunked", kToGet, OK "Transfer-Encoding: chunked, chunked\r\n" END ""sv,
     "502 transfer-encoding-invalid"},
    {"82", "gzip, chunked", kToGet, OK "Transfer-Encoding: gzip, chunked\r\n" END ""sv,
     "502 transfer-encoding-unsupported"},
    {"82", "gzip", kToGet, OK "Transfer-Encoding: gzip\r\n" END ""sv, "502 transfer-encoding-invalid"},
    {"82", "empty Transfer-Encoding", kToGet, OK "Transfer-Encoding:\r\n" END ""sv,
     "502 transfer-encoding-invalid"},
    {"83", "status 20", kToGet, "HTTP/1.1 20 OK\r\n" END ""sv, "502 status-line"},
    {"83", "status 2000", kToGet, "HTTP/1.1 2000 OK\r\n" END ""sv, "502 status-line"},
    {"83", "status 099", kToGet, "HTTP/1.1 099 OK\r\n" END ""sv, "502 status-line"},
    {"83", "status 2x0", kToGet, "HTTP/1.1 2x0 OK\r\n" END ""sv, "502 status-line"},
    {"83", "no status", kToGet, "HTTP/1.1\r\n" END ""sv, "502 status-line"},
    {"83", "two spaces before the status", kToGet, "HTTP/1.1  200 OK\r\n" END ""sv, "502 status-line"},
    {"83", "TAB before the reason", kToGet, "HTTP/1.1 200\tOK\r\n" END ""sv, "502 status-line"},
    {"83", "HTTP/2 200", kToGet, "HTTP/2 200 OK\r\n" END ""sv, "502 status-line"},
    {"83", "HTTP/2.0 200", kToGet, "HTTP/2.0 200 OK\r\n" END ""sv, "502 version-unsupported"},
    {"83", "HTTP/1.2 200", kToGet, "HTTP/1.2 200 OK\r\n" END ""sv, "502 version-unsupported"},
    {"83", "ICY", kToGet, "ICY 200 OK\r\n" END ""sv, "502 status-line"},
    {"83", "leading CRLF", kToGet, "\r\n" OK END ""sv, "502 status-line"},
    {"84", "NUL in the reason", kToGet, "HTTP/1.1 200 O\0K\r\n" END ""sv, "502 status-line"},
    {"84", "bare CR in the reason", kToGet, "HTTP/1.1 200 O\rK\r\n" END ""sv, "502 line-end"},
    {"84", "bare LF after the status line", kToGet, "HTTP/1.1 200 OK\n\n"sv, "502 line-end"},
    {"84", "NUL in a value", kToGet, OK "X: \0\r\n" END ""sv, "502 field-value"},
    {"84", "CR in a value", kToGet, OK "X: a\rb\r\n" END ""sv, "502 line-end"},
    {"84", "LF after a field", kToGet, OK "X: a\n\r\n"sv, "502 line-end"},
    {"84", "obs-fold", kToGet, OK "X: a\r\n b\r\n" END ""sv, "502 field-folded"},
    {"84", "empty name", kToGet, OK ": a\r\n" END ""sv, "502 field-name"},
    {"103", "blanks before a colon", kToGet, OK "X : a\r\nY \t :b\r\nContent-Length : 05\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:5 {X=a;Y=b;Content-Length=05}"},
    {"103", "a blank before the colon of framing", kToGet,
     OK "Transfer-Encoding : chunked\r\nConnection : close\r\n" END ""sv,
     "200 reason=OK 1.1 close chunked {-Transfer-Encoding=chunked;-Connection=close}"},
    {"84", "a blank without a colon", kToGet, OK "X y: a\r\n" END ""sv, "502 field-name"},
    {"84", "blanks without a name", kToGet, OK " : a\r\n" END ""sv, "502 field-folded"},
    {"86", "100 is interim", kToGet, "HTTP/1.1 100 Continue\r\n" END OK END ""sv,
     "100 interim reason=Continue 1.1 keep none {} rest:19"},
    {"86", "103 keeps its fields", kToGet, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" END ""sv,
     "103 interim reason=Early Hints 1.1 keep none {Link=</a>}"},
    {"86", "length on an interim response is dropped", kToGet,
     "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n" END ""sv,
     "102 interim reason=Processing 1.1 keep none {-Content-Length=5}"},
    {"102", "framing of an interim response is dropped", kToGet,
     "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n" END ""sv,
     "103 interim reason=Early Hints 1.1 keep none {-Transfer-Encoding=chunked;-Content-Length=x}"},
    {"87", "101 unasked", kToGet,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n" END ""sv,
     "502 unexpected-switch"},
    {"87", "101 asked for", kToUpgrade,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n" END "glued"sv,
     "101 reason=Switching Protocols 1.1 close tunnel {-Upgrade=x;-Connection=upgrade} rest:5"},
    {"87", "101 in HTTP/1.0", kToUpgrade, "HTTP/1.0 101 Switching Protocols\r\n" END ""sv,
     "502 unexpected-switch"},
    {"72", "200 to an Upgrade stays HTTP", kToUpgrade, OK "Content-Length: 0\r\n" END ""sv,
     "200 reason=OK 1.1 keep length:0 {Content-Length=0}"},
    {"88", "neither length nor encoding", kToGet, OK END ""sv, "200 reason=OK 1.1 close until-close {}"},
    {"88", "HTTP/1.0 with length and keep-alive", kToGet,
     "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n" END ""sv,
     "200 reason=OK 1.0 keep length:1 {Content-Length=1;-Connection=keep-alive}"},
    {"88", "HTTP/1.0 with length", kToGet, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n" END ""sv,
     "200 reason=OK 1.0 close length:1 {Content-Length=1}"},
    {"92", "HEAD with length", kToHead, OK "Content-Length: 5\r\n" END "later"sv,
     "200 reason=OK 1.1 keep none {Content-Length=5} rest:5"},
    {"92", "HEAD with chunked", kToHead, OK "Transfer-Encoding: chunked\r\n" END ""sv,
     "200 reason=OK 1.1 keep none {-Transfer-Encoding=chunked}"},
    {"102", "204 loses its length", kToGet, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n" END ""sv,
     "204 reason=No Content 1.1 close none {-Content-Length=5}"},
    {"102", "204 with a length of zero", kToGet, "HTTP/1.1 204 No Content\r\nContent-Length: 00\r\n" END ""sv,
     "204 reason=No Content 1.1 keep none {-Content-Length=00}"},
    {"102", "204 with both", kToGet,
     "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nTransfer-Encoding: gzip, chunked\r\n" END ""sv,
     "204 reason=No Content 1.1 close none {-Content-Length=0;-Transfer-Encoding=gzip, chunked}"},
    {"102", "304 with both", kToGet,
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" END ""sv,
     "304 reason=Not Modified 1.1 close none {Content-Length=5;-Transfer-Encoding=chunked}"},
    {"81", "304 with a malformed length", kToGet,
     "HTTP/1.1 304 Not Modified\r\nContent-Length: x\r\n" END ""sv, "502 content-length-invalid"},
    {"102", "205 has a body", kToGet, "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n" END ""sv,
     "205 reason=Reset Content 1.1 keep length:5 {Content-Length=5}"},
    {"92", "304 keeps its length", kToGet, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n" END ""sv,
     "304 reason=Not Modified 1.1 keep none {Content-Length=5}"},
    {"10", "2xx to CONNECT", kToConnect, "HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n" END ""sv,
     "200 reason=Connected 1.1 close tunnel {-Content-Length=5}"},
    {"99", "the connection of a refused CONNECT is not used again", kToConnect,
     "HTTP/1.1 403 No\r\nContent-Length: 5\r\n" END ""sv,
     "403 reason=No 1.1 close length:5 {Content-Length=5}"},
    {"94", "SMTP banner", kToGet, "220 mail ESMTP\r\n"sv, "502 status-line"},
    {"94", "SSH banner", kToGet, "SSH-2.0-OpenSSH_9.2\r\n"sv, "502 status-line"},
    {"94", "an HTTP/2 settings frame", kToGet, "\0\0\x12\x04\0\0\0\0\0"sv, "502 status-line"},
    {"96", "a part of a head", kToGet, OK "Content-Le"sv, "more"},
};

#undef OK
#undef END

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_RESPONSE_CASES_H_
