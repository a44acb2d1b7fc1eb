#include "exchange_rig.h"

namespace sideroute::test {

namespace {

// Stands for the HTTP/1.1 readers, which are not used here.
char no_readers;

}  // namespace

Rig::Rig(const EngineSettings& settings)
    : reactor_(loop.MakeReactor()),
      descriptors_(std::make_unique<DescriptorBudget>(nobody_)),
      memory_(std::make_unique<MemoryGuard>(*reactor_, nobody_)),
      linger_deadlines_(std::make_unique<DeadlineQueue>(*reactor_, 2'000)),
      lingering_(std::make_unique<ConnectionList>(*reactor_)),
      context_(std::make_unique<EngineContext>(*reactor_, own_dials_, *descriptors_, *memory_, host,
                                               backends_, static_cast<RequestServers&>(*this),
                                               reinterpret_cast<http1::Readers&>(no_readers),
                                               *linger_deadlines_, *lingering_, settings)),
      pool_(std::make_unique<ExchangePool>(*context_)) {
  downstream.SetReplyWaits(settings.discard_timeout_ms);
  reactor_->AddTurnClient(this);
  for (size_t i = 0; i < kReasonCount; ++i) {
    LocalReply reply;
    reply.body = kReasonNames[i];
    reply.status = 500;
    reply.reason = static_cast<int32_t>(i);
    context_->replies.push_back(reply);
    context_->reason_replies[i] = static_cast<int32_t>(i);
  }
  host.decision.kind = DecisionKind::kForward;
  host.decision.backend = 0;
}

Rig::~Rig() {
  if (exchange != nullptr && !downstream.end.has_value()) exchange->Cut(Reason::kShutdown);
  pool_->AbandonMirrors();
  CHECK_EQ(backend().exchanges, 0);
  CHECK_EQ(mirror_backend().mirrors(), 0u);
  CHECK_EQ(context_->counters.requests_open, 0u);
  CHECK_EQ(context_->counters.relays_open, 0u);
  for (auto* each : {&backend(), &mirror_backend()}) {
    for (const auto& stream : each->streams) CHECK(stream->fate != Fate::kLent);
  }
  reactor_->RemoveTurnClient(this);
  pool_.reset();
  context_.reset();
  lingering_.reset();
  linger_deadlines_.reset();
  memory_.reset();
}

void Rig::Request(std::string_view method, bool has_body) {
  head_ = std::string(method) + " /a HTTP/1.1\r\nHost: a\r\n\r\n";
  http::RequestHead head;
  head.data = head_.data();
  head.length = static_cast<uint32_t>(head_.size());
  head.method = {0, static_cast<uint32_t>(method.size())};
  head.method_id = method == "GET" ? http::MethodId::kGet : http::MethodId::kPost;
  head.target.whole = head.target.path = {static_cast<uint32_t>(method.size() + 1), 2};
  if (has_body) head.body = http::BodyKind::kChunked;
  head.expect_continue = expects;
  head.upgrade = upgrades;
  exchange = pool_->Take();
  exchange->Start(downstream, head);
}

// An exchange that is over must not be told.
void Rig::DownstreamEvent() {
  CHECK(!downstream.end.has_value());
  if (!downstream.end.has_value()) exchange->OnDownstreamEvent();
}

void Rig::UpstreamEvent() {
  const bool lent = backend().attempt != nullptr && backend().attempt->stream() != nullptr;
  CHECK(lent);
  if (lent) backend().attempt->user().OnStreamEvent();
}

void Rig::SetMirror() {
  MirrorGroup group(1);
  group[0].backend = 1;
  host.decision.mirrors = context_->mirror_groups.Add(group);
}

std::string Rig::Outcome() const {
  if (host.outcomes.size() != 1) return "none";
  const OutcomeRecord& outcome = host.outcomes.front();
  std::string text = std::to_string(outcome.status);
  if (outcome.reason >= 0) {
    text += ' ';
    text += kReasonNames[static_cast<size_t>(outcome.reason)];
  }
  if (outcome.retries > 0) text += " after " + std::to_string(outcome.retries);
  return text;
}

}  // namespace sideroute::test
