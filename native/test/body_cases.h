// Bodies and their expected outcomes.
#ifndef SIDEROUTE_TEST_BODY_CASES_H_
#define SIDEROUTE_TEST_BODY_CASES_H_

#include <string_view>

#include "summary.h"

namespace sideroute::test {

using namespace std::string_view_literals;

struct BodyCase {
  // See RequestCase.
  const char* row;
  const char* title;
  BodyInput body;
  std::string_view input;
  std::string_view expected;
};

// Small limits, so that every split of a case that exceeds them can be tested.
inline constexpr http1::BodyLimits kSmallBodyLimits{
    .max_line_extension_bytes = 12, .max_extension_bytes = 16, .max_trailer_bytes = 64};

constexpr BodyInput Chunked(bool eof = false) {
  return {http1::BodyKind::kChunked, 0, kSmallBodyLimits, eof};
}
constexpr BodyInput ResponseChunked() {
  return {http1::BodyKind::kChunked, 0, kSmallBodyLimits, false, http1::SectionKind::kResponseTrailer};
}
constexpr BodyInput Length(uint64_t length, bool eof = false) {
  return {http1::BodyKind::kLength, length, kSmallBodyLimits, eof};
}
constexpr BodyInput NoBody() { return {http1::BodyKind::kNone, 0, kSmallBodyLimits, false}; }
constexpr BodyInput UntilClose(bool eof) { return {http1::BodyKind::kUntilClose, 0, kSmallBodyLimits, eof}; }

inline constexpr BodyCase kBodyCases[] = {
    {"44", "exactly the length, the rest is the next message", Length(3), "abcGET /"sv,
     "done \"abc\" rest:5"},
    {"44", "length 0", Length(0), "GET /"sv, "done \"\" rest:5"},
    {"44", "less than the length so far", Length(5), "abc"sv, "more \"abc\""},
    {"45", "no body", NoBody(), "GET /"sv, "done \"\" rest:5"},
    {"89", "connection ends before the length", Length(5, true), "abc"sv, "400 truncated after \"abc\""},
    {"90", "bytes beyond the length are left", Length(1), "abc"sv, "done \"a\" rest:2"},
    {"88", "until the connection ends", UntilClose(true), "a\0b\r\n\r\n"sv,
     "done \"a\\x00b\\x0d\\x0a\\x0d\\x0a\""},
    {"88", "until the connection ends, not yet", UntilClose(false), "abc"sv, "more \"abc\""},

    {"51", "one chunk", Chunked(), "3\r\nabc\r\n0\r\n\r\n"sv, "done \"abc\""},
    {"51", "no chunk", Chunked(), "0\r\n\r\n"sv, "done \"\""},
    {"51", "leading zeros", Chunked(), "0005\r\nabcde\r\n000\r\n\r\nrest"sv, "done \"abcde\" rest:4"},
    {"51", "a and A", Chunked(), "a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n"sv,
     "done \"0123456789abcdefghij\""},
    {"51", "payload that looks like framing", Chunked(), "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"sv,
     "done \"\\x0d\\x0a0\\x0d\\x0a\\x0d\\x0a\""},
    {"51", "sixteen digits", Chunked(), "0000000000000003\r\nabc\r\n0\r\n\r\n"sv, "done \"abc\""},
    {"49", "size `;`", Chunked(), ";\r\n"sv, "400 chunk-size after \"\""},
    {"49", "size g", Chunked(), "g\r\n"sv, "400 chunk-size after \"\""},
    {"49", "size 0x5", Chunked(), "0x5\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "size +5", Chunked(), "+5\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "size -1", Chunked(), "-1\r\n"sv, "400 chunk-size after \"\""},
    {"49", "size 5_", Chunked(), "5_\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "empty size", Chunked(), "\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "space before the size", Chunked(), " 5\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "space after the size", Chunked(), "5 \r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "TAB after the size", Chunked(), "5\t\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "digits after a blank", Chunked(), "5 5\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "0x80 after the size", Chunked(), "5\x80\r\nabcde\r\n"sv, "400 chunk-size after \"\""},
    {"49", "empty size after a chunk", Chunked(), "1\r\na\r\n\r\n"sv, "400 chunk-size after \"a\""},
    {"50", "seventeen digits", Chunked(), "00000000000000003\r\nabc\r\n"sv, "400 chunk-size after \"\""},
    {"50", "2^63", Chunked(), "8000000000000000\r\nabc"sv, "400 chunk-size after \"\""},
    {"50", "2^64 - 1", Chunked(), "ffffffffffffffff\r\nabc"sv, "400 chunk-size after \"\""},
    {"50", "2^63 - 1 is a size", Chunked(), "7fffffffffffffff\r\nabc"sv, "more \"abc\""},
    {"52", "extension", Chunked(), "5;a=b\r\nabcde\r\n0;c\r\n\r\n"sv, "done \"abcde\""},
    {"52", "quoted extension", Chunked(), "5;a=\"q;r\"\r\nabcde\r\n0\r\n\r\n"sv, "done \"abcde\""},
    {"52", "several extensions", Chunked(), "1;a;b=c;d=\"\"\r\na\r\n0\r\n\r\n"sv, "done \"a\""},
    {"52", "escapes and bytes above 0x7f in quotes", Chunked(), "1;a=\"\\\"\\\\\xe9\t\"\r\na\r\n0\r\n\r\n"sv,
     "done \"a\""},
    {"107", "blanks wherever they may be", Chunked(), "1 \t; a\t= b\r\na\r\n0\r\n\r\n"sv, "done \"a\""},
    {"107", "blanks between extensions", Chunked(), "1;a ;b=c ;d\r\na\r\n0 ;e\r\n\r\n"sv, "done \"a\""},
    {"107", "empty extension", Chunked(), "5;\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "empty extension behind blanks", Chunked(), "5 ; \r\nabcde\r\n"sv,
     "400 chunk-extension after \"\""},
    {"107", "one of several is empty", Chunked(), "5;a;;b\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "no name", Chunked(), "5;=b\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "no value", Chunked(), "5;a=\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "no value, and another extension", Chunked(), "5;a=;b\r\nabcde\r\n"sv,
     "400 chunk-extension after \"\""},
    {"107", "quotes that do not end", Chunked(), "5;a=\"b\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "quotes whose end is escaped", Chunked(), "5;a=\"b\\\"\r\nabcde\r\n"sv,
     "400 chunk-extension after \"\""},
    {"107", "an escape without a byte", Chunked(), "5;a=\"b\\\r\nabcde\r\n"sv,
     "400 chunk-extension after \"\""},
    {"107", "bytes behind the quotes", Chunked(), "5;a=\"b\"c\r\nabcde\r\n"sv,
     "400 chunk-extension after \"\""},
    {"107", "a quoted name", Chunked(), "5;\"a\"\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "blanks at the end", Chunked(), "5;a=b \r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "two words", Chunked(), "5;a b\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"107", "no token", Chunked(), "5;a\xe9\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"53", "LF in an extension", Chunked(), "5;a\nabcde\r\n0\r\n\r\n"sv, "400 chunk-extension after \"\""},
    {"53", "LF in quotes", Chunked(), "5;a=\"\n\"\r\nabcde\r\n"sv, "400 chunk-extension after \"\""},
    {"53", "CR in an extension", Chunked(), "5;a\rb\r\nabcde\r\n0\r\n\r\n"sv, "400 chunk-end after \"\""},
    {"53", "NUL in an extension", Chunked(), "5;a\0\r\nabcde\r\n0\r\n\r\n"sv,
     "400 chunk-extension after \"\""},
    {"54", "as many extension bytes as a line may have", Chunked(), "1;23456789012\r\na\r\n0\r\n\r\n"sv,
     "done \"a\""},
    {"54", "one extension byte too many in a line", Chunked(), "1;234567890123\r\na\r\n"sv,
     "400 chunk-extensions-too-long after \"\""},
    {"54", "blanks count", Chunked(), "1  ;  567890123\r\na\r\n"sv,
     "400 chunk-extensions-too-long after \"\""},
    {"106", "as many extension bytes as any message may have", Chunked(),
     "1;234567890\r\na\r\n0;23456\r\n\r\n"sv, "done \"a\""},
    {"106", "one extension byte too many in the message", Chunked(), "1;234567890\r\na\r\n0;234567\r\n\r\n"sv,
     "400 chunk-extensions-too-long after \"a\""},
    {"106", "as many extension bytes as payload", Chunked(),
     "14\r\nabcdefghijklmnopqrst\r\n1;234567890\r\nu\r\n1;2345678901\r\nv\r\n0\r\n\r\n"sv,
     "done \"abcdefghijklmnopqrstuv\""},
    {"106", "one extension byte more than payload", Chunked(),
     "14\r\nabcdefghijklmnopqrst\r\n1;234567890\r\nu\r\n1;23456789012\r\nv\r\n0\r\n\r\n"sv,
     "400 chunk-extensions-too-long after \"abcdefghijklmnopqrstu\""},
    {"55", "LF after the size", Chunked(), "5\nabcde\r\n0\r\n\r\n"sv, "400 chunk-size after \"\""},
    {"55", "CR without LF after the size", Chunked(), "5\rabcde\r\n0\r\n\r\n"sv, "400 chunk-end after \"\""},
    {"55", "LF after the last size", Chunked(), "0\n\r\n"sv, "400 chunk-size after \"\""},
    {"55", "LF as the empty line", Chunked(), "0\r\n\n"sv, "400 field-name after \"\""},
    {"56", "data followed by XX", Chunked(), "5\r\nabcdeXX0\r\n\r\n"sv, "400 chunk-end after \"abcde\""},
    {"56", "data followed by LF", Chunked(), "5\r\nabcde\n0\r\n\r\n"sv, "400 chunk-end after \"abcde\""},
    {"56", "data followed by CR X", Chunked(), "5\r\nabcde\rX0\r\n\r\n"sv, "400 chunk-end after \"abcde\""},
    {"57", "a request after the last chunk", Chunked(), "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "400 field-name after \"\""},
    {"58", "trailers", Chunked(), "1\r\na\r\n0\r\nX: 1\r\nY:\t2 \r\n\r\nrest"sv,
     "done \"a\" {X=1;Y=2} rest:4"},
    {"58", "trailers not complete", Chunked(), "1\r\na\r\n0\r\nX: 1\r\nY"sv, "more \"a\""},
    {"59", "trailers that would frame or route", Chunked(),
     "0\r\nContent-Length: 5\r\nTE: x\r\nHost: b\r\nX: 1\r\n\r\n"sv,
     "done \"\" {-Content-Length=5;-TE=x;-Host=b;X=1}"},
    {"59", "trailers that would manage the connection", Chunked(),
     "0\r\nTransfer-Encoding: x\r\nConnection: a b\r\nExpect: x\r\n\r\n"sv,
     "done \"\" {-Transfer-Encoding=x;-Connection=a b;-Expect=x}"},
    {"60", "obs-fold in a trailer", Chunked(), "0\r\nX: 1\r\n 2\r\n\r\n"sv, "400 field-folded after \"\""},
    {"60", "NUL in a trailer", Chunked(), "0\r\nX: \0\r\n\r\n"sv, "400 field-value after \"\""},
    {"60", "trailer without colon", Chunked(), "0\r\nX\r\n\r\n"sv, "400 field-name after \"\""},
    {"60", "empty name of a trailer", Chunked(), "0\r\n: x\r\n\r\n"sv, "400 field-name after \"\""},
    {"60", "CR CR LF after the trailers", Chunked(), "0\r\n\r\r\n"sv, "400 line-end after \"\""},
    {"60", "a blank before the colon of a trailer", Chunked(), "0\r\nX : 1\r\n\r\n"sv,
     "400 field-name after \"\""},
    {"103", "the same in a response", ResponseChunked(), "0\r\nX \t: 1\r\nTE : x\r\n\r\n"sv,
     "done \"\" {X=1;-TE=x}"},
    {"103", "blanks instead of the colon of a trailer", ResponseChunked(), "0\r\nX \r\n\r\n"sv,
     "400 field-name after \"\""},
    {"64", "trailers of the greatest length", Chunked(),
     "0\r\nX: 123456789012345678901234567890123456789012345678901234567\r\n\r\n"sv,
     "done \"\" {X=123456789012345678901234567890123456789012345678901234567}"},
    {"64", "trailers one byte longer", Chunked(),
     "0\r\nX: 1234567890123456789012345678901234567890123456789012345678\r\n\r\n"sv,
     "431 head-too-large after \"\""},
    {"61", "connection ends in a chunk", Chunked(true), "5\r\nabc"sv, "400 truncated after \"abc\""},
    {"61", "connection ends between chunks", Chunked(true), "3\r\nabc\r\n"sv, "400 truncated after \"abc\""},
    {"61", "connection ends before the empty line", Chunked(true), "3\r\nabc\r\n0\r\n"sv,
     "400 truncated after \"abc\""},
    {"61", "connection ends in a trailer", Chunked(true), "0\r\nX: "sv, "400 truncated after \"\""},
    {"93", "a bad chunk later on", Chunked(), "3\r\nabc\r\nzz\r\n"sv, "400 chunk-size after \"abc\""},
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_BODY_CASES_H_
