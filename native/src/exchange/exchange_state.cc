// What an exchange is doing and how much memory it holds, for state dumps and load shedding.
#include <uv.h>

#include <algorithm>
#include <cstring>

#include "exchange/exchange.h"
#include "net/state_records.h"

namespace sideroute {

// Hot path.
void Exchange::KeepExcerpt(const http::RequestHead& head) {
  const http::Target& target = head.target;
  const http::Span method{head.method.offset, std::min<uint32_t>(head.method.length, kExcerptMethod)};
  // The target has no path if it is only an authority or `*`.
  http::Span path = target.path.length > 0 ? target.path : target.whole;
  path.length = std::min<uint32_t>(path.length, kExcerptPath);
  excerpt_length_ = static_cast<uint8_t>(method.length + 1 + path.length);
  if (method.offset + method.length + 1 == path.offset) {
    // One copy, including the space between them, as most requests have it.
    std::memcpy(excerpt_.data(), head.data + method.offset, excerpt_length_);
    return;
  }
  std::memcpy(excerpt_.data(), head.data + method.offset, method.length);
  excerpt_[method.length] = ' ';
  std::memcpy(excerpt_.data() + method.length + 1, head.data + path.offset, path.length);
}

void Exchange::Describe(StateRecords& records) const {
  enum class Waits : uint8_t { kNothing, kConnect, kQueue, kRetry, kExpect, kDiscard };
  Waits waits = Waits::kNothing;
  if (attempt_.state() == Attempt::State::kQueued) waits = Waits::kQueue;
  if (attempt_.state() == Attempt::State::kPausing || attempt_.state() == Attempt::State::kConnecting)
    waits = Waits::kConnect;
  if (wait_ == Wait::kRetry) waits = Waits::kRetry;
  if (wait_ == Wait::kExpect) waits = Waits::kExpect;
  if (wait_ == Wait::kDiscard) waits = Waits::kDiscard;
  records.Number(backend_ == nullptr ? kNoBackend : backend_->id());
  records.Number(static_cast<double>(uv_hrtime() - started_ns_) / 1e6);
  records.Count(retries_);
  records.Number(static_cast<double>(waits));
  records.Text({excerpt_.data(), excerpt_length_});
  records.Address(attempt_.address());
}

size_t Exchange::HeldBytes(bool sockets) const {
  const UpstreamStream* const stream = attempt_.stream();
  if (stream == nullptr) return request_.capacity();
  return request_.capacity() + stream->held_bytes() + (sockets ? stream->QueuedBytes() : 0);
}

uint64_t Exchange::BlockedSinceMs() const {
  const bool blocked = attempt_.state() == Attempt::State::kConnected && attempt_.stream()->unsent() > 0;
  return blocked ? attempt_.stream()->blocked_since_ms() : 0;
}

size_t Exchange::DropReplay() {
  if (attempt_.state() != Attempt::State::kConnected || !kept_) return 0;
  const size_t held = request_.capacity();
  kept_ = false;
  request_.Clear();
  return held;
}

}  // namespace sideroute
