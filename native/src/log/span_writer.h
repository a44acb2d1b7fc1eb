// The tracer: samples requests by their `traceparent` or at a rate, and keeps a JSON line for each until
// JavaScript takes them. docs/tracing.md is its reference.
//
// Stage before: an exchange. Stage after: src/traces, which exports them. Used only on the loop's thread. It
// exists only while tracing is on.
#ifndef SIDEROUTE_LOG_SPAN_WRITER_H_
#define SIDEROUTE_LOG_SPAN_WRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "log/access_log.h"
#include "log/json_line.h"
#include "log/request_facts.h"
#include "log/request_log.h"
#include "log/span.h"
#include "log/tracer.h"

namespace sideroute {

class SpanWriter final : public Tracer {
 public:
  // `log` knows the names of series and frontends. `rate`: the share, from 0 to 1, that is sampled of the
  // requests without a valid `traceparent`. Lines that do not fit in `buffer_bytes` are dropped and counted.
  SpanWriter(std::shared_ptr<const AccessLog> log, double rate, size_t buffer_bytes);
  SpanWriter(const SpanWriter&) = delete;
  SpanWriter& operator=(const SpanWriter&) = delete;

  std::unique_ptr<TraceSpan> Begin(std::string_view traceparent) override;
  void End(const RequestEntry& entry, const RequestFacts& facts, const TraceSpan& span) override;

  // All lines since the last call.
  std::string Take() { return std::exchange(lines_, {}); }
  uint64_t dropped() const { return dropped_; }

 private:
  std::string RandomHex(size_t bytes);
  void WriteEvents(const TraceSpan& span, uint64_t unix_offset_ns);
  void WriteNs(JsonLine& line, std::string_view name, uint64_t ns);

  const std::shared_ptr<const AccessLog> log_;
  // A trace is sampled if its 56 random bits are at least this value.
  const uint64_t threshold_;
  const size_t buffer_bytes_;
  std::string lines_;
  uint64_t dropped_ = 0;
  JsonLine line_;
  JsonLine event_line_;
  std::string events_;
  std::array<unsigned char, 256> random_;
  size_t random_left_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_SPAN_WRITER_H_
