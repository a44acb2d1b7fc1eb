// What the HTTP engine gives up when memory is short, the cheapest first: spare objects and blocks, requests
// kept for a retry, mirrors, then the exchanges and connections that hold most.
//
// Stage before: the memory guard. Stage after: downstream connections and exchanges, which end with the
// reason `overload`.
#include <algorithm>
#include <bit>
#include <vector>

#include "engine/http_engine.h"

namespace sideroute {

namespace {

// A connection that holds less is not the cause of the shortage.
constexpr size_t kLeastHeld = 8 * 1024;

struct Holder {
  size_t bytes;
  uint64_t since_ms;
  // Exactly one of the two is set.
  DownstreamConnection* downstream;
  OuterStream* stream;

  // The largest first; of those of about the same size, the one without progress for the longest time.
  bool operator<(const Holder& other) const {
    const auto size = std::bit_width(bytes), other_size = std::bit_width(other.bytes);
    return size != other_size ? size > other_size : since_ms < other.since_ms;
  }
};

}  // namespace

size_t HttpEngine::CloseLargest(MemoryHolders::Demand& demand) {
  size_t freed = 0;
  for (DownstreamConnection* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    freed += each->DropReplay();
  }
  const IntrusiveList<OuterStream>& outer = outer_streams_.open;
  for (OuterStream* each = outer.Front(); each != nullptr; each = outer.After(each))
    freed += each->DropReplay();
  freed += exchanges_.ShedMirrors(kLeastHeld);
  if (freed >= demand.bytes) {
    demand.bytes = 0;
    return 0;
  }
  const uint64_t now_ms = context_.wheel.now_ms();
  std::vector<Holder> holders;
  const auto consider = [&](const auto& each, DownstreamConnection* downstream, OuterStream* stream) {
    const size_t held = each.HeldBytes(demand.sockets);
    if (held < kLeastHeld) return;
    const uint64_t since_ms = each.StandsSinceMs();
    if (since_ms + demand.still_ms <= now_ms) holders.push_back({held, since_ms, downstream, stream});
  };
  for (DownstreamConnection* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    consider(*each, each, nullptr);
  }
  for (OuterStream* each = outer.Front(); each != nullptr; each = outer.After(each)) {
    consider(*each, nullptr, each);
  }
  std::sort(holders.begin(), holders.end());
  size_t closed = 0;
  for (const Holder& holder : holders) {
    if (freed >= demand.bytes) break;
    freed += holder.bytes;
    if (holder.downstream != nullptr) {
      holder.downstream->Shed();
    } else {
      holder.stream->Cut(Reason::kOverload);
    }
    ++closed;
  }
  demand.bytes -= std::min(demand.bytes, freed);
  return closed;
}

void HttpEngine::FreeSpares() {
  context_.blocks.Trim();
  context_.pipes->Trim();
  exchanges_.FreeSpares();
  readers_.requests.Trim();
  readers_.responses.Trim();
}

}  // namespace sideroute
