// Decides from the first bytes of a connection whether the `uws` engine may carry it.
//
// Stage before: the acceptor, which peeks at a connection of a routed frontend. Stage after: an engine, a
// local reply, or a tunnel. Engines with a codec of their own need no gate.
#ifndef SIDEROUTE_HTTP1_HEAD_GATE_H_
#define SIDEROUTE_HTTP1_HEAD_GATE_H_

#include <cstddef>
#include <cstdint>

#include "http1/error.h"
#include "http1/types.h"

namespace sideroute {

// - `kNeedMore`: the bytes may still become any of the others.
// - `kAdmit`: one complete, strictly valid head that the engine carries.
// - `kRefuse`: valid HTTP/1.x that the engine must not carry.
// - `kInvalid`: meant as HTTP/1.x, and malformed.
// - `kNotHttp`: cannot begin an HTTP/1.x request; tunnel it.
enum class GateVerdict : uint8_t { kNeedMore, kAdmit, kRefuse, kInvalid, kNotHttp };

struct GateResult {
  GateVerdict verdict;
  // Of the reply for kRefuse and kInvalid, otherwise kNone.
  HeadReason reason;
};

// Looks at the first bytes of a connection; `data` holds everything received so far. Pure, no allocation. The
// first verdict other than kNeedMore is the same however the bytes were split, but for bytes after a head
// (which make it a kRefuse).
[[nodiscard]] GateResult GateFirstHead(const char* data, size_t length, const HeadLimits& limits);

// Whether these first bytes are a standard method and a blank already: kNotHttp is no verdict on them any
// more, whatever follows. Much cheaper than that.
[[nodiscard]] bool BeginsRequest(const char* data, size_t length);

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_HEAD_GATE_H_
