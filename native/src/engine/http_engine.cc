#include "engine/http_engine.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <utility>

#include "http1/upstream.h"

namespace sideroute {

namespace {
// A connection that was used so lately is likely to be used again, perhaps by a request on its way.
constexpr uint64_t kLeastIdleMs = 1000;
}  // namespace

HttpEngine::HttpEngine(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors,
                       const MemoryGuard& memory, EngineHost& host, DeadlineQueue& linger_deadlines,
                       ConnectionList& lingering, const EngineSettings& settings)
    : reactor_(reactor),
      context_(reactor, own_dials, descriptors, memory, host, backends_, exchanges_, readers_,
               linger_deadlines, lingering, settings),
      backends_(context_, *this),
      exchanges_(context_) {
  [[maybe_unused]] const ssize_t seeded = getrandom(&context_.random, sizeof context_.random, GRND_NONBLOCK);
  reactor_.AddTurnClient(this);
}

HttpEngine::~HttpEngine() {
  CloseAll();
  backends_.Clear();
  context_.buried.clear();
  reactor_.RemoveTurnClient(this);
}

int HttpEngine::Adopt(UniqueFd fd, int32_t frontend, const NetAddress& original) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  auto downstream = std::make_unique<http1::Downstream>(context_, frontend, original, NetAddress());
  if (const int error = downstream->Open(std::move(fd)); error != 0) return error;
  Add(std::move(downstream)).AwaitRequest();
  return 0;
}

void HttpEngine::Take(Arrival arrival) {
  auto downstream = std::make_unique<http1::Downstream>(context_, static_cast<int32_t>(arrival.frontend),
                                                        arrival.destination, arrival.peer);
  downstream->Open(arrival);
  http1::Downstream& added = Add(std::move(downstream));
  // While the engine closes, what is added is reset at the end of the batch.
  if (!context_.closing) added.Begin(arrival.first);
}

http1::Downstream& HttpEngine::Add(std::unique_ptr<http1::Downstream> downstream) {
  ++context_.counters.adopted;
  ++context_.counters.downstream_open;
  http1::Downstream& added = *downstream.release();
  downstreams_.PushBack(&added);
  return added;
}

std::unique_ptr<UpstreamConnection> HttpEngine::Make(Endpoint& endpoint, Protocol /*protocol*/) {
  return std::make_unique<http1::Upstream>(context_, endpoint);
}

std::unique_ptr<OuterStream> HttpEngine::MakeOuterStream(OuterCarrier& carrier, uint32_t number) {
  return std::make_unique<OuterStream>(context_, outer_streams_, carrier, number);
}

void HttpEngine::CutOuterStreams() {
  if (!reactor_.dispatching()) return reactor_.Enter([this] { EndOuterStreams(); });
  cuts_outer_streams_ = true;
}

void HttpEngine::EndOuterStreams() {
  cuts_outer_streams_ = false;
  while (OuterStream* stream = outer_streams_.open.Front()) stream->Cut(Reason::kShutdown);
}

// What has happened to them while others were on the stack.
void HttpEngine::WakeOuterStreams() {
  // Waking one may wake others.
  for (size_t i = 0; i < outer_streams_.awake.size(); ++i) outer_streams_.awake[i]->Wake();
  outer_streams_.awake.clear();
}

int32_t HttpEngine::AddReply(LocalReply reply) {
  context_.replies.push_back(std::move(reply));
  return static_cast<int32_t>(context_.replies.size() - 1);
}

void HttpEngine::SetReasonReply(Reason reason, int32_t index) {
  context_.reason_replies[static_cast<size_t>(reason)] = index;
}

void HttpEngine::ForgetTable() {
  context_.mirror_groups.Clear();
  context_.policies.Clear();
  context_.plans.Clear();
}

void HttpEngine::Drain() {
  context_.draining = true;
  for (http1::Downstream* downstream = downstreams_.Front(); downstream != nullptr;
       downstream = downstreams_.After(downstream)) {
    if (downstream->idle()) downstream->AwaitRequest();
  }
}

void HttpEngine::CloseIdle(size_t count) {
  const uint64_t now_ms = context_.wheel.now_ms();
  std::vector<http1::Downstream*> idle;
  for (http1::Downstream* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    if (each->idle() && now_ms - each->idle_since_ms() >= kLeastIdleMs) idle.push_back(each);
  }
  // More than asked for: in some a request may have arrived.
  const size_t looked_at = std::min(idle.size(), 2 * count);
  std::partial_sort(
      idle.begin(), idle.begin() + static_cast<ptrdiff_t>(looked_at), idle.end(),
      [](http1::Downstream* a, http1::Downstream* b) { return a->idle_since_ms() < b->idle_since_ms(); });
  for (size_t i = 0; i < looked_at && count > 0; ++i) {
    if (idle[i]->readable() || !idle[i]->Quiet()) continue;
    idle[i]->CloseNow(false);
    ++context_.counters.idle_closed;
    --count;
  }
}

void HttpEngine::Close() {
  context_.draining = context_.closing = true;
  if (reactor_.dispatching()) return;
  if (!outer_streams_.open.empty()) reactor_.Enter([this] { EndOuterStreams(); });
  CloseAll();
}

void HttpEngine::CloseAll() {
  context_.draining = context_.closing = true;
  while (http1::Downstream* downstream = downstreams_.Front()) downstream->Abandon();
  EndOuterStreams();
  exchanges_.AbandonMirrors();
  backends_.CloseIdle();
}

void HttpEngine::ServeBackends() {
  // Serving one may mark another, or the same again.
  for (size_t i = 0; i < context_.backends_to_serve.size(); ++i)
    context_.backends_to_serve[i]->ServeWaiting();
  context_.backends_to_serve.clear();
}

void HttpEngine::OnBatchEnd() {
  if (!outer_streams_.awake.empty()) WakeOuterStreams();
  if (cuts_outer_streams_) EndOuterStreams();
  if (context_.closing &&
      (!downstreams_.empty() || !outer_streams_.open.empty() || exchanges_.has_mirrors())) {
    CloseAll();
  }
  if (!context_.backends_to_serve.empty()) ServeBackends();
  context_.buried.clear();
  exchanges_.Trim();
}

}  // namespace sideroute
