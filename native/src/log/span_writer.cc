#include "log/span_writer.h"

#include <sys/random.h>
#include <time.h>
#include <uv.h>

#include <algorithm>

namespace sideroute {

namespace {

constexpr size_t kTraceBytes = 16, kSpanBytes = 8;
// Number of hexadecimal digits with the 56 random bits of a trace id (W3C Trace Context Level 2, section
// 3.2.2.3.2).
constexpr size_t kRandomDigits = 14;
constexpr uint64_t kRandomEnd = 1ull << 56;
constexpr uint8_t kSampled = 1, kRandomId = 2;

uint8_t DigitOf(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

uint64_t NumberOf(std::string_view hex) {
  uint64_t number = 0;
  for (const char c : hex) number = number << 4 | DigitOf(c);
  return number;
}

// The offset from monotonic time to Unix time.
uint64_t UnixOffsetNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec) - uv_hrtime();
}

}  // namespace

SpanWriter::SpanWriter(std::shared_ptr<const AccessLog> log, double rate, size_t buffer_bytes)
    : log_(std::move(log)),
      threshold_(kRandomEnd - static_cast<uint64_t>(std::clamp(rate, 0.0, 1.0) * double{kRandomEnd})),
      buffer_bytes_(buffer_bytes) {}

// Random bytes come from the kernel, so that no two workers or pods have the same ids.
std::string SpanWriter::RandomHex(size_t bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  bool zero = true;
  while (hex.size() < 2 * bytes) {
    if (random_left_ == 0) {
      // getrandom(2) gives up to 256 bytes at once, as soon as the kernel's pool is initialised.
      while (getrandom(random_.data(), random_.size(), 0) != static_cast<ssize_t>(random_.size())) {
      }
      random_left_ = random_.size();
    }
    const unsigned char byte = random_[--random_left_];
    zero = zero && byte == 0;
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  // An id of only zeros is not valid.
  if (zero) hex.back() = '1';
  return hex;
}

// The party that began a trace has decided whether it is sampled (W3C Trace Context, section 3.2.2.5.1).
std::unique_ptr<TraceSpan> SpanWriter::Begin(std::string_view traceparent) {
  const TraceIds came = ParseTraceparent(traceparent);
  if (came.trace.data() == nullptr) {
    if (threshold_ == kRandomEnd) return nullptr;
    std::string trace = RandomHex(kTraceBytes);
    if (NumberOf(std::string_view(trace).substr(2 * kTraceBytes - kRandomDigits)) < threshold_)
      return nullptr;
    return std::make_unique<TraceSpan>(SpanIds{std::move(trace), RandomHex(kSpanBytes), {}}, kSampled);
  }
  const auto flags = static_cast<uint8_t>(NumberOf(came.flags));
  if ((flags & kSampled) == 0) return nullptr;
  return std::make_unique<TraceSpan>(
      SpanIds{std::string(came.trace), RandomHex(kSpanBytes), std::string(came.parent)},
      static_cast<uint8_t>(kSampled | (flags & kRandomId)));
}

void SpanWriter::WriteNs(JsonLine& line, std::string_view name, uint64_t ns) {
  // As text, because JavaScript numbers are not exact for such values.
  line.String(name, std::to_string(ns));
}

void SpanWriter::End(const RequestEntry& entry, const RequestFacts& facts, const TraceSpan& span) {
  const uint64_t offset_ns = UnixOffsetNs();
  const SpanIds& ids = span.ids();
  line_.Begin();
  line_.String("trace", ids.trace);
  line_.String("span", ids.span);
  line_.String("parent", ids.parent);
  line_.String("state", span.state());
  WriteNs(line_, "start", entry.started_ns + offset_ns);
  WriteNs(line_, "end", entry.ended_ns + offset_ns);
  const RequestTexts& texts = facts.texts;
  line_.String("method", texts.Get(RequestText::kMethod));
  line_.String("path", texts.Get(RequestText::kPath));
  line_.String("host", texts.Get(RequestText::kHost));
  line_.String("user_agent", texts.Get(RequestText::kUserAgent));
  line_.String("request_id", texts.Get(RequestText::kRequestId));
  line_.Number("version", static_cast<uint64_t>(std::max(entry.minor_version, 0)));
  log_->WriteOutcome(line_, entry, facts);
  log_->WriteRoute(line_, entry.frontend, entry.series);
  line_.Address("downstream", entry.downstream);
  line_.Address("destination", entry.destination);
  line_.Address("upstream", facts.upstream);
  if (entry.counts_bytes) {
    line_.Number("bytes_received", facts.bytes_received);
    line_.Number("bytes_sent", facts.bytes_sent);
  }
  WriteEvents(span, offset_ns);
  const std::string_view line = line_.End();
  if (lines_.size() + line.size() > buffer_bytes_) {
    ++dropped_;
    return;
  }
  lines_ += line;
}

void SpanWriter::WriteEvents(const TraceSpan& span, uint64_t unix_offset_ns) {
  events_.clear();
  events_ += '[';
  for (const SpanEvent& event : span.events()) {
    constexpr std::string_view kNames[] = {"attempt", "retry", "mirror"};
    if (events_.size() > 1) events_ += ',';
    event_line_.Begin();
    event_line_.String("kind", kNames[static_cast<size_t>(event.kind)]);
    WriteNs(event_line_, "at", event.at_ns + unix_offset_ns);
    switch (event.kind) {
      case SpanEvent::Kind::kAttempt:
        event_line_.Address("upstream", event.upstream);
        break;
      case SpanEvent::Kind::kRetry:
        if (event.status != 0) event_line_.Number("code", event.status);
        if (!event.reason.empty()) event_line_.String("reason", event.reason);
        break;
      case SpanEvent::Kind::kMirror:
        log_->WriteRoute(event_line_, -1, event.series);
        break;
    }
    std::string_view text = event_line_.End();
    text.remove_suffix(1);
    events_ += text;
  }
  events_ += ']';
  line_.Literal("events", events_);
  line_.Number("events_dropped", span.dropped_events());
}

}  // namespace sideroute
