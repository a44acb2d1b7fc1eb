// Shared types of the HTTP engine: settings, reasons, decisions, and the host that decides. Free of Node-API.
//
// Stage before: http_engine_binding, which fills the settings and passes decisions on to TypeScript. Stage
// after: every other file of the engine.
#ifndef SIDEROUTE_HTTP_ENGINE_TYPES_H_
#define SIDEROUTE_HTTP_ENGINE_TYPES_H_

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/grpc.h"
#include "http/head.h"
#include "http/http2_counters.h"

namespace sideroute {

class SharedReserves;

// The part of REQUEST_REASONS in src/errors.ts that this engine detects itself. kInternal must stay the last
// one.
enum class Reason : uint8_t {
  kUnresolved,
  kConnectFailure,
  kConnectTimeout,
  kUpstreamReset,
  kUpstreamProtocol,
  kRetriesExhausted,
  kTimeout,
  kOverflow,
  kBadRequest,
  kRequestTimeout,
  kDownstreamReset,
  kUriLimit,
  kHeaderLimit,
  kBadVersion,
  kFlood,
  kNotImplemented,
  kOverload,
  kShutdown,
  kInternal,
};
// Their names there, in the same order.
inline constexpr auto kReasonNames = std::to_array<std::string_view>(
    {"unresolved", "connect_failure", "connect_timeout", "upstream_reset", "upstream_protocol",
     "retries_exhausted", "timeout", "overflow", "bad_request", "request_timeout", "downstream_reset",
     "uri_limit", "header_limit", "bad_version", "http2_flood", "not_implemented", "overload", "shutdown",
     "internal"});
inline constexpr size_t kReasonCount = kReasonNames.size();
static_assert(kReasonCount == static_cast<size_t>(Reason::kInternal) + 1, "each reason has its name");

// A local reply. `head`: status line and fields without framing, each line with CRLF; the engine adds Date,
// Content-Length and Connection. `reason`: index of its reason in outcomes.
struct LocalReply {
  std::string head;
  std::string body;
  // Fields, each line with CRLF, of the trailers-only response for a gRPC call: its status is 200 and it ends
  // with its head. Empty: a call gets the same reply as any request.
  std::string grpc;
  uint16_t status = 0;
  int32_t reason = -1;
  // The grpc-status in `grpc`; also recorded for a call whose response was broken off for this reason.
  int8_t grpc_status = http::kMissingStatus;
};

// HTTP status of every local reply to a gRPC call.
inline constexpr uint16_t kGrpcHttpStatus = 200;

// Each exchange has room for this many fields; no limit can be set higher.
inline constexpr size_t kMaxHeaderFields = 200;

struct EngineSettings {
  HeadLimits request_limits;
  HeadLimits response_limits;
  uint32_t header_timeout_ms = 60'000;
  // Longer than clients keep pooled connections, so that the client closes them and not the proxy.
  uint32_t downstream_idle_ms = 3'600'000;
  // How long a transfer may make no progress while one side could go on. Every byte moved restarts it.
  uint32_t stall_timeout_ms = 3'600'000;
  // Leaves time for one lost SYN, which the kernel sends again after a second.
  uint32_t connect_timeout_ms = 3'000;
  // The pauses between refused dials grow by this much; see dial_plan.h.
  uint32_t redial_step_ms = 2;
  // How long a body is held for the 100 (Continue) that the downstream asked for.
  uint32_t expect_timeout_ms = 1'000;
  uint32_t queue_timeout_ms = 1'000;
  // How long a local reply waits for the rest of the request body, so that the connection can be kept.
  uint32_t discard_timeout_ms = 1'000;
  // Below five seconds, after which common servers close idle connections.
  uint32_t upstream_idle_ms = 3'000;
  // A connection stays with one endpoint of its ClusterIP; new connections give endpoints that were added
  // their share.
  uint32_t upstream_max_age_ms = 30'000;
  uint32_t upstream_max_requests = 1'000;
  // The same limits for a connection with many streams; it is replaced then, see replacing.cc.
  uint32_t shared_max_age_ms = 6'000;
  uint32_t shared_max_requests = 40;
  uint32_t max_upstream_connections = 1'024;
  // As many as may be in use: with fewer, each request beyond them would dial, and each that ends would close
  // a connection that the next one needs.
  uint32_t max_upstream_idle = 1'024;
  // The number of connections over which streams to a backend are spread, if a connection has many streams.
  // More are dialled when these are full. They even out the load and cost little: see lending.cc.
  uint32_t upstream_spread = 8;
  uint32_t max_queued_requests = 1'024;
  // An HTTP/2 connection to a backend on which streams wait is sent a PING after this much silence, and given
  // up if no answer comes within ping_timeout_ms.
  uint32_t ping_after_ms = 30'000;
  uint32_t ping_timeout_ms = 20'000;
  // Minimum time between two PINGs if no part of a response came in between. gRPC servers count more than one
  // in five minutes as abuse (too_many_pings).
  uint32_t ping_again_ms = 305'000;
  // After this idle time a connection is not reused for a request that is not idempotent.
  uint32_t fresh_connection_after_ms = 1'000;
  uint32_t max_replay_bytes = 64 * 1024;
  uint32_t max_interim_responses = 16;
  // With these values, a backend that fails every request gets at most 1.25 times the requests, from the
  // 350th on.
  uint32_t retry_budget_percent = 10;
  // Retries a backend may always get, however few requests it has; see retry_budget.h.
  uint32_t retry_budget_reserve = 50;
  // Null: only this thread uses these backends.
  SharedReserves* shared_reserves = nullptr;
  uint32_t max_mirrors = 64;
  uint32_t max_mirror_bytes = 64 * 1024;
  uint32_t mirror_timeout_ms = 15'000;
  // How long outcomes may wait to be reported together. The first one after a quiet time does not wait.
  uint32_t outcome_delay_ms = 0;
};

// Why a working connection to a backend is not lent any more.
enum class Retirement : uint8_t {
  // Idle for too long, or closed to make room for others.
  kIdle,
  kAge,
  kRequests,
  // Its peer has sent GOAWAY.
  kGoaway,
};
inline constexpr size_t kRetirements = 4;

// Totals since start, except the gauges named open, idle or streams.
struct EngineCounters {
  uint64_t adopted = 0;
  uint64_t downstream_open = 0;
  // Idle downstream connections closed to make room.
  uint64_t idle_closed = 0;
  uint64_t requests = 0;
  uint64_t requests_open = 0;
  uint64_t refused = 0;
  uint64_t upstream_connects = 0;
  uint64_t upstream_connect_failures = 0;
  uint64_t upstream_open = 0;
  uint64_t upstream_idle = 0;
  // The HTTP/2 connections among these, and the streams they have lent.
  uint64_t upstream_shared_open = 0;
  uint64_t upstream_shared_idle = 0;
  uint64_t upstream_streams = 0;
  // Connections to backends that could go on but are not lent any more, by reason.
  std::array<uint64_t, kRetirements> upstream_retired{};
  uint64_t upstream_reused = 0;
  uint64_t upstream_stale = 0;
  uint64_t queued = 0;
  // Repeated dials; nothing had been sent on the failed ones.
  uint64_t redials = 0;
  uint64_t retries_reset = 0;
  uint64_t retries_policy = 0;
  // After an Upgrade or CONNECT.
  uint64_t relays_open = 0;
  uint64_t bytes_upstream = 0;
  uint64_t bytes_downstream = 0;
  // The part of both that was spliced, so the bytes never were in the memory of the process.
  uint64_t bytes_spliced = 0;
  Http2Counters http2_downstream;
  Http2Counters http2_upstream;
};

enum class DecisionKind : int32_t { kForward = 0, kOriginal = 1, kLocal = 2 };

// Written by TypeScript as 32-bit integers in this order; see src/addon/http-engine.ts.
struct Decision {
  DecisionKind kind = DecisionKind::kLocal;
  int32_t backend = -1;
  int32_t series = 0;
  int32_t reply = -1;
  // -1: no edits.
  int32_t plan = -1;
  // -1: no limits.
  int32_t policy = -1;
  // -1: none.
  int32_t mirrors = -1;
  // 1: the same question has the same answer until the host says otherwise (DecisionMemo).
  int32_t repeatable = 0;
};
static_assert(sizeof(Decision) == 8 * sizeof(int32_t));

// Time limits and retries of a request. A time of 0 means no limit.
struct Policy {
  // From the complete request head to the last byte of the response, retries included.
  uint32_t request_timeout_ms = 0;
  // For one attempt, connecting included.
  uint32_t attempt_timeout_ms = 0;
  // Retries after the first attempt; 0: the route has none.
  uint32_t attempts = 0;
  uint32_t backoff_ms = 0;
  // The retried statuses; bit 0 stands for 400.
  std::bitset<200> codes;
  // The route has turned retries off: nothing is sent twice, not even if a reused connection was closed.
  bool once = false;

