// Edge cases of Host and target syntax, and the names and statuses of errors.
#include "check.h"
#include "http/scan.h"
#include "http1/framing.h"
#include "http1/target.h"
#include "summary.h"

namespace sideroute::test {
namespace {

using http1::Error;
using http1::FieldId;

TEST("authorities") {
  for (const std::string_view valid :
       {"a", "a.b-c_d~e", "127.0.0.1", "a:0", "a:65535", "a:00080", "a:", "[::]", "[::1]:8080", "[fe80::1:2]",
        "[::ffff:192.0.2.1]:80", "%41", "a%2fb"}) {
    CHECK_EQ(http1::IsValidAuthority(valid) ? valid : "refused", valid);
  }
  for (const std::string_view invalid : {"",       ":",      ":80",     "a:65536", "a:-1",
                                         "a:1a",   "a:1:2",  "a,b",     "a b",     "a/b",
                                         "a?b",    "a#b",    "a@b",     "%",       "%4",
                                         "%4g",    "a%",     "[",       "[]",      "[1",
                                         "[::1]]", "[::1]a", "[::1]:x", "[v1.a]",  "[fe80::1%25eth0]",
                                         "a[::1]", "\"a\"",  "a\\b",    "a\tb",    "\x80"}) {
    CHECK_EQ(http1::IsValidAuthority(invalid) ? invalid : "refused", "refused");
  }
  CHECK(!http1::IsValidAuthority(std::string_view("[::1\0]", 6)));
  CHECK(!http1::IsValidAuthority(std::string_view("a\0", 2)));
}

std::string Both(std::string_view target, std::string_view host) {
  return std::string(target) + " " + std::string(host);
}

TEST("the target of a CONNECT and its Host") {
  struct Pair {
    std::string_view target;
    std::string_view host;
  };
  for (const auto& [target, host] : std::initializer_list<Pair>{{"a:80", "a:80"},
                                                                {"A.b:80", "a.B:80"},
                                                                {"a:443", "a"},
                                                                {"a:80", "a"},
                                                                {"a:80", "a:"},
                                                                {"a:8080", "a:8080"},
                                                                {"10.0.0.1:1", "10.0.0.1:1"},
                                                                {"[::1]:80", "[::1]:80"},
                                                                {"[FE80::a]:443", "[fe80::A]"}}) {
    CHECK_EQ(http1::SameAuthority(target, host) ? std::string() : Both(target, host), "");
  }
  for (const auto& [target, host] : std::initializer_list<Pair>{{"a:80", "b:80"},
                                                                {"a:80", "a:81"},
                                                                {"a:80", "a:443"},
                                                                {"a:8080", "a"},
                                                                {"a:8080", "a:"},
                                                                {"a:80", "a:0"},
                                                                {"a:80", "a:080"},
                                                                {"[::1]:80", "[0:0::1]:80"},
                                                                {"a:80", ""},
                                                                {"a:80", "a.:80"},
                                                                {"a:80", "%61:80"},
                                                                {"[::1]:80", "[::2]:80"},
                                                                {"[::1]:80", "a:80"},
                                                                {"a:80", "[::1]:80"},
                                                                {"[::1]:8080", "[::1]"},
                                                                {"[::ffff:10.0.0.1]:80", "10.0.0.1:80"}}) {
    CHECK_EQ(http1::SameAuthority(target, host) ? Both(target, host) : std::string(), "");
  }
}

TEST("known fields are found whatever their case, and only they") {
  CHECK(http1::LookUpField("host") == FieldId::kHost);
  CHECK(http1::LookUpField("HOST") == FieldId::kHost);
  CHECK(http1::LookUpField("hOsT") == FieldId::kHost);
  CHECK(http1::LookUpField("Content-Length") == FieldId::kContentLength);
  CHECK(http1::LookUpField("HTTP2-SETTINGS") == FieldId::kHttp2Settings);
  CHECK(http1::LookUpField("TRANSFER-ENCODING") == FieldId::kTransferEncoding);
  CHECK(http1::LookUpField("keep-alive") == FieldId::kKeepAlive);
  CHECK(http1::LookUpField("Proxy-Connection") == FieldId::kProxyConnection);
  CHECK(http1::LookUpField("connection") == FieldId::kConnection);
  CHECK(http1::LookUpField("Upgrade") == FieldId::kUpgrade);
  CHECK(http1::LookUpField("Trailer") == FieldId::kTrailer);
  CHECK(http1::LookUpField("Expect") == FieldId::kExpect);
  CHECK(http1::LookUpField("TE") == FieldId::kTe);
  CHECK(http1::LookUpField("Content_Length") == FieldId::kOther);
  CHECK(http1::LookUpField("hosu") == FieldId::kOther);
  // Bytes that differ from a letter, a digit or `-` only in bit 0x20.
  CHECK(http1::LookUpField("keep_alive") == FieldId::kOther);
  CHECK(http1::LookUpField("content~length") == FieldId::kOther);
}

TEST("`_` and `-`, `@` and backtick, `^` and `~` are different bytes of a name") {
  CHECK(http1::NamesEqual("X-Y", "x-y"));
  CHECK(!http1::NamesEqual("X-Y", "X_Y"));
  CHECK(!http1::NamesEqual("a^", "a~"));
  CHECK(!http1::NamesEqual("a", "ab"));
}

TEST("every error has a name and a status") {
  for (int i = 1; i <= static_cast<int>(Error::kTruncated); ++i) {
    const Error error = static_cast<Error>(i);
    CHECK(!http1::NameOf(error).empty());
    CHECK(http1::RequestStatusOf(error) >= 400);
    CHECK_EQ(http1::ResponseStatusOf(error), 502);
  }
  CHECK_EQ(http1::RequestStatusOf(Error::kNone), 0);
  CHECK_EQ(http1::ResponseStatusOf(Error::kNone), 0);
  CHECK_EQ(http1::RequestStatusOf(Error::kRequestLineTooLong), 414);
  CHECK_EQ(http1::RequestStatusOf(Error::kHeadTooLarge), 431);
  CHECK_EQ(http1::RequestStatusOf(Error::kVersionUnsupported), 505);
  CHECK_EQ(http1::RequestStatusOf(Error::kTransferEncodingUnsupported), 501);
}

}  // namespace
}  // namespace sideroute::test
