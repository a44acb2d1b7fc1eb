#include "log/access_log.h"

#include <fcntl.h>
#include <time.h>
#include <uv.h>

#include <cerrno>
#include <utility>

namespace sideroute {

namespace {

uint64_t UnixMs(uint64_t ago_ns) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const uint64_t ns =
      static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec) - ago_ns;
  return ns / 1'000'000;
}

void WritePhase(JsonLine& line, std::string_view name, uint64_t started_ns, uint64_t happened_ns) {
  if (happened_ns < started_ns) return line.Null(name);
  line.Milliseconds(name, happened_ns - started_ns);
}

std::string_view DenialName(RetryDenial denial) {
  switch (denial) {
    case RetryDenial::kNone:
      break;
    case RetryDenial::kBudget:
      return "budget";
    case RetryDenial::kBody:
      return "body";
  }
  return {};
}

}  // namespace

int AccessLog::SetMode(AccessLogMode mode) {
  if (mode != AccessLogMode::kOff && writer_ == nullptr && !closed_) {
    int error = 0;
    UniqueFd copy(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) return -errno;
    writer_ =
        LogWriter::Start(std::move(copy), buffer_bytes_, {"access-log", "\"kind\":\"dropped\""}, &error);
    if (writer_ == nullptr) return error;
  }
  mode_ = closed_ ? AccessLogMode::kOff : mode;
  return 0;
}

void AccessLog::SetSeries(uint32_t id, std::string members) {
  const uint32_t slot = id & kSlotMask;
  if (slot >= series_.size()) series_.resize(slot + 1);
  series_[slot] = {static_cast<int32_t>(id), std::move(members)};
}

void AccessLog::SetFrontend(uint32_t id, std::string key) {
  if (id >= frontends_.size()) frontends_.resize(id + 1);
  frontends_[id] = std::move(key);
}

bool AccessLog::AddTap(uint32_t id, TapFilter filter) {
  const bool added = taps_.Add(id, std::move(filter));
  tapped_ = taps_.any();
  return added;
}

void AccessLog::RemoveTap(uint32_t id) {
  taps_.Remove(id);
  tapped_ = taps_.any();
}

void AccessLog::Tap(const http::RequestHead& head, int32_t series, RequestFacts* facts) {
  taps_.Begin(head, MembersOf(series), facts);
}

// The log and the taps get the same line.
void AccessLog::OnRequest(const RequestEntry& entry, const RequestFacts& facts) {
  const bool logged = Wants(entry.reason, entry.status, entry.grpc_status);
  const TapSet taps = tapped_ ? taps_.Wanting(entry, facts) : TapSet{0};
  if (!logged && taps == 0) return;
  WriteRequest(entry, facts);
  const std::string_view line = line_.End();
  if (logged) writer_->Append(line);
  if (taps != 0) taps_.Append(taps, line, facts);
}

void AccessLog::WriteRequest(const RequestEntry& entry, const RequestFacts& facts) {
  const uint64_t duration_ns = entry.ended_ns - entry.started_ns;
  const RequestTexts& texts = facts.texts;
  line_.Begin();
  line_.Time("time", UnixMs(duration_ns));
  line_.Literal("kind", "\"request\"");
  line_.String("method", texts.Get(RequestText::kMethod));
  line_.String("path", texts.Get(RequestText::kPath));
  line_.String("host", texts.Get(RequestText::kHost));
  if (entry.minor_version < 0) {
    line_.Null("protocol");
  } else {
    constexpr std::string_view kProtocolNames[] = {"\"HTTP/1.0\"", "\"HTTP/1.1\"", "\"HTTP/2\""};
    line_.Literal("protocol", kProtocolNames[entry.minor_version]);
  }
  WriteOutcome(line_, entry, facts);
  WriteRoute(line_, entry.frontend, entry.series);
  line_.Address("downstream", entry.downstream);
  line_.Address("destination", entry.destination);
  line_.Address("upstream", facts.upstream);
  if (entry.counts_bytes) {
    line_.Number("bytes_received", facts.bytes_received);
    line_.Number("bytes_sent", facts.bytes_sent);
  } else {
    line_.Null("bytes_received");
    line_.Null("bytes_sent");
  }
  const TraceIds ids = ParseTraceparent(texts.Get(RequestText::kTraceparent));
  line_.String("request_id", texts.Get(RequestText::kRequestId));
  line_.String("trace_id", ids.trace);
  line_.String("parent_id", ids.parent);
  line_.String("user_agent", texts.Get(RequestText::kUserAgent));
  line_.Boolean("truncated", texts.truncated());
}

