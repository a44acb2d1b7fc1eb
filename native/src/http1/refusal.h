// A request that is refused because of its head: the reason, and what the host and the access log get. The
// connection sends the reply.
//
// Stage before: the parser of request heads. Stage after: the host, and log/request_log.h.
#ifndef SIDEROUTE_HTTP1_REFUSAL_H_
#define SIDEROUTE_HTTP1_REFUSAL_H_

#include <cstddef>
#include <string_view>

#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/error.h"
#include "http1/head.h"

namespace sideroute::http1 {

// The reason for a parser error.
Reason RefusalReason(Error error);
// The reply for a reason.
const LocalReply& ReplyFor(const EngineContext& context, Reason reason);
// Counts it and tells the host.
void NoteRefused(EngineContext& context, const Caller& caller, const LocalReply& reply);
// Writes an access log line, if the log is on. `head`: the received part of the head; null data if there is
// none.
void LogRefused(EngineContext& context, const Caller& caller, const LocalReply& reply,
                const RequestHeadParser& parser, std::string_view head, size_t reply_bytes);

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_REFUSAL_H_
