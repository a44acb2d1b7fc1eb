// Sending a request more than once: again after a failure, if its route allows that, and to mirrors.
#include <algorithm>

#include "exchange/exchange.h"
#include "exchange/exchange_pool.h"
#include "exchange/mirror.h"

namespace sideroute {

namespace {
// The backoff doubles with each retry, up to 2^4 times the first.
constexpr unsigned kMaxDoublings = 4;
}  // namespace

// Whether to retry a request that may have been processed, because its connection broke or its time ended.
// The route must list the status that the caller would get, and the method must be idempotent.
bool Exchange::RetriesProcessed(uint16_t status) const {
  return has_retries() && repeatable_ && policy_->Retries(status);
}

// Whether there may be another attempt. If this attempt was sent, the next one is charged to the retry
// budget. If it was not sent, it has cost the backend nothing; but while no address of the backend accepts
// connections, it is charged too, because retries would otherwise go on without end.
bool Exchange::TakeRetry(bool sent) {
  if (!has_retries() || retries_ >= policy_->attempts || status_ != 0 || caller_ended_) return false;
  // It was cleared because it grew too large; before a connection is established it holds the whole request.
  if (request_.empty()) {
    denial_ = RetryDenial::kBody;
    return false;
  }
  if ((sent || backend_->refusing()) && !backend_->budget().Withdraw(context_.wheel.now_ms())) {
    denial_ = RetryDenial::kBudget;
    return false;
  }
  return true;
}

// Not before the backoff has passed.
Progress Exchange::TryAgain(Reason reason, uint16_t status) {
  if (span_ != nullptr) {
    NoteRetry(status, status == 0 ? kReasonNames[static_cast<size_t>(reason)] : std::string_view());
  }
  const uint64_t least = static_cast<uint64_t>(policy_->backoff_ms)
                         << std::min<unsigned>(retries_, kMaxDoublings);
  if (retries_ < UINT16_MAX) ++retries_;
  ++context_.counters.retries_policy;
  attempt_deadline_.Cancel();
  response_state_ = ResponseState::kHead;
  wait_ = Wait::kRetry;
  wait_timer_.ArmAfter(least + context_.Random(least / 4 + 1));
  return Progress::kOpen;
}

void Exchange::StartMirrors(const http::RequestHead& head) {
  const Shared<MirrorGroup> group = context_.mirror_groups.Find(decision_.mirrors);
  if (!group) return;
  const bool unfit = head.upgrade || head.method_id == http::MethodId::kConnect;
  const bool complete = request_state_ == RequestState::kDone;
  for (const MirrorTarget& target : *group.get()) {
    if (span_ != nullptr && !unfit) NoteMirror(target.series);
    if (unfit) {
      context_.host.OnMirror(target.series, MirrorResult::kSkipped);
      continue;
    }
    Mirror* mirror = pool_.TakeMirror();
    if (mirror->Start(*this, target, head, complete) && !complete) mirrors_.push_back(mirror);
  }
}

void Exchange::SendToMirrors(const BodyPiece& piece) {
  // From back to front, because a mirror that gives up erases itself from the list.
  for (size_t i = mirrors_.size(); i-- > 0;) mirrors_[i]->SendBody(piece);
}

void Exchange::OnMirrorEnded(Mirror& mirror) { std::erase(mirrors_, &mirror); }

// Either the mirrors have the whole request, or they will never get it.
void Exchange::EndMirrors() {
  std::vector<Mirror*> mirrors;
  mirrors.swap(mirrors_);
  for (Mirror* mirror : mirrors) {
    if (request_state_ == RequestState::kDone) {
      mirror->OnRequestComplete();
    } else {
      mirror->OnRequestAborted();
    }
  }
}

}  // namespace sideroute
