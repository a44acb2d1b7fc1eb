// What is kept of a request that is traced, from its head to its end: the ids of its span, the head as it
// goes on with them, and what happens on the way.
//
// Stage before: the tracer, which begins it. Stage after: the tracer again, which writes it down when the
// exchange has ended. An exchange that is not traced has none.
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
  // An attempt that is sent to an address; what brought another one; a copy.
  enum class Kind : uint8_t { kAttempt, kRetry, kMirror };
  Kind kind = Kind::kAttempt;
  // Monotonic.
  uint64_t at_ns = 0;
  // kRetry: the status of the response, or 0 and what was wrong instead.
  uint16_t status = 0;
  std::string_view reason = {};
  // kMirror.
  int32_t series = -1;
  // kAttempt.
  NetAddress upstream = {};
};

// Lower-case hexadecimal. `parent` is empty where the trace begins here.
struct SpanIds {
  std::string trace;
  std::string span;
  std::string parent;
};

class TraceSpan {
 public:
  // What happens beyond is counted alone.
  static constexpr size_t kMaxEvents = 32;
  static constexpr size_t kMaxStateBytes = 512;

  // `flags`: of the field `traceparent`, as it is to be sent.
  TraceSpan(SpanIds ids, uint8_t flags) : ids_(std::move(ids)), flags_(flags) {}
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

  // The head that goes on in place of `head`, good for as long as the span: with this span as the parent.
  // Where the trace begins here, what came as `traceparent` was not valid, and no `tracestate` belongs to it.
  const http::RequestHead& Continue(const http::RequestHead& head);
  void Note(SpanEvent event);

  const SpanIds& ids() const { return ids_; }
  // Of the caller; empty where there was none, or more than is kept.
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
