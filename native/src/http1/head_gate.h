// Decides from the first bytes of a connection whether the `uws` engine may carry it.
//
// Stage before: the acceptor, which peeks at a connection of a routed frontend. Stage after: an engine, a
// local reply, or a tunnel. The native engine has its own parser and needs no gate.
#ifndef SIDEROUTE_HTTP1_HEAD_GATE_H_
#define SIDEROUTE_HTTP1_HEAD_GATE_H_

#include <cstddef>
#include <cstdint>

#include "http1/error.h"
#include "http1/types.h"

namespace sideroute {

// - `kNeedMore`: more bytes are needed for one of the other verdicts.
// - `kAdmit`: one complete, strictly valid head that the engine carries.
// - `kRefuse`: valid HTTP/1.x that the engine must not carry.
// - `kInvalid`: intended as HTTP/1.x, but malformed.
// - `kNotHttp`: cannot begin an HTTP/1.x request; tunnel it.
enum class GateVerdict : uint8_t { kNeedMore, kAdmit, kRefuse, kInvalid, kNotHttp };

struct GateResult {
  GateVerdict verdict;
  // Reason of the reply for kRefuse and kInvalid, otherwise kNone.
  HeadReason reason;
};

// Judges the first bytes of a connection; `data` holds everything received so far. Pure, no allocation. The
// first verdict other than kNeedMore does not depend on how the bytes were split, with one exception: bytes
// after the head can turn kAdmit into kRefuse.
[[nodiscard]] GateResult GateFirstHead(const char* data, size_t length, const HeadLimits& limits);

// Whether the bytes begin with a standard method and whitespace. If so, GateFirstHead can no longer return
// kNotHttp, whatever follows. Much cheaper than GateFirstHead.
[[nodiscard]] bool BeginsRequest(const char* data, size_t length);

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_HEAD_GATE_H_
