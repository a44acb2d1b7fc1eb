#include "http2/head_builder.h"

#include "http/grpc.h"
#include "http/scan.h"
#include "http1/framing.h"
#include "http1/target.h"

namespace sideroute::http2 {

namespace {

using http::Field;
using http::FieldId;
using http::MethodId;

constexpr std::string_view kNames[] = {"",
                                       "pseudo-header",
                                       "field-name",
                                       "field-value",
                                       "connection-field",
                                       "target",
                                       "host",
                                       "content-length",
                                       "status",
                                       "trailers",
                                       "target-too-long",
                                       "too-many-fields",
                                       "head-too-large"};

// Stands for the nonce of a WebSocket handshake, which an extended CONNECT does not have (RFC 8441 section
// 5.1).
constexpr std::string_view kWebSocketKey = "c2lkZXJvdXRlLWgyLXdzIQ==";

bool IsLowerToken(std::string_view name) {
  for (const char c : name) {
    if (!http::Is(c, http::kTchar) || (c >= 'A' && c <= 'Z')) return false;
  }
  return !name.empty();
}

bool IsToken(std::string_view text) {
  return !text.empty() &&
         http::SkipToken(text.data(), text.data() + text.size()) == text.data() + text.size();
}

bool IsValue(std::string_view value) {
  if (value.empty()) return true;
  if (http::IsBlank(value.front()) || http::IsBlank(value.back())) return false;
  return http::SkipValue(value.data(), value.data() + value.size()) == value.data() + value.size();
}

bool ParseLength(std::string_view text, uint64_t* length) {
  if (text.empty() || text.size() > 18) return false;
  *length = 0;
  for (const char c : text) {
    if (!http::Is(c, http::kDigitByte)) return false;
    *length = *length * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

}  // namespace

std::string_view NameOf(HeadFault fault) { return kNames[static_cast<size_t>(fault)]; }

void HeadBuilder::Start(Kind kind, const HeadLimits& limits) {
  kind_ = kind;
  limits_ = limits;
  fault_ = HeadFault::kNone;
  seen_ = 0;
  in_fields_ = expect_continue_ = connect_ = upgrade_ = has_key_ = late_grpc_ = false;
  for (std::string& each : pseudo_) each.clear();
  cookie_.clear();
  cookie_sensitive_ = false;
  bytes_.Restart();
  fields_.clear();
  facts_ = {};
}

void HeadBuilder::Add(std::string_view name, std::string_view value, bool sensitive) {
  if (fault_ != HeadFault::kNone) {
    if (name == "content-type") late_grpc_ = http::IsGrpcContentType(value);
    return;
  }
  if (size() + cookie_.size() + name.size() + value.size() + 4 > limits_.max_head_bytes)
    return Fail(HeadFault::kHeadTooLarge);
  if (name.starts_with(':')) return AddPseudo(name, value);
  if (!in_fields_) BeginFields();
  if (fault_ == HeadFault::kNone) AddField(name, value, sensitive);
}

void HeadBuilder::AddPseudo(std::string_view name, std::string_view value) {
  constexpr std::string_view kPseudoNames[kPseudoCount] = {":method", ":scheme",   ":authority",
                                                           ":path",   ":protocol", ":status"};
  if (in_fields_ || kind_ == Kind::kTrailers) return Fail(HeadFault::kPseudoHeader);
  for (uint8_t i = 0; i < kPseudoCount; ++i) {
    if (name != kPseudoNames[i]) continue;
    const bool of_response = i == kStatus;
    if (of_response != (kind_ == Kind::kResponse) || Has(static_cast<Pseudo>(i)))
      return Fail(HeadFault::kPseudoHeader);
    seen_ |= static_cast<uint8_t>(1u << i);
    pseudo_[i] = value;
    return;
  }
  Fail(HeadFault::kPseudoHeader);
}

void HeadBuilder::AddField(std::string_view name, std::string_view value, bool sensitive) {
  if (!IsLowerToken(name)) return Fail(HeadFault::kFieldName);
  if (!IsValue(value)) return Fail(HeadFault::kFieldValue);
  const FieldId id = http1::LookUpField(name);
  uint8_t flags = 0;
  if (id != FieldId::kOther) {
    if (kind_ == Kind::kTrailers) {
      // Fields that frame, route or manage a connection must not arrive after the body.
      flags = http::kFieldDrop;
    } else if (const HeadFault fault = CheckId(id, value, &flags); fault != HeadFault::kNone) {
      return Fail(fault);
    }
    facts_.seen |= static_cast<uint16_t>(1u << static_cast<unsigned>(id));
    if (id == FieldId::kHost && kind_ == Kind::kRequest && Has(kAuthority)) return;
  } else if (kind_ == Kind::kRequest) {
    if (name == "cookie") {
      if (!cookie_.empty()) cookie_ += "; ";
      cookie_ += value;
      cookie_sensitive_ = cookie_sensitive_ || sensitive;
      return;
    }
    if (upgrade_ && name == "sec-websocket-key") has_key_ = true;
  }
  if (sensitive) flags |= http::kFieldSensitive;
  AddLine(name, value, id, flags);
}

HeadFault HeadBuilder::CheckId(FieldId id, std::string_view value, uint8_t* flags) {
  switch (id) {
    case FieldId::kConnection:
    case FieldId::kKeepAlive:
    case FieldId::kProxyConnection:
    case FieldId::kTransferEncoding:
    case FieldId::kUpgrade:
      return HeadFault::kConnectionField;
    case FieldId::kTe:
      if (kind_ == Kind::kRequest && value != "trailers") return HeadFault::kConnectionField;
      facts_.te_trailers = true;
      *flags = http::kFieldDrop;
      return HeadFault::kNone;
    case FieldId::kHost:
      if (kind_ != Kind::kRequest) return HeadFault::kNone;
      if (!Has(kAuthority)) {
        if (facts_.Has(FieldId::kHost)) return HeadFault::kHost;
        if (!value.empty() && !http1::IsValidAuthority(value)) return HeadFault::kHost;
        facts_.host = {size() + 6, static_cast<uint32_t>(value.size())};
        return HeadFault::kNone;
      }
      // Host must equal :authority, because the next server may read either.
      return http::NamesEqual(value, pseudo_[kAuthority]) ? HeadFault::kNone : HeadFault::kHost;
    case FieldId::kContentLength: {
      uint64_t length;
      if (!ParseLength(value, &length)) return HeadFault::kContentLength;
      if (facts_.Has(id)) {
        if (kind_ == Kind::kRequest || length != facts_.content_length) return HeadFault::kContentLength;
        *flags = http::kFieldDrop;
      }
      facts_.content_length = length;
      return HeadFault::kNone;
    }
    case FieldId::kExpect:
      if (value.size() == 12 && http::TokenEquals(value, "100-continue")) expect_continue_ = true;
      return HeadFault::kNone;
    case FieldId::kHttp2Settings:
      *flags = http::kFieldDrop;
      return HeadFault::kNone;
    case FieldId::kTrailer:
    case FieldId::kOther:
      break;
  }
  return HeadFault::kNone;
}

void HeadBuilder::AddLine(std::string_view name, std::string_view value, FieldId id, uint8_t flags) {
  if (fields_.size() >= limits_.max_fields) return Fail(HeadFault::kTooManyFields);
  const uint32_t at = size();
  char* to = bytes_.Reserve(name.size() + value.size() + 4);
  std::memcpy(to, name.data(), name.size());
  to += name.size();
  *to++ = ':';
  *to++ = ' ';
  if (!value.empty()) std::memcpy(to, value.data(), value.size());
  to += value.size();
  *to++ = '\r';
  *to = '\n';
  bytes_.Commit(name.size() + value.size() + 4);
  fields_.push_back({at, at + static_cast<uint32_t>(name.size()) + 2, static_cast<uint32_t>(value.size()),
                     static_cast<uint16_t>(name.size()), id, flags});
}

// Called before the first field: all pseudo-headers have arrived.
void HeadBuilder::BeginFields() {
  in_fields_ = true;
  if (kind_ == Kind::kRequest) return BeginRequest();
  if (kind_ == Kind::kTrailers) return;
  const std::string& status = pseudo_[kStatus];
  if (status.size() != 3 || status[0] < '1' || status[0] > '9' || !http::Is(status[1], http::kDigitByte) ||
      !http::Is(status[2], http::kDigitByte)) {
    return Fail(HeadFault::kStatus);
  }
  response_.status =
      static_cast<uint16_t>((status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'));
  bytes_.Append("HTTP/1.1 ");
  bytes_.Append(status);
  bytes_.Append(" \r\n");
  response_.reason = {13, 0};
}

void HeadBuilder::BeginRequest() {
  const std::string &authority = pseudo_[kAuthority], &path = pseudo_[kPath];
  std::string_view method = pseudo_[kMethod];
  if (!IsToken(method)) return Fail(HeadFault::kPseudoHeader);
  connect_ = method == "CONNECT";
  upgrade_ = connect_ && Has(kProtocol);
  if (Has(kProtocol) && (!connect_ || !IsToken(pseudo_[kProtocol]))) return Fail(HeadFault::kPseudoHeader);
  // After a switch to h2c no request behind the first would be seen, as with Upgrade in HTTP/1.1.
  if (upgrade_ && http::NamesEqual(pseudo_[kProtocol], "h2c")) return Fail(HeadFault::kPseudoHeader);
  const bool tunnel = connect_ && !upgrade_;
  // RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4.
  if (tunnel ? Has(kPath) || Has(kScheme) || authority.empty()
             : !Has(kPath) || path.empty() || pseudo_[kScheme].empty()) {
    return Fail(HeadFault::kPseudoHeader);
  }
  if (Has(kAuthority) && (authority.empty() || !http1::IsValidAuthority(authority)))
    return Fail(HeadFault::kHost);
  if (upgrade_) method = "GET";
  const std::string& target = tunnel ? authority : path;
  if (method.size() + target.size() + sizeof("  HTTP/1.1") - 1 > limits_.max_request_line)
    return Fail(HeadFault::kTargetTooLong);
  if (!tunnel && path[0] != '/' && path != "*") return Fail(HeadFault::kTarget);
  if (http::SkipTarget(target.data(), target.data() + target.size()) != target.data() + target.size())
    return Fail(HeadFault::kTarget);
  bytes_.Append(method);
  bytes_.Append(" ");
  const uint32_t at = size();
  bytes_.Append(target);
  bytes_.Append(" HTTP/1.1\r\n");
  request_.method = {0, static_cast<uint32_t>(method.size())};
  request_.method_id = http1::LookUpMethod(method);
  request_.target = {};
  request_.target.whole = {at, static_cast<uint32_t>(target.size())};
  if (!http1::ParseTarget(bytes_.data(), request_.target.whole, request_.method_id, request_.target))
    return Fail(HeadFault::kTarget);
  if (!Has(kAuthority)) return;
  facts_.host = {size() + 6, static_cast<uint32_t>(authority.size())};
  facts_.seen |= static_cast<uint16_t>(1u << static_cast<unsigned>(FieldId::kHost));
  AddLine("host", authority, FieldId::kHost, 0);
}

void HeadBuilder::Finish(http::MessageHead& head) {
  bytes_.Append("\r\n");
  head.data = bytes_.data();
  head.length = size();
  head.minor_version = 1;
  head.fields = fields_;
  head.facts = facts_;
  head.content_length = 0;
}

bool HeadBuilder::is_call() const {
  if (kind_ != Kind::kRequest || method() != "POST") return false;
  return late_grpc_ || http::ReadCall(MethodId::kPost, bytes_.data(), fields_).is_call;
}

HeadFault HeadBuilder::FinishRequest(bool ended) {
  if (fault_ == HeadFault::kNone && !in_fields_) BeginFields();
  if (fault_ != HeadFault::kNone) return fault_;
  // The request must name its authority, as in HTTP/1.1.
  if (!facts_.Has(FieldId::kHost)) return HeadFault::kHost;
  if (!cookie_.empty())
    AddLine("cookie", cookie_, FieldId::kOther, cookie_sensitive_ ? http::kFieldSensitive : uint8_t{0});
  const bool has_length = facts_.Has(FieldId::kContentLength);
  http::BodyKind body = http::BodyKind::kNone;
  if (has_length) {
    if (ended && facts_.content_length > 0) return HeadFault::kContentLength;
    body = http::BodyKind::kLength;
  } else if (!ended && !connect_) {
    body = http::BodyKind::kChunked;
    facts_.chunked = true;
    facts_.seen |= static_cast<uint16_t>(1u << static_cast<unsigned>(FieldId::kTransferEncoding));
    AddLine("transfer-encoding", "chunked", FieldId::kTransferEncoding, http::kFieldDrop);
  }
  if (connect_ && has_length) return HeadFault::kContentLength;
  if (upgrade_) {
    if (!has_key_ && pseudo_[kProtocol] == "websocket")
      AddLine("sec-websocket-key", kWebSocketKey, FieldId::kOther, 0);
    facts_.connection_upgrade = true;
    AddLine("connection", "Upgrade", FieldId::kConnection, http::kFieldDrop);
    AddLine("upgrade", pseudo_[kProtocol], FieldId::kUpgrade, http::kFieldDrop);
  }
  if (fault_ != HeadFault::kNone) return fault_;
  Finish(request_);
  request_.body = body;
  if (body == http::BodyKind::kLength) request_.content_length = facts_.content_length;
  request_.upgrade = upgrade_;
  request_.expect_continue = expect_continue_ && request_.has_body();
  return HeadFault::kNone;
}

HeadFault HeadBuilder::FinishResponse(bool ended, const Asked& asked) {
  if (fault_ == HeadFault::kNone && !in_fields_) BeginFields();
  if (fault_ != HeadFault::kNone) return fault_;
  const uint16_t status = response_.status;
  const bool has_length = facts_.Has(FieldId::kContentLength);
  // HTTP/2 has no 101, and an interim response does not end the stream (RFC 9113 sections 8.1 and 8.6).
  if (status == 101 || (status < 200 && ended)) return HeadFault::kStatus;
  response_.body = http::BodyKind::kNone;
  const bool success = status >= 200 && status < 300;
  const bool switched = success && (asked.method == MethodId::kConnect || !asked.protocol.empty());
  if (switched || status < 200 || status == 204) {
    for (Field& field : fields_) {
      if (field.id == FieldId::kContentLength) field.flags |= http::kFieldDrop;
    }
  } else if (asked.method != MethodId::kHead && status != 304) {
    if (has_length) {
      if (ended && facts_.content_length > 0) return HeadFault::kContentLength;
      response_.body = http::BodyKind::kLength;
    } else {
      // If the stream ends with the head, the body is empty, which an HTTP/1.1 caller has to be told.
      response_.body = ended ? http::BodyKind::kLength : http::BodyKind::kChunked;
    }
  }
  if (switched) {
    response_.body = http::BodyKind::kSwitched;
    if (!asked.protocol.empty()) {
      response_.status = 101;
      std::memcpy(bytes_.data() + sizeof("HTTP/1.1 ") - 1, "101", 3);
      facts_.connection_upgrade = true;
      AddLine("connection", "Upgrade", FieldId::kConnection, http::kFieldDrop);
      AddLine("upgrade", asked.protocol, FieldId::kUpgrade, http::kFieldDrop);
      if (!asked.accept.empty()) AddLine("sec-websocket-accept", asked.accept, FieldId::kOther, 0);
    }
  }
  if (fault_ != HeadFault::kNone) return fault_;
  Finish(response_);
  if (response_.body == http::BodyKind::kLength) response_.content_length = facts_.content_length;
  return HeadFault::kNone;
}

HeadFault HeadBuilder::FinishTrailers() { return fault_; }

}  // namespace sideroute::http2