void AccessLog::WriteOutcome(JsonLine& line, const RequestEntry& entry, const RequestFacts& facts) const {
  if (entry.status == 0) {
    line.Null("code");
  } else {
    line.Number("code", entry.status);
  }
  line.String("grpc_status", entry.grpc_status < 0
                                 ? std::string_view()
                                 : http::kGrpcStatusNames[static_cast<size_t>(entry.grpc_status)]);
  const bool known = entry.reason >= 0 && static_cast<size_t>(entry.reason) < reasons_.size();
  line.String("reason", known ? std::string_view(reasons_[static_cast<size_t>(entry.reason)].name)
                              : std::string_view());
  line.String("fault", facts.fault);
  line.Number("retries", entry.retries);
  line.String("retry_denied", DenialName(entry.denial));
  if (entry.series < 0) {
    line.Null("duration_ms");
  } else {
    line.Milliseconds("duration_ms", entry.ended_ns - entry.started_ns);
  }
  WritePhase(line, "request_ms", entry.started_ns, facts.received_ns);
  WritePhase(line, "connection_ms", entry.started_ns, facts.connected_ns);
  WritePhase(line, "response_ms", entry.started_ns, facts.response_ns);
}

void AccessLog::WriteRoute(JsonLine& line, int32_t frontend, int32_t series) const {
  const auto index = static_cast<size_t>(frontend);
  const bool known = frontend >= 0 && index < frontends_.size() && !frontends_[index].empty();
  line.String("frontend", known ? std::string_view(frontends_[index]) : std::string_view());
  line.Members(MembersOf(series));
}

std::string_view AccessLog::MembersOf(int32_t series) const {
  const size_t slot = static_cast<uint32_t>(series) & kSlotMask;
  if (series >= 0 && slot < series_.size() && series_[slot].id == series) return series_[slot].members;
  return "\"route\":null,\"rule\":null,\"backend\":null";
}

void AccessLog::OnConnection(const ConnectionEntry& entry) {
  const bool dropped = entry.reason >= ConnectionReason::kLoop;
  if (!logs() || (!dropped && mode_ != AccessLogMode::kAll)) return;
  const uint64_t duration_ns = uv_hrtime() - entry.started_ns;
  line_.Begin();
  line_.Time("time", UnixMs(duration_ns));
  line_.Literal("kind", "\"connection\"");
  line_.String("reason", kConnectionReasonNames[static_cast<size_t>(entry.reason)]);
  line_.Address("downstream", entry.downstream);
  line_.Address("destination", entry.destination);
  line_.Number("bytes_received", entry.bytes_received);
  line_.Number("bytes_sent", entry.bytes_sent);
  line_.Milliseconds("duration_ms", duration_ns);
  line_.Boolean("reset", entry.reset);
  char name[64];
  line_.String("error", entry.error == 0 ? std::string_view()
                                         : std::string_view(uv_err_name_r(entry.error, name, sizeof name)));
  writer_->Append(line_.End());
}

void AccessLog::Close(uint32_t timeout_ms) {
  mode_ = AccessLogMode::kOff;
  closed_ = true;
  if (writer_ != nullptr) writer_->Stop(timeout_ms);
}

}  // namespace sideroute
