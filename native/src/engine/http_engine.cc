#include "engine/http_engine.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <utility>

namespace sideroute {

namespace {
// A connection that was used so lately is likely to be used again, perhaps by a request on its way.
constexpr uint64_t kLeastIdleMs = 1000;
// Objects kept for reuse, of each kind.
constexpr size_t kMaxSpare = 256;
}  // namespace

HttpEngine::HttpEngine(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors,
                       const MemoryGuard& memory, EngineHost& host, DeadlineQueue& linger_deadlines,
                       ConnectionList& lingering, const EngineSettings& settings)
    : reactor_(reactor),
      context_(reactor, own_dials, descriptors, memory, host, *this, linger_deadlines, lingering, settings) {
  [[maybe_unused]] const ssize_t seeded = getrandom(&context_.random, sizeof context_.random, GRND_NONBLOCK);
  reactor_.AddTurnClient(this);
}

HttpEngine::~HttpEngine() {
  CloseAll();
  backends_.clear();
  originals_.clear();
  context_.buried.clear();
  reactor_.RemoveTurnClient(this);
}

int HttpEngine::Adopt(UniqueFd fd, int32_t frontend, const NetAddress& original) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  auto downstream = std::make_unique<Downstream>(context_, frontend, original, NetAddress());
  if (const int error = downstream->Open(std::move(fd)); error != 0) return error;
  Add(std::move(downstream)).AwaitRequest();
  return 0;
}

void HttpEngine::Take(Arrival arrival) {
  auto downstream = std::make_unique<Downstream>(context_, static_cast<int32_t>(arrival.frontend),
                                                 arrival.destination, arrival.peer);
  downstream->Open(arrival);
  Downstream& added = Add(std::move(downstream));
  // While the engine closes, what is added is reset at the end of the batch.
  if (!context_.closing) added.Begin(arrival.first);
}

Downstream& HttpEngine::Add(std::unique_ptr<Downstream> downstream) {
  ++context_.counters.adopted;
  ++context_.counters.downstream_open;
  Downstream& added = *downstream.release();
  downstreams_.PushBack(&added);
  return added;
}

void HttpEngine::SetBackend(uint32_t id, const std::vector<NetAddress>& addresses) {
  if (id >= backends_.size()) backends_.resize(id + 1);
  if (backends_[id] == nullptr) backends_[id] = std::make_unique<Backend>(context_, static_cast<int32_t>(id));
  backends_[id]->SetAddresses(addresses);
}

Backend* HttpEngine::FindBackend(int32_t id) {
  return id >= 0 && static_cast<size_t>(id) < backends_.size() ? backends_[static_cast<size_t>(id)].get()
                                                               : nullptr;
}

bool HttpEngine::DropBackend(int32_t id) {
  Backend* backend = FindBackend(id);
  if (backend == nullptr) return true;
  if (!backend->Retire()) return false;
  context_.Bury(std::move(backends_[static_cast<size_t>(id)]));
  return true;
}

Backend* HttpEngine::OriginalBackend(const NetAddress& address) {
  const auto known = originals_.find(address);
  if (known != originals_.end()) return known->second.get();
  for (auto at = originals_.begin(); originals_.size() >= kMaxOriginals && at != originals_.end();) {
    if (!at->second->Retire()) {
      ++at;
      continue;
    }
    context_.Bury(std::move(at->second));
    at = originals_.erase(at);
  }
  auto backend = std::make_unique<Backend>(context_, Backend::kOriginal);
  backend->SetAddresses({address});
  return originals_.emplace(address, std::move(backend)).first->second.get();
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
  for (Downstream* downstream = downstreams_.Front(); downstream != nullptr;
       downstream = downstreams_.After(downstream)) {
    if (downstream->idle()) downstream->AwaitRequest();
  }
}

void HttpEngine::CloseIdle(size_t count) {
  const uint64_t now_ms = context_.wheel.now_ms();
  std::vector<Downstream*> idle;
  for (Downstream* each = downstreams_.Front(); each != nullptr; each = downstreams_.After(each)) {
    if (each->idle() && now_ms - each->idle_since_ms() >= kLeastIdleMs) idle.push_back(each);
  }
  // More than asked for: in some a request may have arrived.
  const size_t looked_at = std::min(idle.size(), 2 * count);
  std::partial_sort(idle.begin(), idle.begin() + static_cast<ptrdiff_t>(looked_at), idle.end(),
                    [](Downstream* a, Downstream* b) { return a->idle_since_ms() < b->idle_since_ms(); });
  for (size_t i = 0; i < looked_at && count > 0; ++i) {
    if (idle[i]->readable() || !idle[i]->Quiet()) continue;
    idle[i]->CloseNow(false);
    ++context_.counters.idle_closed;
    --count;
  }
}