  bool Retries(uint16_t status) const {
    return attempts > 0 && status >= 400 && status < 600 && codes.test(status - 400u);
  }
};

inline constexpr size_t kMaxMirrorTargets = 32;

// In the order of MIRROR_RESULTS in src/errors.ts.
enum class MirrorResult : uint8_t {
  kAnswered,
  kConnectFailure,
  kReset,
  kTimeout,
  kOverflow,
  kAborted,
  kSkipped,
};

// Why a request was not retried although its policy would. RETRY_DENIALS in src/errors.ts, starting from 1.
enum class RetryDenial : uint8_t { kNone, kBudget, kBody };

struct OutcomeRecord {
  int32_t series;
  uint16_t status;
  // Index into the replies' reasons; -1 for a relayed response.
  int32_t reason;
  double duration_ms;
  uint16_t retries;
  RetryDenial denial;
  // http::kNoCall if the request is not a gRPC call.
  int8_t grpc_status;
};

// Implemented by the binding.
class EngineHost {
 public:
  // Returns false if the host failed; the request is answered with `internal`.
  virtual bool Decide(int32_t frontend, const http::RequestHead& head, Decision* decision) = 0;
  virtual void OnOutcome(const OutcomeRecord& outcome) = 0;
  virtual void OnMirror(int32_t series, MirrorResult result) = 0;
  virtual void OnRefused(int32_t frontend, int32_t reason) = 0;
  // Everything of this turn has been reported.
  virtual void OnTurnEnd() = 0;

 protected:
  ~EngineHost() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_ENGINE_TYPES_H_
