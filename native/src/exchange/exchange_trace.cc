// Spans of an exchange whose request is sampled by tracing.
#include "exchange/exchange.h"
#include "log/tracer.h"

namespace sideroute {

// Returns the head to forward: with new trace context if the request is sampled, else `head` itself.
const http::RequestHead& Exchange::BeginSpan(const http::RequestHead& head) {
  KeepFacts(head);
  span_ = context_.tracer->Begin(facts_.texts.Get(RequestText::kTraceparent));
  return span_ == nullptr ? head : span_->Continue(head);
}

void Exchange::NoteAttempt() {
  span_->Note(
      {.kind = SpanEvent::Kind::kAttempt, .at_ns = context_.moment.NowNs(), .upstream = attempt_.address()});
}

void Exchange::NoteRetry(uint16_t status, std::string_view reason) {
  span_->Note({.kind = SpanEvent::Kind::kRetry,
               .at_ns = context_.moment.NowNs(),
               .status = status,
               .reason = reason});
}

void Exchange::NoteMirror(int32_t series) {
  span_->Note({.kind = SpanEvent::Kind::kMirror, .at_ns = context_.moment.NowNs(), .series = series});
}

void Exchange::EndSpan(uint64_t ended_ns) {
  context_.tracer->End(Entry(ended_ns), facts_, *span_);
  span_.reset();
}

}  // namespace sideroute
