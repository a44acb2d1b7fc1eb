// Who decides which requests are traced, and is told of them when they have ended. There is one where traces
// are on, and none otherwise.
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
  // Null: not sampled. `traceparent` as it came; without data when it did not, or more than once.
  virtual std::unique_ptr<TraceSpan> Begin(std::string_view traceparent) = 0;
  virtual void End(const RequestEntry& entry, const RequestFacts& facts, const TraceSpan& span) = 0;

 protected:
  Tracer() = default;
  ~Tracer() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_TRACER_H_
