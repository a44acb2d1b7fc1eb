// What the HTTP engine gives up when memory is short, in the order of what that costs: spare objects and
// blocks, what is kept for another try, copies for mirrors, then those that hold the most.
//
// Stage before: the guard of the memory. Stage after: downstream connections and exchanges, which end with
// the reason `overload`.
#include <algorithm>
#include <bit>
#include <vector>

#include "engine/http_engine.h"
#include "exchange/exchange.h"
#include "exchange/mirror.h"
#include "http1/downstream_connection.h"
#include "upstream/upstream_connection.h"

namespace sideroute {

namespace {

// Who holds less is no reason for the shortage.
constexpr size_t kLeastHeld = 8 * 1024;

struct Holder {
  size_t bytes;
  uint64_t since_ms;
  Downstream* downstream;

  // The largest first; among those about as large, the one that has stood still for longest.
  bool operator<(const Holder& other) const {
    const auto size = std::bit_width(bytes), other_size = std::bit_width(other.bytes);
    return size != other_size ? size > other_size : since_ms < other.since_ms;
  }
};

}  // namespace

size_t HttpEngine::CloseLargest(const MemoryHolders::Demand& demand) {
  size_t freed = 0;
  for (Downstream* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    freed += each->DropReplay();
  }
  for (Mirror *each = mirrors_.Front(), *next; each != nullptr; each = next) {
    next = mirrors_.After(each);
    if (each->held_bytes() < kLeastHeld) continue;
    freed += each->held_bytes();
    each->Shed();
  }
  if (freed >= demand.bytes) return 0;
  const uint64_t now_ms = context_.wheel.now_ms();
  std::vector<Holder> holders;
  for (Downstream* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    const size_t held = each->HeldBytes(demand.sockets);
    if (held < kLeastHeld) continue;
    const uint64_t since_ms = each->StandsSinceMs();
    if (since_ms + demand.still_ms <= now_ms) holders.push_back({held, since_ms, each});
  }
  std::sort(holders.begin(), holders.end());
  size_t closed = 0;
  for (const Holder& holder : holders) {
    if (freed >= demand.bytes) break;
    freed += holder.bytes;
    holder.downstream->Shed();
    ++closed;
  }
  return closed;
}

void HttpEngine::FreeSpares() {
  context_.blocks.Trim();
  free_exchanges_.clear();
  free_exchanges_.shrink_to_fit();
  free_mirrors_.clear();
  free_mirrors_.shrink_to_fit();
}

size_t Downstream::HeldBytes(bool sockets) const {
  size_t held = held_bytes();
  if (sockets) held += QueuedBytes();
  if (exchange_ == nullptr || !exchange_->started()) return held;
  return held + exchange_->held_bytes() + (sockets ? exchange_->QueuedBytes() : 0);
}

uint64_t Downstream::StandsSinceMs() const {
  if (has_unsent()) return blocked_since_ms();
  if (exchange_ != nullptr && exchange_->started() && exchange_->upstream_blocked())
    return exchange_->upstream_blocked_since_ms();
  // An unfinished head: its time began with it.
  if (exchange_ != nullptr && !exchange_->started())
    return timer_.due_ms() - context_.settings.header_timeout_ms;
  return context_.wheel.now_ms();
}

size_t Downstream::DropReplay() {
  return exchange_ != nullptr && exchange_->started() ? exchange_->DropReplay() : 0;
}

void Downstream::Shed() {
  if (exchange_ == nullptr) return CloseNow(true);
  if (!exchange_->started()) return Refuse(Reason::kOverload);
  exchange_->Cut(Reason::kOverload);
}

size_t Exchange::held_bytes() const {
  return sent_.capacity() + (upstream_ == nullptr ? 0 : upstream_->held_bytes());
}

size_t Exchange::QueuedBytes() const { return upstream_ == nullptr ? 0 : upstream_->QueuedBytes(); }

bool Exchange::upstream_blocked() const {
  return upstream_ != nullptr && !upstream_->connecting() && upstream_->has_unsent();
}

uint64_t Exchange::upstream_blocked_since_ms() const { return upstream_->blocked_since_ms(); }

size_t Exchange::DropReplay() {
  if (upstream_ == nullptr || upstream_->connecting() || !kept_) return 0;
  const size_t held = sent_.capacity();
  kept_ = false;
  sent_.Clear();
  return held;
}

}  // namespace sideroute
