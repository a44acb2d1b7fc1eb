// What a connection from an application holds and does, for state dumps and load shedding; and reports of
// requests that no exchange serves.
#include <uv.h>

#include <algorithm>

#include "http2/downstream.h"
#include "log/access_log.h"
#include "net/state_records.h"

namespace sideroute::http2 {

void Downstream::NoteRefused(Reason reason, std::string_view fault, uint16_t status,
                             const HeadBuilder* head) {
  const LocalReply& reply =
      context_.replies[static_cast<size_t>(context_.reason_replies[static_cast<size_t>(reason)])];
  context_.host.OnRefused(caller_.frontend, reply.reason);
  if (context_.log == nullptr || !context_.log->on()) return;
  RequestEntry entry;
  RequestFacts facts;
  LoadPeer();
  entry.frontend = caller_.frontend;
  entry.status = status;
  entry.reason = reply.reason;
  entry.downstream = caller_.peer;
  entry.destination = caller_.original;
  entry.started_ns = entry.ended_ns = uv_hrtime();
  entry.minor_version = 2;
  facts.fault = fault;
  if (head != nullptr) {
    if (head->is_call() && status != 0) entry.grpc_status = reply.grpc_status;
    facts.texts.Set(RequestText::kMethod, head->method());
    facts.texts.Set(RequestText::kPath, head->path());
  }
  context_.log->OnRequest(entry, facts);
}

void Downstream::OnFailing(std::string_view fault) {
  if (shed_) return;
  ++context_.counters.refused;
  Reason reason = fault.starts_with("flood-") ? Reason::kFlood : Reason::kBadRequest;
  if (timed_out_) reason = Reason::kRequestTimeout;
  NoteRefused(reason, fault, 0);
}

// Visits the requests that have an exchange.
template <typename Visit>
void Downstream::VisitRequests(const Visit& visit) const {
  VisitStreams([&](const Stream& stream) {
    const auto& request = static_cast<const DownstreamRequest&>(stream);
    if (request.exchange() != nullptr) visit(request);
  });
}

size_t Downstream::HeldBytes(bool sockets) const {
  size_t bytes = held();
  if (sockets) bytes += QueuedBytes();
  VisitStreams([&](const Stream& stream) {
    bytes += stream.held();
    const RequestServer* const exchange = static_cast<const DownstreamRequest&>(stream).exchange();
    if (exchange != nullptr) bytes += exchange->HeldBytes(sockets);
  });
  return bytes;
}

uint64_t Downstream::StandsSinceMs() const {
  if (has_unsent()) return blocked_since_ms();
  uint64_t since_ms = UINT64_MAX;
  VisitStreams([&](const Stream& stream) {
    const RequestServer* const exchange = static_cast<const DownstreamRequest&>(stream).exchange();
    const uint64_t blocked_ms = exchange == nullptr ? 0 : exchange->BlockedSinceMs();
    if (blocked_ms > 0) since_ms = std::min(since_ms, blocked_ms);
  });
  return since_ms == UINT64_MAX ? context_.wheel.now_ms() : since_ms;
}

size_t Downstream::DropReplay() {
  size_t bytes = 0;
  VisitStreams([&](Stream& stream) {
    RequestServer* const exchange = static_cast<DownstreamRequest&>(stream).exchange();
    if (exchange != nullptr) bytes += exchange->DropReplay();
  });
  return bytes;
}

void Downstream::Describe(StateRecords& records) const {
  enum class State : uint8_t { kIdle, kReadingHead, kRequest, kRelay, kDraining };
  const uint64_t now_ms = context_.wheel.now_ms();
  size_t requests = 0, tunnels = 0;
  VisitRequests([&](const DownstreamRequest& request) {
    ++requests;
    if (request.tunnels()) ++tunnels;
  });
  State state = leaving_ == Leaving::kNo ? State::kIdle : State::kDraining;
  if (requests > 0) state = tunnels == requests ? State::kRelay : State::kRequest;
  records.Count(number_);
  records.Number(caller_.frontend);
  records.Number(static_cast<double>(state));
  records.Count(now_ms - opened_ms_);
  records.Number(requests == 0 ? static_cast<double>(now_ms - idle_since_ms_) : -1);
  records.Count(served_);
  records.Address(caller_.original);
  records.Socket(fd());
  records.Number(static_cast<double>(Protocol::kHttp2));
  records.Count(requests);
  size_t left = std::min(requests, kDescribedRequests);
  records.Count(left);
  VisitRequests([&](const DownstreamRequest& request) {
    if (left == 0) return;
    --left;
    request.exchange()->Describe(records);
  });
}

}  // namespace sideroute::http2
