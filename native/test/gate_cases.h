// First bytes of a connection, and the verdicts of the gate of the uws engine.
#ifndef SIDEROUTE_TEST_GATE_CASES_H_
#define SIDEROUTE_TEST_GATE_CASES_H_

#include <string_view>

namespace sideroute::test {

using namespace std::string_view_literals;

struct GateCase {
  // See RequestCase.
  const char* row;
  const char* title;
  std::string_view input;
  std::string_view expected;
  // Bytes after the head decide, so the verdict holds only if the input is one read.
  bool whole_only = false;
};

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define END "\r\n"
#define REFUSE "refuse not_implemented"
#define BAD "invalid bad_request"

inline constexpr GateCase kGateCases[] = {
    {"14", "nothing", ""sv, "more"},
    {"14", "a method", "GET"sv, "more"},
    {"14", "a head without its last byte", GET "\r"sv, "more"},
    {"14", "GET", GET END ""sv, "admit"},
    {"5", "lower-case and unknown methods", "purge / HTTP/1.1\r\n" HOST END ""sv, "admit"},
    {"27", "empty Host", "GET / HTTP/1.1\r\nHost:\r\n" END ""sv, "admit"},
    {"44", "GET with a body", GET "Content-Length: 3\r\n" END "abc"sv, "admit"},
    {"44", "POST with part of its body", POST "Content-Length: 3\r\n" END "a"sv, "admit"},
    {"100", "a length with a leading zero", POST "Content-Length: 03\r\n" END "abc"sv, REFUSE},
    {"100", "a length with blanks around it", POST "Content-Length:\t3\r\n" END "abc"sv, REFUSE},
    {"33", "Connection: close", GET "Connection: close\r\n" END ""sv, "admit"},

    {"11", "one leading CRLF", "\r\n" GET END ""sv, REFUSE},
    {"49", "chunked", POST "Transfer-Encoding: chunked\r\n" END ""sv, REFUSE},
    {"47", "a second request behind the first", GET END GET END ""sv, REFUSE, true},
    {"47", "one byte behind the first", GET END "G"sv, REFUSE, true},
    {"47", "a second request behind a body", POST "Content-Length: 3\r\n" END "abcGET"sv, REFUSE, true},
    {"13", "HTTP/1.0", "GET / HTTP/1.0\r\n" HOST END ""sv, REFUSE},
    {"13", "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n" END ""sv, REFUSE},
    {"8", "absolute-form", "GET http://b/x HTTP/1.1\r\n" HOST END ""sv, REFUSE},
    {"9", "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST END ""sv, REFUSE},
    {"10", "CONNECT", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n" END ""sv, REFUSE},
    {"99", "CONNECT with a body",
     "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\nContent-Length: 5\r\n" END "hello"sv, BAD},
    {"105", "CONNECT with the Host of another", "CONNECT b:80 HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"109", "userinfo", "GET http://u@b/ HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"30", "byte above 0x7f at the start of a value", GET "X: \xe9y\r\n" END ""sv, REFUSE},
    {"30", "byte above 0x7f at the end of a value", GET "X: y\xe9\r\n" END ""sv, REFUSE},
    {"30", "byte above 0x7f inside a value", GET "X: y\xe9y\r\n" END ""sv, "admit"},
    {"75", "Expect", POST "Content-Length: 3\r\nExpect: 100-continue\r\n" END ""sv, REFUSE},
    {"75", "any Expect", POST "Expect: x\r\n" END ""sv, REFUSE},
    {"71", "Upgrade", GET "Connection: Upgrade\r\nUpgrade: websocket\r\n" END ""sv, REFUSE},
    {"71", "Upgrade alone", GET "Upgrade: websocket\r\n" END ""sv, REFUSE},
    {"71", "Connection: upgrade alone", GET "Connection: keep-alive, Upgrade\r\n" END ""sv, REFUSE},
    {"74", "h2c",
     GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n" END ""sv, REFUSE},
    {"42", "gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n" END ""sv, REFUSE},

    {"1", "two spaces", "GET  / HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"1", "TAB after a standard method", "GET\t/ HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"1", "two spaces after an unknown method", "PURGE  / HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"2", "HTTP/0.9", "GET /\r\n"sv, BAD},
    {"2", "no version after an unknown method", "PURGE /\r\n"sv, BAD},
    {"3", "HTTP/1.2", "GET / HTTP/1.2\r\n"sv, "invalid bad_version"},
    {"4", "empty method", " / HTTP/1.1\r\n"sv, BAD},
    {"4", "no token as method", "G{} / HTTP/1.1\r\n"sv, BAD},
    {"6", "NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST END ""sv, BAD},
    {"8", "no form of target", "FOO bar HTTP/1.1\r\n"sv, BAD},
    {"9", "GET *", "GET * HTTP/1.1\r\n"sv, BAD},
    {"11", "two leading CRLF", "\r\n\r\n" GET END ""sv, BAD},
    {"15", "obs-fold", GET "X: a\r\n b\r\n" END ""sv, BAD},
    {"16", "space before the colon", GET "X : a\r\n" END ""sv, BAD},
    {"18", "empty name", GET ": a\r\n" END ""sv, BAD},
    {"21", "NUL in a value", GET "X: \0\r\n" END ""sv, BAD},
    {"22", "bare LF", "GET / HTTP/1.1\nHost: a\n\n"sv, BAD},
    {"24", "no Host", "GET / HTTP/1.1\r\n" END ""sv, BAD},
    {"25", "two Hosts", GET HOST END ""sv, BAD},
    {"34", "Content-Length and Transfer-Encoding",
     POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" END ""sv, BAD},
    {"35", "differing lengths", POST "Content-Length: 3\r\nContent-Length: 4\r\n" END ""sv, BAD},
    {"37", "empty length", POST "Content-Length:\r\n" END ""sv, BAD},
    {"40", "empty Transfer-Encoding", POST "Transfer-Encoding:\r\n" END ""sv, BAD},
    {"63", "request line too long",
     "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n"sv,
     "invalid uri_limit"},
    {"65", "too many fields", GET "B: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\nI: 1\r\nJ: 1\r\n" END ""sv,
     "invalid header_limit"},
    {"78", "HTTP/2 preface wrong at byte 20", "PRI * HTTP/2.0\r\n\r\nSM\rX\r\n\r\n"sv, "invalid bad_version"},
    {"77", "HTTP/2 preface, which protocol detection takes first", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv,
     "invalid bad_version"},

    {"79", "TLS", "\x16\x03\x01\x00\xa5\x01"sv, "not-http"},
    {"79", "SSH banner", "SSH-2.0-OpenSSH_9.2p1\r\n"sv, "not-http"},
    {"79", "SSH banner with comment", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"sv, "not-http"},
    {"79", "PostgreSQL", "\0\0\0\x08\x04\xd2\x16\x2f"sv, "not-http"},
    {"79", "Redis", "*1\r\n$4\r\nPING\r\n"sv, "not-http"},
    {"79", "Redis inline", "PING\r\n"sv, "not-http"},
    {"79", "memcached", "get foo\r\n"sv, "not-http"},
    {"79", "PROXY v1", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"sv, "not-http"},
    {"79", "JSON lines", "{\"a\": 1}\n"sv, "not-http"},
    {"79", "JSON without a line end is not waited for", "{\"a\": 1}"sv, "not-http"},
    {"79", "a token and then binary", "MAGIC\x01\x02"sv, "not-http"},
    {"79", "a token, a space and then binary", "MAGIC \x01\x02"sv, "not-http"},
    {"79", "a long line of text",
     "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"sv,
     "not-http"},
    {"79", "CR alone", "\rGET / HTTP/1.1\r\n"sv, "not-http"},
    {"79", "leading LF", "\nGET / HTTP/1.1\r\n"sv, "not-http"},
    {"79", "high byte first", "\xff\xfe"sv, "not-http"},
};

#undef HOST
#undef GET
#undef POST
#undef END
#undef REFUSE
#undef BAD

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_GATE_CASES_H_
