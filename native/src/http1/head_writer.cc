#include "http1/head_writer.h"

#include <array>
#include <charconv>
#include <cstring>

#include "http/forwarded_path.h"
#include "http/scan.h"

namespace sideroute {

namespace {

using http::Field;
using http::FieldId;

// Appends to memory that was reserved beforehand, without further checks.
class Output {
 public:
  Output(ByteBuffer& buffer, size_t room) : buffer_(buffer), begin_(buffer.Reserve(room)), at_(begin_) {}
  ~Output() { buffer_.Commit(static_cast<size_t>(at_ - begin_)); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Put(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }

 private:
  ByteBuffer& buffer_;
  char* const begin_;
  char* at_;
};

// Upper bound for the bytes that the writers add themselves.
constexpr size_t kExtraBytes = 256;

enum class Treatment : uint8_t { kCopy, kDrop, kReplace };

// Copies fields in runs. `treat` calls `flush` for a field that is not copied, and writes its replacement, if
// any.
template <typename Treat>
void CopyFields(const http::MessageHead& head, Output& output, Treat treat) {
  const char* const data = head.data;
  const auto fields = head.fields;
  if (fields.empty()) return;
  const uint32_t end = head.length - 2;
  uint32_t run = fields[0].name_offset;
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    const uint32_t next = i + 1 < fields.size() ? fields[i + 1].name_offset : end;
    const auto flush = [&] {
      output.Put({data + run, field.name_offset - run});
      run = next;
    };
    treat(field, flush);
  }
  output.Put({data + run, end - run});
}

void PutLine(std::string_view name, std::string_view value, Output& output) {
  output.Put(name);
  output.Put(": ");
  output.Put(value);
  output.Put("\r\n");
}

// Writes a line that must not be copied as received (kFieldAnew).
void PutAnew(const http::MessageHead& head, const Field& field, Output& output) {
  const char* const data = head.data;
  std::array<char, 20> digits;
  std::string_view value = field.Value(data);
  if (field.id == FieldId::kTransferEncoding) {
    value = "chunked";
  } else if (field.id == FieldId::kContentLength) {
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), head.facts.content_length).ptr;
    value = {digits.data(), static_cast<size_t>(end - digits.data())};
  }
  PutLine(field.Name(data), value, output);
}

uint32_t FieldsBegin(const http::MessageHead& head) {
  return head.fields.empty() ? head.length - 2 : head.fields[0].name_offset;
}

}  // namespace

