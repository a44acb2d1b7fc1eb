// The access log: which requests and connections get a line, and what it says. docs/access-log.md is its
// reference. And of these the lines that somebody taps.
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
#include "log/request_log.h"
#include "log/taps.h"
#include "net/connection.h"
#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

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

class AccessLog final : public RequestLog {
 public:
  AccessLog(UniqueFd fd, size_t buffer_bytes, std::vector<ReasonInfo> reasons)
      : RequestLog(std::move(reasons)), fd_(std::move(fd)), buffer_bytes_(buffer_bytes) {}
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // The first mode but kOff starts the writer. 0 or a negative errno.
  int SetMode(AccessLogMode mode);

  // `members`: the JSON members `route`, `rule` and `backend` of a series, which takes the place of the one
  // whose slot it was given (src/observe/series-slots.ts).
  void SetSeries(uint32_t id, std::string members);
  // `namespace/name:port`.
  void SetFrontend(uint32_t id, std::string key);

  // What of them is tapped, besides the lines of the log and whatever its mode.
  bool AddTap(uint32_t id, TapFilter filter);
  void RemoveTap(uint32_t id);
  Taps::Taken TakeTap(uint32_t id) { return taps_.Take(id); }

  // Each writes its line where the mode wants it.
  void OnRequest(const RequestEntry& entry, const RequestFacts& facts) override;
  void Tap(const http::RequestHead& head, int32_t series, RequestFacts* facts) override;
  void OnConnection(const ConnectionEntry& entry);

  // Members of a line, for whoever else tells of requests.
  void WriteOutcome(JsonLine& line, const RequestEntry& entry, const RequestFacts& facts) const;
  void WriteRoute(JsonLine& line, int32_t frontend, int32_t series) const;

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
  // `route`, `rule` and `backend`, of null where the series is none.
  std::string_view MembersOf(int32_t series) const;
  void WriteRequest(const RequestEntry& entry, const RequestFacts& facts);

  // The writer gets a copy when it starts.
  UniqueFd fd_;
  const size_t buffer_bytes_;
  // By slot.
  std::vector<Series> series_;
  std::vector<std::string> frontends_;
  std::unique_ptr<LogWriter> writer_;
  bool closed_ = false;
  Taps taps_;
  JsonLine line_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_ACCESS_LOG_H_
