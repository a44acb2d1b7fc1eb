// What the access log needs from a request and the exchange would not keep: taken from the head while its
// bytes are there, and recorded on the way.
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
// Maximum number of bytes kept of each.
inline constexpr std::array<size_t, kRequestTexts> kRequestTextLimits = {64, 2048, 512, 256, 256, 512};

// The texts of one request, one after another, in memory that is reused for the next request.
class RequestTexts {
 public:
  void Clear();
  // At most once per request and text; cut at the limit.
  void Set(RequestText which, std::string_view bytes);
  // Null data if it was not set.
  std::string_view Get(RequestText which) const;
  // Whether a text was cut.
  bool truncated() const { return truncated_; }
  // Takes the texts from a complete head. Of a repeated request id or user agent the first value counts; a
  // repeated traceparent counts as none (W3C Trace Context allows one at most).
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

// By tap: the JSON member `headers` of its record; empty for a tap that asks for no fields.
inline constexpr size_t kMaxTaps = 8;
using TappedFields = std::array<std::string, kMaxTaps>;

struct RequestFacts {
  // The access log or a tap was on when the request began, so all members are valid.
  bool kept = false;
  // A bit for each tap whose filter the head has passed, and the newest tap at that time.
  uint8_t taps = 0;
  uint32_t newest_tap = 0;
  // Null: no tap asks for fields.
  std::unique_ptr<TappedFields> tapped_fields;
  RequestTexts texts;
  // Monotonic nanoseconds; 0 if it has not happened.
  uint64_t received_ns = 0;
  uint64_t connected_ns = 0;
  uint64_t response_ns = 0;
  NetAddress upstream;
  // The name of what was wrong with the request or the response; empty if no parser refused it. Always set.
  std::string_view fault;
  // Always counted, heads and framing included, and the bytes of a relay after an Upgrade too.
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
};

// The ids in a `traceparent` field, and its two digits of flags; all with null data if it is not valid.
struct TraceIds {
  std::string_view trace;
  std::string_view parent;
  std::string_view flags;
};
TraceIds ParseTraceparent(std::string_view value);

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_REQUEST_FACTS_H_
