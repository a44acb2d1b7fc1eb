// The access log: which requests and connections get a line, and what it says (reference:
// docs/access-log.md). It also passes lines to the taps. Used only on the loop's thread.
//
// Stage before: exchange and http1/downstream (requests of the native engine), the binding (those of the uws
// engine), acceptor (connections). Stage after: log_writer.
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

  // The first mode other than kOff starts the writer. Returns 0 or a negative errno.
  int SetMode(AccessLogMode mode);

  // `members`: the JSON members `route`, `rule` and `backend` of a series. It replaces the series that had
  // the same slot before (src/observe/series-slots.ts).
  void SetSeries(uint32_t id, std::string members);
  // `namespace/name:port`.
  void SetFrontend(uint32_t id, std::string key);

  // Adds a tap, which gets lines whatever the mode of the log.
  bool AddTap(uint32_t id, TapFilter filter);
  void RemoveTap(uint32_t id);
  Taps::Taken TakeTap(uint32_t id) { return taps_.Take(id); }

  // Each of these writes a line if the mode wants it.
  void OnRequest(const RequestEntry& entry, const RequestFacts& facts) override;
  void Tap(const http::RequestHead& head, int32_t series, RequestFacts* facts) override;
  void OnConnection(const ConnectionEntry& entry);

  // Write members of a line for other users, such as the tracer.
  void WriteOutcome(JsonLine& line, const RequestEntry& entry, const RequestFacts& facts) const;
  void WriteRoute(JsonLine& line, int32_t frontend, int32_t series) const;

  // Writes the queued lines, for at most `timeout_ms`. Nothing is logged afterwards.
  void Close(uint32_t timeout_ms);
  uint64_t written() const { return writer_ == nullptr ? 0 : writer_->written(); }
  uint64_t dropped() const { return writer_ == nullptr ? 0 : writer_->dropped(); }

 private:
  // The lower bits of an id are its slot; the others count the earlier series of that slot.
  static constexpr uint32_t kSlotMask = 0xfff;
  struct Series {
    int32_t id = -1;
    std::string members;
  };
  // The members `route`, `rule` and `backend`; with null values if there is no series.
  std::string_view MembersOf(int32_t series) const;
  void WriteRequest(const RequestEntry& entry, const RequestFacts& facts);

  // The writer gets a duplicate of it when it starts.
  UniqueFd fd_;
  const size_t buffer_bytes_;
  // Indexed by slot.
  std::vector<Series> series_;
  std::vector<std::string> frontends_;
  std::unique_ptr<LogWriter> writer_;
  bool closed_ = false;
  Taps taps_;
  JsonLine line_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_ACCESS_LOG_H_
