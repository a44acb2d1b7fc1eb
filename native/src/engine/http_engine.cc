#include "engine/http_engine.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <utility>

#include "http1/downstream.h"
#include "http1/upstream.h"
#include "http2/downstream.h"
#include "http2/upstream.h"

namespace sideroute {

namespace {
// A connection used more recently than this may well be used again; a request may be on its way.
constexpr uint64_t kLeastIdleMs = 1000;
}  // namespace

HttpEngine::HttpEngine(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors,
                       const MemoryGuard& memory, EngineHost& host, DeadlineQueue& linger_deadlines,
                       ConnectionList& lingering, const EngineSettings& settings)
    : reactor_(reactor),
      context_(reactor, own_dials, descriptors, memory, host, backends_, exchanges_, readers_,
               linger_deadlines, lingering, settings),
      http2_(context_.blocks),
      backends_(context_, *this),
      exchanges_(context_) {
  context_.http2 = &http2_;
  [[maybe_unused]] const ssize_t seeded = getrandom(&context_.random, sizeof context_.random, GRND_NONBLOCK);
  reactor_.AddTurnClient(this);
}

HttpEngine::~HttpEngine() {
  CloseAll();
  backends_.Clear();
  context_.buried.clear();
  reactor_.RemoveTurnClient(this);
}

int HttpEngine::Adopt(UniqueFd fd, int32_t frontend, const NetAddress& original, bool http2) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  const auto open = [&](auto downstream) {
    if (const int error = downstream->Open(std::move(fd)); error != 0) return error;
    DownstreamConnection& added = Add(std::move(downstream));
    if (http2) {
      added.Begin({});
    } else {
      added.AwaitRequest();
    }
    return 0;
  };
  if (http2) return open(std::make_unique<http2::Downstream>(context_, frontend, original, NetAddress()));
  return open(std::make_unique<http1::Downstream>(context_, frontend, original, NetAddress()));
}

void HttpEngine::Take(Arrival arrival) {
  const auto frontend = static_cast<int32_t>(arrival.frontend);
  const auto open = [&](auto downstream) {
    downstream->Open(arrival);
    DownstreamConnection& added = Add(std::move(downstream));
    // While the engine closes, a new connection is reset at the end of the batch.
    if (!context_.closing) added.Begin(arrival.first);
  };
  if (arrival.http2)
    return open(std::make_unique<http2::Downstream>(context_, frontend, arrival.destination, arrival.peer));
  open(std::make_unique<http1::Downstream>(context_, frontend, arrival.destination, arrival.peer));
}

DownstreamConnection& HttpEngine::Add(std::unique_ptr<DownstreamConnection> downstream) {
  ++context_.counters.adopted;
  ++context_.counters.downstream_open;
  DownstreamConnection& added = *downstream.release();
  downstreams_.PushBack(&added);
  return added;
}

std::unique_ptr<UpstreamConnection> HttpEngine::Make(Endpoint& endpoint, Protocol protocol) {
  if (protocol == Protocol::kHttp2) return std::make_unique<http2::Upstream>(context_, endpoint);
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

// Handles what happened to them during the batch.
void HttpEngine::WakeOuterStreams() {
  // Waking a stream may add others.
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
  for (DownstreamConnection* downstream = downstreams_.Front(); downstream != nullptr;
       downstream = downstreams_.After(downstream)) {
    downstream->Drain();
  }
}

void HttpEngine::CloseIdle(size_t count) {
  const uint64_t now_ms = context_.wheel.now_ms();
  std::vector<DownstreamConnection*> idle;
  for (DownstreamConnection* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    if (each->idle() && now_ms - each->idle_since_ms() >= kLeastIdleMs) idle.push_back(each);
  }
  // Looks at more than `count`, because a request may have arrived on some of them.
  const size_t looked_at = std::min(idle.size(), 2 * count);
  std::partial_sort(idle.begin(), idle.begin() + static_cast<ptrdiff_t>(looked_at), idle.end(),
                    [](DownstreamConnection* a, DownstreamConnection* b) {
                      return a->idle_since_ms() < b->idle_since_ms();
                    });
  for (size_t i = 0; i < looked_at && count > 0; ++i) {
    if (!idle[i]->CloseIdle()) continue;
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
  while (DownstreamConnection* downstream = downstreams_.Front()) downstream->Abandon();
  EndOuterStreams();
  exchanges_.AbandonMirrors();
  backends_.CloseIdle();
}

void HttpEngine::ServeBackends() {
  // Serving a backend may add others, or the same one again.
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
  http2_.Flush();
  context_.burst = context_.wheel.now_ms() + 1;
  context_.buried.clear();
  exchanges_.Trim();
}

}  // namespace sideroute
