// Vocabulary of the HTTP engine: settings, reasons, decisions, and the host that decides.
//
// Stage before: http_engine_binding, which fills settings and answers for TypeScript. Stage after: every
// other file of the engine. Free of Node-API.
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

// Those of REQUEST_REASONS in src/errors.ts that this engine finds by itself. kInternal stays the last one.
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
// In the same order, as they are called there.
inline constexpr auto kReasonNames = std::to_array<std::string_view>(
    {"unresolved", "connect_failure", "connect_timeout", "upstream_reset", "upstream_protocol",
     "retries_exhausted", "timeout", "overflow", "bad_request", "request_timeout", "downstream_reset",
     "uri_limit", "header_limit", "bad_version", "http2_flood", "not_implemented", "overload", "shutdown",
     "internal"});
inline constexpr size_t kReasonCount = kReasonNames.size();
static_assert(kReasonCount == static_cast<size_t>(Reason::kInternal) + 1, "each reason has its name");

// A response made here. `head`: status line and fields without framing, each line with CRLF; the engine adds
// Date, Content-Length and Connection. `reason`: what an outcome calls it.
struct LocalReply {
  std::string head;
  std::string body;
  // Fields, each line with CRLF, of the trailers-only response that a call of gRPC gets instead: its status
  // is 200, and it ends with its head. Empty: a call gets this very reply.
  std::string grpc;
  uint16_t status = 0;
  int32_t reason = -1;
  // Code in `grpc`; of a call whose response was broken off for this reason, too.
  int8_t grpc_status = http::kMissingStatus;
};

// Status of every response to a call of gRPC that is made here.
inline constexpr uint16_t kGrpcHttpStatus = 200;

// Room for fields in each exchange; limits cannot be set higher.
inline constexpr size_t kMaxHeaderFields = 200;

struct EngineSettings {
  HeadLimits request_limits;
  HeadLimits response_limits;
  uint32_t header_timeout_ms = 60'000;
  // Longer than clients keep what they pool, so that they and not this end close it.
  uint32_t downstream_idle_ms = 3'600'000;
  // How long a transfer may stand still while one side could go on. Any byte moved starts it anew.
  uint32_t stall_timeout_ms = 3'600'000;
  // One lost SYN is sent again after a second.
  uint32_t connect_timeout_ms = 3'000;
  // By this much grow the pauses between dials that are refused; see dial_plan.h.
  uint32_t redial_step_ms = 2;
  // How long a body is held for the 100 that its downstream asked for and did not wait for.
  uint32_t expect_timeout_ms = 1'000;
  uint32_t queue_timeout_ms = 1'000;
  // How long a reply made here waits for the rest of the request body, to keep the connection.
  uint32_t discard_timeout_ms = 1'000;
  // Below the five seconds after which common servers close what is idle.
  uint32_t upstream_idle_ms = 3'000;
  // A connection stays with one endpoint of its ClusterIP: new ones let those that were added have their
  // share.
  uint32_t upstream_max_age_ms = 30'000;
  uint32_t upstream_max_requests = 1'000;
  // The same of a connection with many streams, which is replaced then: see replacing.cc.
  uint32_t shared_max_age_ms = 6'000;
  uint32_t shared_max_requests = 40;
  uint32_t max_upstream_connections = 1'024;
  // All that were in use at one time may be used again: with fewer, each request beyond them would dial, and
  // each that ends would close what the next one needs.
  uint32_t max_upstream_idle = 1'024;
  // Over so many connections the streams to a backend are spread, where one has many. More are dialled when
  // these have no room. They are there for even loads, and cost little: see lending.cc.
  uint32_t upstream_spread = 8;
  uint32_t max_queued_requests = 1'024;
  // A connection of HTTP/2 to a backend that has been silent for so long while streams wait is asked for a
  // sign of life, and given up when none comes in time.
  uint32_t ping_after_ms = 30'000;
  uint32_t ping_timeout_ms = 20'000;
  // Between two such questions, where nothing of a response has come in between. Servers of gRPC take it for
  // abuse when a client asks more often than every five minutes (too_many_pings).
  uint32_t ping_again_ms = 305'000;
  // Beyond it a request that is not idempotent takes a fresh connection.
  uint32_t fresh_connection_after_ms = 1'000;
  uint32_t max_replay_bytes = 64 * 1024;
  uint32_t max_interim_responses = 16;
  // A backend that fails every request receives at most 1.25 times as many from the 350th on.
  uint32_t retry_budget_percent = 10;
  // Retries that a backend may always be sent, however few requests it gets; see retry_budget.h.
  uint32_t retry_budget_reserve = 50;
  // Null: this thread is the only one that has these backends.
  SharedReserves* shared_reserves = nullptr;
  uint32_t max_mirrors = 64;
  uint32_t max_mirror_bytes = 64 * 1024;
  uint32_t mirror_timeout_ms = 15'000;
  // So long outcomes may wait to be told together with others. Those after some quiet do not wait.
  uint32_t outcome_delay_ms = 0;
};

