// What an exchange does differently for a gRPC call: it obeys the caller's grpc-timeout, lets a stream be
// silent as long as both sides like, and records the status code the call ended with.
#include <algorithm>

#include "exchange/exchange.h"

namespace sideroute {

namespace {

// The code that gRPC libraries derive from a reset.
int8_t GrpcStatusOf(StreamError why) {
  constexpr int8_t kCancelled = 1, kPermissionDenied = 7, kResourceExhausted = 8, kInternal = 13;
  switch (why) {
    case StreamError::kCancelled:
      return kCancelled;
    case StreamError::kEnhanceYourCalm:
      return kResourceExhausted;
    case StreamError::kInadequateSecurity:
      return kPermissionDenied;
    default:
      return kInternal;
  }
}

}  // namespace

// Hot path. Limit from the request head to the last byte of the response, in ms; 0: none. The caller has a
// timer of its own, which usually fires first; this limit makes sure that the work does not go on after that.
uint64_t Exchange::TimeLimitMs() const {
  const uint64_t route_ms = policy_ ? policy_->request_timeout_ms : 0;
  if (call_.timeout_ms < 0) return route_ms;
  const auto caller_ms = static_cast<uint64_t>(call_.timeout_ms);
  return route_ms == 0 ? caller_ms : std::min(route_ms, caller_ms);
}

// Hot path. Whether one side has to read, or to send more, before the exchange can go on. For a gRPC call
// only unsent bytes count: a stream without messages for a while is normal.
bool Exchange::AwaitsPeer() const {
  if (downstream_->unsent() > 0) return true;
  if (request_state_ != RequestState::kBody) return false;
  return !call_.is_call || (attempt_.stream() != nullptr && attempt_.stream()->unsent() > 0);
}

// Hot path. A response without a body (trailers-only) has its grpc-status in the head.
void Exchange::NoteGrpcStatus(const http::ResponseHead& head) {
  grpc_status_ = head.has_body() ? http::kMissingStatus : http::FindGrpcStatus(head.data, head.fields);
}

// Hot path. If the exchange is broken off later, the code of its reason replaces this one.
void Exchange::NoteGrpcStatus(const Trailers& trailers) {
  if (!trailers.fields.empty()) grpc_status_ = http::FindGrpcStatus(trailers.data, trailers.fields);
}

// Whether a reset is the backend's verdict on this call (for example: its deadline is over, and the backend's
// clock was first), and not a lost connection, which would be UNAVAILABLE.
bool Exchange::IsVerdict(StreamError why) {
  return why != StreamError::kNone && why != StreamError::kInternal && why != StreamError::kRefused;
}

// The caller's library derives a gRPC code from the reset (CANCELLED from CANCEL); a local reply would hide
// it.
Progress Exchange::PassReset(StreamError why) {
  attempt_.Reset();
  SetReason(Reason::kUpstreamReset);
  grpc_status_ = GrpcStatusOf(why);
  return End(StreamEnd::kReset, why);
}

}  // namespace sideroute
