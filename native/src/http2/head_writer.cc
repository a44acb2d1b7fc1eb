#include "http2/head_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/forwarded_path.h"
#include "http/scan.h"
#include "http2/frame.h"

namespace sideroute::http2 {

namespace {

using http::Field;
using http::FieldId;

constexpr std::string_view kStatus = ":status";

// Fields that concern one HTTP/1.1 connection, or become pseudo-headers (RFC 9113 sections 8.2.2 and 8.3).
bool IsLeftOut(FieldId id) {
  switch (id) {
    case FieldId::kHost:
    case FieldId::kTransferEncoding:
    case FieldId::kConnection:
    case FieldId::kKeepAlive:
    case FieldId::kProxyConnection:
    case FieldId::kTe:
    case FieldId::kUpgrade:
    case FieldId::kHttp2Settings:
      return true;
    default:
      return false;
  }
}

// For most requests the path is forwarded from the head as it is.
std::string_view ForwardedPath(const http::RequestHead& head, const HeaderPlan* plan, std::string& scratch) {
  const bool kept = plan == nullptr || plan->path_kind == HeaderPlan::PathKind::kKeep;
  const http::TargetForm form = head.target.form;
  if (form == http::TargetForm::kAsterisk || (form == http::TargetForm::kOrigin && kept))
    return head.target.whole.In(head.data);
  scratch.clear();
  http::PutForwardedPath(head, plan, [&scratch](std::string_view part) { scratch += part; });
  return scratch;
}

void PutAuthority(const NetAddress& peer, std::string* out) {
  const std::string host = peer.HostText();
  const bool is_ipv6 = host.find(':') != std::string::npos;
  *out = (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(peer.port());
}

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

}  // namespace

void HeadWriter::Start(size_t name_bytes) {
  fields_.clear();
  names_.clear();
  // Reserved at once, because the fields point into names_ and it must not move.
  if (names_.capacity() < name_bytes) names_.reserve(2 * name_bytes);
}

std::string_view HeadWriter::Lower(std::string_view name) {
  if (std::none_of(name.begin(), name.end(), IsUpper)) return name;
  const size_t at = names_.size();
  for (const char c : name) names_ += IsUpper(c) ? static_cast<char>(c | 0x20) : c;
  return std::string_view(names_).substr(at);
}

void HeadWriter::AddLines(std::string_view lines) {
  while (!lines.empty()) {
    const size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 2, lines.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    Add(line.substr(0, colon), value);
  }
}

void HeadWriter::AddLength(uint64_t length) {
  const char* const end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), length).ptr;
  Add("content-length", {digits_.data(), static_cast<size_t>(end - digits_.data())});
}

// Hot path.
void HeadWriter::WriteRequest(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                              const To& to) {
  const char* const data = head.data;
  Start(head.length + (plan == nullptr ? 0 : plan->request.appended().size()));
  const bool connect = head.method_id == http::MethodId::kConnect;
  std::string_view authority = head.target.form == http::TargetForm::kAbsolute || connect
                                   ? head.target.authority.In(data)
                                   : head.facts.host.In(data);
  if (plan != nullptr && !plan->host.empty() && !connect) authority = plan->host;
  // An HTTP/2 request must have an authority (RFC 9113 section 8.3.1), an HTTP/1.0 request need not.
  if (authority.empty() && to.peer != nullptr) {
    PutAuthority(*to.peer, &authority_);
    authority = authority_;
  }
  std::string_view protocol;
  if (head.upgrade) {
    for (const Field& field : head.fields) {
      if (field.id == FieldId::kUpgrade) protocol = field.Value(data);
    }
  }
  Add(":method", head.upgrade ? "CONNECT" : head.method.In(data));
  if (!protocol.empty()) Add(":protocol", protocol);
  if (!connect) {
    Add(":scheme", "http");
    Add(":path", ForwardedPath(head, plan, path_));
  }
  if (!authority.empty()) Add(":authority", authority);
  for (const Field& field : head.fields) {
    if (field.id == FieldId::kOther) {
      if (field.drop() || (plan != nullptr && plan->request.Removes(field.Name(data)))) continue;
      // Extended CONNECT has no handshake key (RFC 8441 section 5).
      if (head.upgrade && http::NamesEqual(field.Name(data), "sec-websocket-key")) continue;
      Add(field.Name(data), field.Value(data), field.sensitive());
      continue;
    }
    if (IsLeftOut(field.id) || field.drop()) continue;
    if (field.id == FieldId::kContentLength) {
      AddLength(head.facts.content_length);
      continue;
    }
    if (field.id == FieldId::kExpect && (head.minor_version == 0 || copy == RequestCopy::kMirror)) continue;
    if (plan != nullptr && plan->request.Removes(field.Name(data))) continue;
    Add(field.Name(data), field.Value(data), field.sensitive());
  }
  if (head.facts.te_trailers) Add("te", "trailers");
  if (plan != nullptr) AddLines(plan->request.appended());
  Write(to);
}

