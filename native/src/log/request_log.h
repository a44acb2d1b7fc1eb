// What an access log is told about a request by the code that knows how it ended.
//
// Stage before: an exchange, or a connection that refused a request before there was an exchange. Stage
// after: access_log, which makes a line of it.
#ifndef SIDEROUTE_LOG_REQUEST_LOG_H_
#define SIDEROUTE_LOG_REQUEST_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/engine_types.h"
#include "http/head.h"
#include "log/request_facts.h"
#include "net/net_address.h"

namespace sideroute {

// `kErrors`: local replies and dropped requests other than those a route asks for, statuses from 500 on, and
// gRPC codes that mean the same.
enum class AccessLogMode : uint8_t { kOff, kErrors, kAll };
inline constexpr std::array<std::string_view, 3> kAccessLogModeNames = {"off", "errors", "all"};

struct RequestEntry {
  int32_t frontend = -1;
  // -1: refused before it was routed.
  int32_t series = -1;
  // 0: no response was sent.
  uint16_t status = 0;
  // Index into the reasons; -1 for none.
  int32_t reason = -1;
  // Monotonic nanoseconds: when the request head was complete, and now.
  uint64_t started_ns = 0;
  uint64_t ended_ns = 0;
  uint16_t retries = 0;
  RetryDenial denial = RetryDenial::kNone;
  // 0 or 1 for HTTP/1.x, 2 for HTTP/2; -1 if it is not known.
  int minor_version = -1;
  // http::kNoCall if the request is not a gRPC call.
  int8_t grpc_status = http::kNoCall;
  // False if the engine does not count bytes; the log then says null.
  bool counts_bytes = true;
  NetAddress downstream;
  NetAddress destination;
};

class RequestLog {
 public:
  struct ReasonInfo {
    std::string name;
    // Not an answer that a route asks for.
    bool error = false;
  };

  // The log or a tap wants some requests.
  bool on() const { return logs() || tapped_; }
  bool logs() const { return mode_ != AccessLogMode::kOff; }
  bool tapped() const { return tapped_; }
  // Called for a decided request while a tap is on: records in `facts` which taps want it.
  virtual void Tap(const http::RequestHead& head, int32_t series, RequestFacts* facts) = 0;
  // Hot path.
  bool Wants(int32_t reason, uint16_t status, int8_t grpc_status) const {
    if (mode_ != AccessLogMode::kErrors) return mode_ == AccessLogMode::kAll;
    if (status >= 500 || http::IsGrpcFault(grpc_status)) return true;
    return reason >= 0 && static_cast<size_t>(reason) < reasons_.size() &&
           reasons_[static_cast<size_t>(reason)].error;
  }
  // Writes the line if the mode or a tap wants it.
  virtual void OnRequest(const RequestEntry& entry, const RequestFacts& facts) = 0;

 protected:
  explicit RequestLog(std::vector<ReasonInfo> reasons) : reasons_(std::move(reasons)) {}
  ~RequestLog() = default;

  AccessLogMode mode_ = AccessLogMode::kOff;
  bool tapped_ = false;
  const std::vector<ReasonInfo> reasons_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_REQUEST_LOG_H_
