// Counters for HTTP/2, on each side of the proxy.
//
// Stage before: the connections of http2. Stage after: http_engine_binding, which gives the numbers to
// TypeScript in the order of the members here (src/addon/http2-counters.ts).
#ifndef SIDEROUTE_HTTP_HTTP2_COUNTERS_H_
#define SIDEROUTE_HTTP_HTTP2_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sideroute {

// What a peer may do only to a limit, because it costs us more than the peer. In the order of HTTP2_FLOODS in
// src/addon/http2-counters.ts.
enum class Flood : uint8_t {
  // RST_STREAM for streams whose response had not begun.
  kResets,
  // Frames for which we had to reset a stream.
  kStreamErrors,
  // Streams beyond the allowed number.
  kStreams,
  // A header block in too many frames, or too large.
  kHeaderBlock,
  // A header block that decodes to far more bytes than it has.
  kHeaderBomb,
  // Header blocks for streams that have ended.
  kStrayHeaders,
  kSettings,
  kPing,
  kPriority,
  kGoaway,
  kEmptyData,
  // Small window updates.
  kWindowUpdate,
  kUnknownFrames,
  // The peer sends requests and does not read the responses.
  kBacklog,
};
// Their names in the access log.
inline constexpr auto kFloodFaults = std::to_array<std::string_view>(
    {"flood-resets", "flood-stream-errors", "flood-streams", "flood-header-block", "flood-header-bomb",
     "flood-stray-headers", "flood-settings", "flood-ping", "flood-priority", "flood-goaway",
     "flood-empty-data", "flood-window-update", "flood-unknown-frames", "flood-backlog"});
inline constexpr size_t kFloods = kFloodFaults.size();
static_assert(kFloods == static_cast<size_t>(Flood::kBacklog) + 1, "each flood has its name");

// The codes of RFC 9113 section 7, and one entry for all unknown codes.
inline constexpr size_t kHttp2Codes = 15;
using Http2Codes = std::array<uint64_t, kHttp2Codes>;

struct Http2Counters {
  // Totals, except the gauges named open.
  uint64_t connections = 0;
  uint64_t connections_open = 0;
  uint64_t streams = 0;
  uint64_t streams_open = 0;
  // Connections given up because their peer did not answer a PING.
  uint64_t unanswered_pings = 0;
  Http2Codes resets_sent{};
  Http2Codes resets_received{};
  Http2Codes goaways_sent{};
  Http2Codes goaways_received{};
  std::array<uint64_t, kFloods> floods{};

  static void Count(Http2Codes& codes, uint32_t code) {
    ++codes[code < kHttp2Codes ? code : kHttp2Codes - 1];
  }
};
static_assert(sizeof(Http2Counters) == (5 + 4 * kHttp2Codes + kFloods) * sizeof(uint64_t));

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_HTTP2_COUNTERS_H_
