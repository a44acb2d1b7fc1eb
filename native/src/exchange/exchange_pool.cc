#include "exchange/exchange_pool.h"

namespace sideroute {

RequestServer* ExchangePool::Take() {
  if (free_exchanges_.empty()) return std::make_unique<Exchange>(context_, *this).release();
  Exchange* exchange = free_exchanges_.back().release();
  free_exchanges_.pop_back();
  return exchange;
}

Mirror* ExchangePool::TakeMirror() {
  Mirror* mirror;
  if (free_mirrors_.empty()) {
    mirror = std::make_unique<Mirror>(context_, *this).release();
  } else {
    mirror = free_mirrors_.back().release();
    free_mirrors_.pop_back();
  }
  mirrors_.PushBack(mirror);
  return mirror;
}

void ExchangePool::GiveMirror(Mirror& mirror) {
  mirror.Unlink();
  free_mirrors_.emplace_back(&mirror);
}

void ExchangePool::AbandonMirrors() {
  while (Mirror* mirror = mirrors_.Front()) mirror->Abandon();
}

size_t ExchangePool::ShedMirrors(size_t least_bytes) {
  size_t freed = 0;
  for (Mirror *each = mirrors_.Front(), *next; each != nullptr; each = next) {
    next = mirrors_.After(each);
    const size_t held = each->held_bytes();
    if (held < least_bytes) continue;
    freed += held;
    each->Shed();
  }
  return freed;
}

void ExchangePool::FreeSpares() {
  free_exchanges_.clear();
  free_exchanges_.shrink_to_fit();
  free_mirrors_.clear();
  free_mirrors_.shrink_to_fit();
}

}  // namespace sideroute