// Hot path.
void HeadWriter::WriteResponse(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view lines,
                               const To& to) {
  const char* const data = head.data;
  Start(head.length + lines.size() + (plan == nullptr ? 0 : plan->response.appended().size()));
  // In HTTP/2 the answer that switches protocols is a 200 (RFC 8441 section 4).
  const bool upgraded = head.status == 101;
  Add(kStatus, upgraded ? "200" : std::string_view(data + sizeof("HTTP/1.1 ") - 1, 3));
  for (const Field& field : head.fields) {
    if (IsLeftOut(field.id) || field.drop()) continue;
    const std::string_view name = field.Name(data);
    if (field.id == FieldId::kContentLength) {
      AddLength(head.facts.content_length);
      continue;
    }
    if (upgraded && http::NamesEqual(name, "sec-websocket-accept")) continue;
    if (plan != nullptr && plan->response.Removes(name)) continue;
    Add(name, field.Value(data), field.sensitive());
  }
  if (plan != nullptr) AddLines(plan->response.appended());
  AddLines(lines);
  Write(to);
}

void HeadWriter::WriteReply(const LocalReply& reply, ReplyForm form, std::string_view lines,
                            std::string_view date, const To& to) {
  const bool grpc = form == ReplyForm::kGrpc;
  const uint16_t code = grpc ? kGrpcHttpStatus : reply.status;
  Start(reply.head.size() + reply.grpc.size() + lines.size() + date.size());
  std::array<char, 3> status{static_cast<char>('0' + code / 100), static_cast<char>('0' + code / 10 % 10),
                             static_cast<char>('0' + code % 10)};
  Add(kStatus, {status.data(), status.size()});
  std::string_view head = reply.head;
  head.remove_prefix(std::min(head.find("\r\n") + 2, head.size()));
  AddLines(grpc ? std::string_view(reply.grpc) : head);
  AddLines(lines);
  AddLines(date);
  if (!grpc && reply.status != 204) AddLength(reply.body.size());
  Write(to);
}

void HeadWriter::WriteTrailers(const Trailers& trailers, const To& to) {
  size_t bytes = 0;
  for (const Field& field : trailers.fields) bytes += field.name_length;
  Start(bytes);
  for (const Field& field : trailers.fields) {
    if (!field.drop()) Add(field.Name(trailers.data), field.Value(trailers.data), field.sensitive());
  }
  Write(to);
}

void HeadWriter::Write(const To& to) {
  const size_t room = to.encoder.Bound(fields_);
  char* const at = to.out.Reserve(kFrameHeaderBytes + room);
  const size_t length = to.encoder.Encode(fields_, at + kFrameHeaderBytes, room);
  const uint8_t end_stream = to.last ? kFlagEndStream : 0;
  if (length <= kMaxFrameBytes) {
    WriteFrameHeader(at, length, FrameType::kHeaders, end_stream | kFlagEndHeaders, to.stream);
    to.out.Commit(kFrameHeaderBytes + length);
    return;
  }
  const std::string block(at + kFrameHeaderBytes, length);
  for (size_t sent = 0; sent < length;) {
    const size_t part = std::min(length - sent, kMaxFrameBytes);
    const auto flags =
        static_cast<uint8_t>((sent == 0 ? end_stream : 0) | (sent + part == length ? kFlagEndHeaders : 0));
    std::memcpy(
        AddFrame(to.out, part, sent == 0 ? FrameType::kHeaders : FrameType::kContinuation, flags, to.stream),
        block.data() + sent, part);
    sent += part;
  }
}

}  // namespace sideroute::http2
