// What an exchange does when its caller has sent FIN: the caller has left, or it has closed only its sending
// side and still reads.
//
// TCP does not tell the two apart. So the FIN is passed on after the request, and the backend decides as it
// would without a proxy. From then on no retry starts and nothing waits in a queue for a connection; a dial
// in progress goes on, with its repetitions. A reset is handled by Exchange::Abandon.
#include "exchange/exchange.h"

namespace sideroute {

// Bytes of this body or of another request may still precede the FIN. So this checks again when the whole
// request has arrived, and when the next one begins.
Progress Exchange::OnCallerEnd() {
  // The end of a body that is forwarded shows in PumpRequest, that of one that is dropped in
  // DiscardRequestBody.
  const bool whole = request_state_ == RequestState::kDone;
  if (!whole && (response_state_ == ResponseState::kFlush || wait_ == Wait::kDiscard)) return Progress::kOpen;
  if (!downstream_->CallerEnded()) return Progress::kOpen;
  // The body can never become complete, even if nobody reads more of it now.
  if (!whole) return Abandon();
  NoteCallerEnd();
  if (wait_ != Wait::kRetry) return Progress::kOpen;
  wait_timer_.Cancel();
  return ReplyReason(Reason::kDownstreamReset);
}

// The whole request has arrived, and the caller's FIN is next.
void Exchange::NoteCallerEnd() {
  caller_ended_ = true;
  attempt_.OnCallerEnd();
  if (attempt_.stream() != nullptr) PassOnEnd();
}

void Exchange::PassOnEnd() {
  UpstreamStream& stream = *attempt_.stream();
  if (stream.send_ended()) return;
  stream.SendEnd();
  if (status_ == 0) attempt_.MakeDisplaceable();
}

}  // namespace sideroute
