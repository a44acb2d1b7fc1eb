// Tells protocols apart by the first bytes a downstream sends. Stage before the head gate; reads nothing
// itself.
#ifndef SIDEROUTE_ACCEPT_SNIFF_H_
#define SIDEROUTE_ACCEPT_SNIFF_H_

#include <cstddef>
#include <cstdint>

namespace sideroute {

enum class Sniffed : uint8_t {
  kUndecided,  // so far the beginning of a TLS record or of the HTTP/2 preface
  kHttp1,      // may be HTTP/1.x: ask the head gate
  kTls,        // a TLS handshake record, RFC 8446 section 5.1
  kHttp2,      // the whole connection preface with prior knowledge, RFC 9113 section 3.4
  kOther,      // cannot become any of these
};

// `data` holds everything received so far; `length` > 0. Deciding never depends on how the bytes were split.
Sniffed Sniff(const char* data, size_t length);

// How many bytes MayBeHttpResponse needs to be sure.
inline constexpr size_t kHttpResponseStart = 7;

// Whether the first bytes of an upstream that speaks unasked are an HTTP/1.x response (a 408 for an idle
// connection), or may still become one.
bool MayBeHttpResponse(const char* data, size_t length);

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_SNIFF_H_
