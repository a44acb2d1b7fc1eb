// Decides which requests are traced, and gets them when they have ended. It exists only while tracing is on.
//
// Stage before: an exchange. Stage after: span_writer.
#ifndef SIDEROUTE_LOG_TRACER_H_
#define SIDEROUTE_LOG_TRACER_H_

#include <memory>
#include <string_view>

#include "log/request_facts.h"
#include "log/request_log.h"
#include "log/span.h"

namespace sideroute {

class Tracer {
 public:
  // Returns null if the request is not sampled. `traceparent`: as received; null data if it was missing or
  // repeated.
  virtual std::unique_ptr<TraceSpan> Begin(std::string_view traceparent) = 0;
  virtual void End(const RequestEntry& entry, const RequestFacts& facts, const TraceSpan& span) = 0;

 protected:
  Tracer() = default;
  ~Tracer() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_TRACER_H_
