// The record of a traced request, from its head to its end: the ids of its span, the head to forward with
// these ids, and events on the way.
//
// Stage before: the tracer, which begins it. Stage after: the tracer again, which writes it when the exchange
// has ended. An exchange that is not traced has none.
#ifndef SIDEROUTE_LOG_SPAN_H_
#define SIDEROUTE_LOG_SPAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "net/net_address.h"

namespace sideroute {

struct SpanEvent {
  // An attempt sent to an address; the cause of a retry; a mirror.
  enum class Kind : uint8_t { kAttempt, kRetry, kMirror };
  Kind kind = Kind::kAttempt;
  // Monotonic nanoseconds.
  uint64_t at_ns = 0;
  // kRetry: the status of the response; 0 if there was none, then `reason` says what was wrong.
  uint16_t status = 0;
  std::string_view reason = {};
  // kMirror only.
  int32_t series = -1;
  // kAttempt only.
  NetAddress upstream = {};
};

// Ids in lower-case hexadecimal. `parent` is empty if the trace begins here.
struct SpanIds {
  std::string trace;
  std::string span;
  std::string parent;
};

class TraceSpan {
 public:
  // Further events are only counted.
  static constexpr size_t kMaxEvents = 32;
  static constexpr size_t kMaxStateBytes = 512;

  // `flags`: the flags of the `traceparent` field to send.
  TraceSpan(SpanIds ids, uint8_t flags) : ids_(std::move(ids)), flags_(flags) {}
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

  // Returns the head to forward in place of `head`, with this span as the parent; valid as long as the span.
  // If the trace begins here, the received `traceparent` was not valid, so its `tracestate` is dropped.
  const http::RequestHead& Continue(const http::RequestHead& head);
  void Note(SpanEvent event);

  const SpanIds& ids() const { return ids_; }
  // The caller's `tracestate`; empty if there was none or it is too long to be kept.
  const std::string& state() const { return state_; }
  const std::vector<SpanEvent>& events() const { return events_; }
  uint32_t dropped_events() const { return dropped_events_; }

 private:
  void KeepState(std::string_view value);

  const SpanIds ids_;
  const uint8_t flags_;
  std::string state_;
  bool state_kept_ = true;
  std::string bytes_;
  std::vector<http::Field> fields_;
  http::RequestHead head_;
  std::vector<SpanEvent> events_;
  uint32_t dropped_events_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_SPAN_H_
