// What an exchange does otherwise for a call of gRPC: it keeps to the time that the caller gives it, and lets
// a stream be quiet for as long as both sides like.
#include <algorithm>

#include "exchange/exchange.h"

namespace sideroute {

// Hot path. From the request head to the last byte of the response; 0: as long as it takes. The caller keeps
// to its own time, too, and mostly is first; what it has given up must not go on behind it.
uint64_t Exchange::TimeLimitMs() const {
  const uint64_t route_ms = policy_ ? policy_->request_timeout_ms : 0;
  if (call_.timeout_ms < 0) return route_ms;
  const auto caller_ms = static_cast<uint64_t>(call_.timeout_ms);
  return route_ms == 0 ? caller_ms : std::min(route_ms, caller_ms);
}

// Hot path. Something is under way that the other side does not take, or does not go on with. Of a call only
// what waits to be sent counts: that nobody has a message for now is in the nature of a stream.
bool Exchange::AwaitsPeer() const {
  if (downstream_->unsent() > 0) return true;
  if (request_state_ != RequestState::kBody) return false;
  return !call_.is_call || (attempt_.stream() != nullptr && attempt_.stream()->unsent() > 0);
}

}  // namespace sideroute
