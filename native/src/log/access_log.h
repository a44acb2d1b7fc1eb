// The access log: which requests and connections get a line, and what it says. docs/access-log.md is its
// reference.
//
// Stage before: exchange and http1/downstream (requests of the native engine), the binding (those of the
// uws engine), acceptor (connections). Stage after: log_writer. Used on the loop's thread only.
#ifndef SIDEROUTE_LOG_ACCESS_LOG_H_
#define SIDEROUTE_LOG_ACCESS_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/engine_types.h"
#include "log/json_line.h"
#include "log/log_writer.h"
#include "log/request_facts.h"
#include "net/connection.h"
#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

// `kErrors`: what sideroute answered or dropped itself, other than a route asks for, and statuses from 500.
enum class AccessLogMode : uint8_t { kOff, kErrors, kAll };
inline constexpr std::array<std::string_view, 3> kAccessLogModeNames = {"off", "errors", "all"};

struct RequestEntry {
  int32_t frontend = -1;
  // -1: refused before it was routed.
  int32_t series = -1;
  // 0: none was sent.
  uint16_t status = 0;
  // Index into the reasons; -1 for none.
  int32_t reason = -1;
  // Monotonic; of the complete request head, and of now.
  uint64_t started_ns = 0;
  uint64_t ended_ns = 0;
  uint16_t retries = 0;
  RetryDenial denial = RetryDenial::kNone;
  // 0 or 1 of HTTP/1.x; -1 when it is not known.
  int minor_version = -1;
  // What an engine does not count is null.
  bool counts_bytes = true;
  NetAddress downstream;
  NetAddress destination;
};

struct ConnectionEntry {
  ConnectionReason reason = ConnectionReason::kUnrouted;
  // Negative errno, or 0.
  int error = 0;
  bool reset = false;
  uint64_t started_ns = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  NetAddress downstream;
  NetAddress destination;
};

class AccessLog {
 public:
  struct ReasonInfo {
    std::string name;
    // No answer that a route asks for.
    bool error = false;
  };

  AccessLog(UniqueFd fd, size_t buffer_bytes, std::vector<ReasonInfo> reasons)
      : fd_(std::move(fd)), buffer_bytes_(buffer_bytes), reasons_(std::move(reasons)) {}
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // The first mode but kOff starts the writer. 0 or a negative errno.
  int SetMode(AccessLogMode mode);
  bool on() const { return mode_ != AccessLogMode::kOff; }

  // `members`: the JSON members `route`, `rule` and `backend` of a series, which takes the place of the one
  // whose slot it was given (src/observe/series-slots.ts).
  void SetSeries(uint32_t id, std::string members);
  // `namespace/name:port`.
  void SetFrontend(uint32_t id, std::string key);

  // Hot path.
  bool Wants(int32_t reason, uint16_t status) const {
    if (mode_ != AccessLogMode::kErrors) return mode_ == AccessLogMode::kAll;
    if (status >= 500) return true;
    return reason >= 0 && static_cast<size_t>(reason) < reasons_.size() &&
           reasons_[static_cast<size_t>(reason)].error;
  }
  // Each writes its line where the mode wants it.
  void OnRequest(const RequestEntry& entry, const RequestFacts& facts);
  void OnConnection(const ConnectionEntry& entry);

  // Writes what there is, for at most `timeout_ms`. Nothing is logged afterwards.
  void Close(uint32_t timeout_ms);
  uint64_t written() const { return writer_ == nullptr ? 0 : writer_->written(); }
  uint64_t dropped() const { return writer_ == nullptr ? 0 : writer_->dropped(); }

 private:
  // The lower bits of an id; the others count the series that the slot had before.
  static constexpr uint32_t kSlotMask = 0xfff;
  struct Series {
    int32_t id = -1;
    std::string members;
  };

  void WriteOutcome(const RequestEntry& entry, const RequestFacts& facts);
  void WriteRoute(const RequestEntry& entry);
  void WritePhase(std::string_view name, uint64_t started_ns, uint64_t happened_ns);

  AccessLogMode mode_ = AccessLogMode::kOff;
  // The writer gets a copy when it starts.
  UniqueFd fd_;
  const size_t buffer_bytes_;
  const std::vector<ReasonInfo> reasons_;
  // By slot.
  std::vector<Series> series_;
  std::vector<std::string> frontends_;
  std::unique_ptr<LogWriter> writer_;
  bool closed_ = false;
  JsonLine line_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_ACCESS_LOG_H_
