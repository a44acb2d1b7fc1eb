#include "log/span.h"

#include "http/scan.h"

namespace sideroute {

const http::RequestHead& TraceSpan::Continue(const http::RequestHead& head) {
  constexpr std::string_view kName = "traceparent", kStateName = "tracestate";
  constexpr std::string_view kHex = "0123456789abcdef";
  head_ = head;
  // Without the empty line after the fields.
  bytes_.assign(head.data, head.length - 2);
  fields_.assign(head.fields.begin(), head.fields.end());
  for (http::Field& field : fields_) {
    const std::string_view name = field.Name(head.data);
    if (name.size() == kName.size() && http::TokenEquals(name, kName)) {
      field.flags |= http::kFieldDrop;
    } else if (name.size() == kStateName.size() && http::TokenEquals(name, kStateName)) {
      if (ids_.parent.empty()) {
        field.flags |= http::kFieldDrop;
      } else {
        KeepState(field.Value(head.data));
      }
    }
  }
  http::Field field{};
  field.id = http::FieldId::kOther;
  field.name_offset = static_cast<uint32_t>(bytes_.size());
  field.name_length = static_cast<uint16_t>(kName.size());
  bytes_.append(kName).append(": ");
  field.value_offset = static_cast<uint32_t>(bytes_.size());
  bytes_.append("00-").append(ids_.trace).append("-").append(ids_.span).append("-");
  bytes_ += kHex[flags_ >> 4];
  bytes_ += kHex[flags_ & 15];
  field.value_length = static_cast<uint32_t>(bytes_.size()) - field.value_offset;
  bytes_.append("\r\n\r\n");
  fields_.push_back(field);
  head_.data = bytes_.data();
  head_.length = static_cast<uint32_t>(bytes_.size());
  head_.fields = fields_;
  return head_;
}

// Several fields form one list (W3C Trace Context, section 3.3).
void TraceSpan::KeepState(std::string_view value) {
  const size_t separator = state_.empty() ? 0 : 1;
  if (!state_kept_ || state_.size() + separator + value.size() > kMaxStateBytes) {
    state_kept_ = false;
    state_.clear();
    return;
  }
  if (separator != 0) state_ += ',';
  state_ += value;
}

void TraceSpan::Note(SpanEvent event) {
  if (events_.size() < kMaxEvents) {
    events_.push_back(event);
  } else {
    ++dropped_events_;
  }
}

}  // namespace sideroute
