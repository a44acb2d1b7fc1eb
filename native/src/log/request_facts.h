// What the access log says about a request and the exchange would otherwise forget: taken from the head while
// its bytes are there, and noted on the way.
//
// Stage before: exchange and http1/downstream. Stage after: access_log.
#ifndef SIDEROUTE_LOG_REQUEST_FACTS_H_
#define SIDEROUTE_LOG_REQUEST_FACTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/head.h"
#include "net/net_address.h"

namespace sideroute {

enum class RequestText : uint8_t { kMethod, kPath, kHost, kRequestId, kTraceparent, kUserAgent };
inline constexpr size_t kRequestTexts = 6;
// Bytes kept of each.
inline constexpr std::array<size_t, kRequestTexts> kRequestTextLimits = {64, 2048, 512, 256, 256, 512};

// The texts of one request, one after the other in memory that is kept for the next one.
class RequestTexts {
 public:
  void Clear();
  // Once per request at most; cut at the limit.
  void Set(RequestText which, std::string_view bytes);
  // Without data when it was not set.
  std::string_view Get(RequestText which) const;
  // Some text was cut.
  bool truncated() const { return truncated_; }
  // Of a complete head. A repeated request id or user agent counts with its first value, a repeated
  // traceparent is none (W3C Trace Context: at most one).
  void Take(const http::RequestHead& head);

 private:
  struct Piece {
    uint32_t offset = 0;
    uint32_t length = 0;
    bool set = false;
  };

  std::string bytes_;
  std::array<Piece, kRequestTexts> pieces_;
  bool truncated_ = false;
};

// By tap, the JSON member `headers` of its record; empty for one that asks for none.
inline constexpr size_t kMaxTaps = 8;
using TappedFields = std::array<std::string, kMaxTaps>;

struct RequestFacts {
  // The access log or a tap was on when the request began: everything below holds.
  bool kept = false;
  // A bit for each tap that wants the request as far as its head says, and the newest one there was by then.
  uint8_t taps = 0;
  uint32_t newest_tap = 0;
  // Null: no tap asks for fields.
  std::unique_ptr<TappedFields> tapped_fields;
  RequestTexts texts;
  // Monotonic nanoseconds; 0 for what has not happened.
  uint64_t received_ns = 0;
  uint64_t connected_ns = 0;
  uint64_t response_ns = 0;
  NetAddress upstream;
  // The name of what was wrong with the request or the response, kept in any case; empty when no parser has
  // refused it.
  std::string_view fault;
  // Counted in any case. Heads and framing included; those of a tunnel after an upgrade, too.
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
};

// The ids of a `traceparent` field, and its two digits of flags; all without data when it is not valid.
struct TraceIds {
  std::string_view trace;
  std::string_view parent;
  std::string_view flags;
};
TraceIds ParseTraceparent(std::string_view value);

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_REQUEST_FACTS_H_
