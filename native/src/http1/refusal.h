// A request that is refused because of its head: why, and what the host and the access log hear of it. What
// is answered is the business of the connection.
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

// Of an error of the parser.
Reason RefusalReason(Error error);
// The reply for a reason.
const LocalReply& ReplyFor(const EngineContext& context, Reason reason);
// Counts it and tells the host.
void NoteRefused(EngineContext& context, const Caller& caller, const LocalReply& reply);
// Writes its line, where the log is on. `head`: as much of it as is at hand, without data for nothing.
void LogRefused(EngineContext& context, const Caller& caller, const LocalReply& reply,
                const RequestHeadParser& parser, std::string_view head, size_t reply_bytes);

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_REFUSAL_H_