// Why a connection to a backend that could go on lends no more.
enum class Retirement : uint8_t {
  // It has been idle for too long, or others were needed more.
  kIdle,
  kAge,
  kRequests,
  // Its peer has said that it should go.
  kGoaway,
};
inline constexpr size_t kRetirements = 4;

// Totals since start, but the gauges named open, idle or streams.
struct EngineCounters {
  uint64_t adopted = 0;
  uint64_t downstream_open = 0;
  // Waited for a request, and made room.
  uint64_t idle_closed = 0;
  uint64_t requests = 0;
  uint64_t requests_open = 0;
  uint64_t refused = 0;
  uint64_t upstream_connects = 0;
  uint64_t upstream_connect_failures = 0;
  uint64_t upstream_open = 0;
  uint64_t upstream_idle = 0;
  // Of these, those of HTTP/2, and the streams that they have lent.
  uint64_t upstream_shared_open = 0;
  uint64_t upstream_shared_idle = 0;
  uint64_t upstream_streams = 0;
  // Connections to backends that lend no more although they could, by why.
  std::array<uint64_t, kRetirements> upstream_retired{};
  uint64_t upstream_reused = 0;
  uint64_t upstream_stale = 0;
  uint64_t queued = 0;
  // Dials repeated, before anything was sent.
  uint64_t redials = 0;
  uint64_t retries_reset = 0;
  uint64_t retries_policy = 0;
  // After an Upgrade or CONNECT.
  uint64_t relays_open = 0;
  uint64_t bytes_upstream = 0;
  uint64_t bytes_downstream = 0;
  // Of both, what went past the memory of the process.
  uint64_t bytes_spliced = 0;
  Http2Counters http2_downstream;
  Http2Counters http2_upstream;
};

enum class DecisionKind : int32_t { kForward = 0, kOriginal = 1, kLocal = 2 };

// What TypeScript writes, as 32-bit integers in this order; see src/addon/http-engine.ts.
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
  // 1: the same question gets the same answer until the host says otherwise.
  int32_t repeatable = 0;
};
static_assert(sizeof(Decision) == 8 * sizeof(int32_t));

// How long a request may take and how often it is tried. Times of 0 are no limit.
struct Policy {
  // From the complete request head to the last byte of the response, retries included.
  uint32_t request_timeout_ms = 0;
  // For one attempt, connecting included.
  uint32_t attempt_timeout_ms = 0;
  // After the first one; 0: the route has no retries.
  uint32_t attempts = 0;
  uint32_t backoff_ms = 0;
  // Statuses from 400 that are retried.
  std::bitset<200> codes;
  // The route has turned retries off: nothing is sent twice, not even where a reused connection has closed.
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

// Why a request was not tried again although its policy would have. RETRY_DENIALS in src/errors.ts, from 1.
enum class RetryDenial : uint8_t { kNone, kBudget, kBody };

struct OutcomeRecord {
  int32_t series;
  uint16_t status;
  // Index into the replies' reasons; -1 for a relayed response.
  int32_t reason;
  double duration_ms;
  uint16_t retries;
  RetryDenial denial;
  // http::kNoCall where it is none.
  int8_t grpc_status;
};

// Implemented by the binding.
class EngineHost {
 public:
  // False: the host failed, the request is answered with `internal`.
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