// Hot path.
void WriteRequestHead(const http::RequestHead& head, const HeaderPlan* plan, ByteBuffer& out,
                      RequestCopy copy) {
  const char* const data = head.data;
  size_t room = head.length + kExtraBytes;
  if (plan != nullptr) room += plan->request.appended().size() + plan->host.size() + plan->path.size();
  Output output(out, room);

  const bool absolute = head.target.form == http::TargetForm::kAbsolute;
  std::string_view host;
  if (absolute) host = head.target.authority.In(data);
  // Not for CONNECT: its Host is its target, which names the end of the tunnel.
  if (plan != nullptr && !plan->host.empty() && head.target.form != http::TargetForm::kAuthority)
    host = plan->host;
  const bool has_host = head.facts.Has(FieldId::kHost);
  const bool speak_11 = head.minor_version == 1 || has_host || !host.empty();
  const bool rewrite_path = plan != nullptr && plan->path_kind != HeaderPlan::PathKind::kKeep &&
                            (absolute || head.target.form == http::TargetForm::kOrigin);
  const uint32_t fields_begin = FieldsBegin(head);
  if (!absolute && !rewrite_path && speak_11 == (head.minor_version == 1)) {
    output.Put({data + head.start, fields_begin - head.start});
  } else {
    output.Put(head.method.In(data));
    output.Put(" ");
    if (absolute || rewrite_path) {
      http::PutForwardedPath(head, plan, [&output](std::string_view part) { output.Put(part); });
    } else {
      output.Put(head.target.whole.In(data));
    }
    output.Put(speak_11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  }
  if (!host.empty() && !has_host) PutLine("Host", host, output);

  bool connection_written = false;
  CopyFields(head, output, [&](const Field& field, auto flush) {
    if (field.id == FieldId::kOther) {
      if (!field.drop() && (plan == nullptr || !plan->request.Removes(field.Name(data)))) return;
      flush();
      return;
    }
    switch (field.id) {
      case FieldId::kHost:
        if (host.empty()) return;
        flush();
        PutLine(field.Name(data), host, output);
        return;
      case FieldId::kContentLength:
      case FieldId::kTransferEncoding:
        // The parser leaves one line of one of the two fields; with Transfer-Encoding the body is sent in
        // chunks. Routes cannot edit them.
        if (!field.anew()) return;
        flush();
        PutAnew(head, field, output);
        return;
      case FieldId::kUpgrade:
        if (!head.upgrade) flush();
        return;
      case FieldId::kConnection:
        flush();
        if (!head.upgrade || connection_written) return;
        connection_written = true;
        PutLine(field.Name(data), "Upgrade", output);
        return;
      case FieldId::kExpect:
        // HTTP/1.0 has no interim response to wait for.
        if (field.drop() || head.minor_version == 0 || copy == RequestCopy::kMirror) flush();
        return;
      default:
        if (field.drop() || (plan != nullptr && plan->request.Removes(field.Name(data)))) flush();
        return;
    }
  });
  if (plan != nullptr) output.Put(plan->request.appended());
  output.Put("\r\n");
}

// Hot path.
void WriteResponseHead(const http::ResponseHead& head, const ResponseHeadOptions& options, ByteBuffer& out) {
  const char* const data = head.data;
  const HeaderPlan* plan = options.plan;
  size_t room = head.length + kExtraBytes + options.fields.size();
  if (plan != nullptr) room += plan->response.appended().size();
  Output output(out, room);

  // The space after the status code is required, even if the backend left it out (RFC 9112 section 4).
  constexpr size_t kVersionBytes = sizeof("HTTP/1.1") - 1;
  constexpr size_t kStatusBytes = sizeof("HTTP/1.1 200") - 1;
  output.Put("HTTP/1.1");
  if (head.reason.offset == kStatusBytes) {
    output.Put({data + kVersionBytes, kStatusBytes - kVersionBytes});
    output.Put(" \r\n");
  } else {
    output.Put({data + kVersionBytes, FieldsBegin(head) - kVersionBytes});
  }

  // In a response without a body, Transfer-Encoding tells what GET would get; it is dropped for a status that
  // never has a body.
  const bool bodiless = head.status < 200 || head.status == 204 || head.status == 304;
  const bool keep_coding = options.framing == OutFraming::kChunked ||
                           (head.body == http::BodyKind::kNone && !bodiless && !options.downstream_http10);
  const bool keep_upgrade = head.status == 101 || head.status == 426;
  bool connection_written = false;
  CopyFields(head, output, [&](const Field& field, auto flush) {
    switch (field.id) {
      case FieldId::kTransferEncoding:
        if (keep_coding && !field.anew()) return;
        flush();
        if (keep_coding) PutAnew(head, field, output);
        return;
      case FieldId::kContentLength:
        if (options.framed_elsewhere && head.body == http::BodyKind::kLength) return flush();
        if (!field.drop() && !field.anew()) return;
        flush();
        if (!field.drop()) PutAnew(head, field, output);
        return;
      case FieldId::kUpgrade:
        if (keep_upgrade && !field.anew()) return;
        flush();
        if (keep_upgrade) PutAnew(head, field, output);
        return;
      case FieldId::kConnection:
        flush();
        if (!keep_upgrade || connection_written || !head.facts.connection_upgrade) return;
        connection_written = true;
        PutLine(field.Name(data), "Upgrade", output);
        return;
      default:
        if (field.drop() || (plan != nullptr && plan->response.Removes(field.Name(data)))) return flush();
        if (options.framed_elsewhere &&
            (field.id == FieldId::kTrailer || http::NamesEqual(field.Name(data), "date"))) {
          return flush();
        }
        if (!field.anew()) return;
        flush();
        PutAnew(head, field, output);
        return;
    }
  });
  if (options.framing == OutFraming::kChunked && !head.facts.chunked)
    output.Put("Transfer-Encoding: chunked\r\n");
  // An HTTP/2 response may end with its head and have no Content-Length. Without that field the HTTP/1.1 body
  // would last until the connection closes (RFC 9112 section 6.3).
  const bool says_length = head.facts.Has(FieldId::kContentLength) || options.framed_elsewhere;
  if (head.body == http::BodyKind::kLength && !says_length) output.Put("Content-Length: 0\r\n");
  if (options.connection == ConnectionField::kClose) {
    output.Put("Connection: close\r\n");
  } else if (options.connection == ConnectionField::kKeepAlive) {
    output.Put("Connection: keep-alive\r\n");
  }
  if (plan != nullptr) output.Put(plan->response.appended());
  output.Put(options.fields);
  output.Put("\r\n");
}

void WriteReply(const LocalReply& reply, std::string_view fields, std::string_view date,
                ConnectionField connection, bool with_body, ByteBuffer& out) {
  // A 204 has neither a length nor a body (RFC 9110 section 8.6).
  const bool bodyless = reply.status == 204;
  out.Append(reply.head);
  out.Append(fields);
  out.Append(date);
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

}  // namespace sideroute
