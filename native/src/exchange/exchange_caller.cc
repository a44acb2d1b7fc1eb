// What an exchange does when its caller has sent FIN: the caller has left, or has closed only its sending
// side and reads on.
//
// TCP does not tell the two apart, so the backend is told what the caller said, and decides as it would
// without us in between: the request is followed by FIN. No retry and no wait for a connection begins any
// more; a dial that is under way, repeated or not, goes on. A reset is another matter: Exchange::Abandon.
#include "exchange/exchange.h"

namespace sideroute {

// Bytes of this body, or of another request, may still stand before the FIN: it is looked for again when all
// of the request has come, and when the next one begins.
Progress Exchange::OnCallerEnd() {
  // A body that is being read shows its end in PumpRequest, one that is thrown away in DiscardRequestBody.
  const bool whole = request_state_ == RequestState::kDone;
  if (!whole && (response_state_ == ResponseState::kFlush || wait_ == Wait::kDiscard)) return Progress::kOpen;
  if (!downstream_->CallerEnded()) return Progress::kOpen;
  // It can never be complete, whether or not anybody would take more of it now.
  if (!whole) return Abandon();
  NoteCallerEnd();
  if (wait_ != Wait::kRetry) return Progress::kOpen;
  wait_timer_.Cancel();
  return ReplyReason(Reason::kDownstreamReset);
}

// All of the request has come, and the end of the caller is what comes next.
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
