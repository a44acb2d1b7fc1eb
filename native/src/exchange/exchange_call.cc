// What an exchange does otherwise for a call of gRPC: it keeps to the time that the caller gives it, lets a
// stream be quiet for as long as both sides like, and notes with which code it ended.
#include <algorithm>

#include "exchange/exchange.h"

namespace sideroute {

namespace {

// What libraries of gRPC make of a reset.
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

// Hot path. A head that is all of its response says what trailers would.
void Exchange::NoteGrpcStatus(const http::ResponseHead& head) {
  grpc_status_ = head.has_body() ? http::kMissingStatus : http::FindGrpcStatus(head.data, head.fields);
}

// Hot path. What is broken off here has the code of its reason in the end.
void Exchange::NoteGrpcStatus(const Trailers& trailers) {
  if (!trailers.fields.empty()) grpc_status_ = http::FindGrpcStatus(trailers.data, trailers.fields);
}

// Not that there was no connection any more, which is UNAVAILABLE, but what the backend has said of this
// call: that its time is over, above all, where the backend's clock was the first.
bool Exchange::IsVerdict(StreamError why) {
  return why != StreamError::kNone && why != StreamError::kInternal && why != StreamError::kRefused;
}

// Libraries make a code of gRPC of a reset, CANCELLED of CANCEL; a reply would hide that from them.
Progress Exchange::PassReset(StreamError why) {
  attempt_.Reset();
  SetReason(Reason::kUpstreamReset);
  grpc_status_ = GrpcStatusOf(why);
  return End(StreamEnd::kReset, why);
}

}  // namespace sideroute
