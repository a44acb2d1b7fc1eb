// What an exchange does when its caller has sent FIN: the caller has left, or has closed only its sending
// side and reads on.
//
// TCP does not tell the two apart, so the backend is told what the caller said, and decides as it would
// without us in between: the request is followed by FIN. No retry and no wait for a connection begins any
// more; a dial that is under way, repeated or not, goes on. A reset is another matter: Exchange::Abandon.
#include "exchange/exchange.h"
#include "http1/downstream_connection.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

// Bytes of this body, or of another request, may still stand before the FIN: it is looked for again when all
// of the request has come, and when the next one begins.
Progress Exchange::OnCallerEnd() {
  if (request_state_ == RequestState::kDone) {
    NoteCallerEnd();
    if (!caller_ended_ || wait_ != Wait::kRetry) return Progress::kOpen;
    wait_timer_.Cancel();
    return ReplyReason(Reason::kDownstreamReset);
  }
  // A body that is being read shows its end in PumpRequest, one that is thrown away in DiscardRequestBody.
  if (response_state_ == ResponseState::kFlush || wait_ == Wait::kDiscard || !downstream_->AtEnd()) {
    return Progress::kOpen;
  }
  // It can never be complete, whether or not anybody would take more of it now.
  Abandon();
  return Progress::kClosed;
}

// All of the request has come.
void Exchange::NoteCallerEnd() {
  if (!downstream_->AtEnd()) return;
  caller_ended_ = true;
  if (upstream_ != nullptr) PassOnEnd();
}

void Exchange::PassOnEnd() {
  if (upstream_->write_ended()) return;
  upstream_->ShutdownWrite();
  if (status_ == 0) backend_->MakeDisplaceable(*this);
}

void Exchange::GiveWay() { Continue(ReplyReason(Reason::kDownstreamReset)); }

}  // namespace sideroute