bool HttpEngine::CloseIdleUpstream() {
  for (auto& backend : backends_) {
    if (backend != nullptr && backend->CloseOneIdle()) return true;
  }
  for (auto& [address, backend] : originals_) {
    if (backend->CloseOneIdle()) return true;
  }
  return false;
}

void HttpEngine::Close() {
  context_.draining = context_.closing = true;
  if (!reactor_.dispatching()) CloseAll();
}

void HttpEngine::CloseAll() {
  context_.draining = context_.closing = true;
  while (Downstream* downstream = downstreams_.Front()) downstream->Abandon();
  while (Mirror* mirror = mirrors_.Front()) mirror->Abandon();
  for (auto& backend : backends_) {
    if (backend != nullptr) backend->CloseIdle();
  }
  for (auto& [address, backend] : originals_) backend->CloseIdle();
}

Exchange* HttpEngine::TakeExchange() {
  if (free_exchanges_.empty()) return std::make_unique<Exchange>(context_).release();
  Exchange* exchange = free_exchanges_.back().release();
  free_exchanges_.pop_back();
  return exchange;
}

Mirror* HttpEngine::TakeMirror() {
  if (free_mirrors_.empty()) return std::make_unique<Mirror>(context_).release();
  Mirror* mirror = free_mirrors_.back().release();
  free_mirrors_.pop_back();
  return mirror;
}

void HttpEngine::GiveMirror(Mirror& mirror) {
  mirror.Unlink();
  free_mirrors_.emplace_back(&mirror);
}

void HttpEngine::ServeBackends() {
  // Serving one may mark another, or the same again.
  for (size_t i = 0; i < context_.backends_to_serve.size(); ++i)
    context_.backends_to_serve[i]->ServeWaiting();
  context_.backends_to_serve.clear();
}

void HttpEngine::OnBatchEnd() {
  if (context_.closing && (!downstreams_.empty() || !mirrors_.empty())) CloseAll();
  if (!context_.backends_to_serve.empty()) ServeBackends();
  context_.buried.clear();
  // None of them is on the stack.
  if (free_exchanges_.size() > kMaxSpare) free_exchanges_.resize(kMaxSpare);
  if (free_mirrors_.size() > kMaxSpare) free_mirrors_.resize(kMaxSpare);
}

void HttpEngine::WriteReply(const LocalReply& reply, std::string_view fields, ConnectionField connection,
                            bool with_body, ByteBuffer& out) {
  // RFC 9110 section 8.6: a 204 has neither.
  const bool bodyless = reply.status == 204;
  out.Append(reply.head);
  out.Append(fields);
  out.Append(context_.DateLine());
  if (!bodyless) {
    char length[32];
    const auto end = std::to_chars(length, length + sizeof length, reply.body.size()).ptr;
    out.Append("Content-Length: ");
    out.Append(length, static_cast<size_t>(end - length));
    out.Append("\r\n");
  }
  if (connection == ConnectionField::kClose) out.Append("Connection: close\r\n");
  if (connection == ConnectionField::kKeepAlive) out.Append("Connection: keep-alive\r\n");
  out.Append("\r\n");
  if (with_body && !bodyless) out.Append(reply.body);
}

std::string_view EngineContext::DateLine() {
  const int64_t now = time(nullptr);
  if (now != date_second_) {
    constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm parts;
    const time_t seconds = now;
    gmtime_r(&seconds, &parts);
    // RFC 9110 section 5.6.7; no strftime, whose names depend on the locale.
    const int length =
        snprintf(date_line_, sizeof date_line_, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                 kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900,
                 parts.tm_hour, parts.tm_min, parts.tm_sec);
    date_length_ = static_cast<size_t>(length);
    date_second_ = now;
  }
  return {date_line_, date_length_};
}

}  // namespace sideroute
