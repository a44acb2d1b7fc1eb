#include "http1/refusal.h"

#include <uv.h>

#include "log/request_log.h"

namespace sideroute::http1 {

Reason RefusalReason(Error error) {
  switch (ReasonOf(error)) {
    case HeadReason::kUriLimit:
      return Reason::kUriLimit;
    case HeadReason::kHeaderLimit:
      return Reason::kHeaderLimit;
    case HeadReason::kBadVersion:
      return Reason::kBadVersion;
    case HeadReason::kNotImplemented:
      return Reason::kNotImplemented;
    case HeadReason::kNone:
    case HeadReason::kBadRequest:
      break;
  }
  return Reason::kBadRequest;
}

const LocalReply& ReplyFor(const EngineContext& context, Reason reason) {
  return context.replies[static_cast<size_t>(context.reason_replies[static_cast<size_t>(reason)])];
}

void NoteRefused(EngineContext& context, const Caller& caller, const LocalReply& reply) {
  ++context.counters.refused;
  context.host.OnRefused(caller.frontend, reply.reason);
}

// If the head is invalid, only its request line can be logged, and only if that is valid.
void LogRefused(EngineContext& context, const Caller& caller, const LocalReply& reply,
                const RequestHeadParser& parser, std::string_view head, size_t reply_bytes) {
  if (context.log == nullptr || !context.log->on()) return;
  RequestEntry entry;
  RequestFacts facts;
  entry.frontend = caller.frontend;
  entry.status = reply.status;
  entry.reason = reply.reason;
  entry.downstream = caller.peer;
  entry.destination = caller.original;
  entry.counts_bytes = caller.counts_bytes;
  entry.started_ns = entry.ended_ns = uv_hrtime();
  facts.fault = FaultOf(parser.error());
  facts.bytes_received = head.size();
  if (head.data() != nullptr && parser.request_line_done()) {
    facts.texts.Set(RequestText::kMethod, parser.head().method.In(head.data()));
    facts.texts.Set(RequestText::kPath, parser.head().target.path.In(head.data()));
    entry.minor_version = parser.head().minor_version;
  }
  facts.bytes_sent = reply_bytes;
  context.log->OnRequest(entry, facts);
}

}  // namespace sideroute::http1
