#include "http1/framing.h"

#include <limits>

#include "http/scan.h"
#include "http1/target.h"

namespace sideroute::http1 {
namespace {

// A head with more connection options that name fields is refused, because marking costs options times
// fields.
constexpr uint16_t kMaxNamedFields = 32;

std::string_view Trim(std::string_view text) noexcept {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool IsToken(std::string_view text) noexcept {
  return !text.empty() && SkipToken(text.data(), text.data() + text.size()) == text.data() + text.size();
}

// Removing one of these fields would change the meaning of the message.
bool IsEssential(FieldId id) noexcept {
  return id == FieldId::kContentLength || id == FieldId::kHost || id == FieldId::kTransferEncoding;
}

// Calls `visit` with each trimmed element of a comma-separated list, empty ones included, until it returns an
// error.
template <typename Visit>
Error ForEachElement(std::string_view list, Visit visit) noexcept {
  for (;;) {
    const size_t comma = list.find(',');
    const Error error = visit(Trim(list.substr(0, comma)));
    if (error != Error::kNone || comma == std::string_view::npos) return error;
    list.remove_prefix(comma + 1);
  }
}

// Whether the line is exactly `Name: value`: servers differ in what they accept as whitespace around a value.
// The byte after a value is the CR of its line, unless whitespace was trimmed.
bool IsPlainLine(const char* data, const Field& field) noexcept {
  return field.value_offset == field.name_offset + field.name_length + 2 &&
         data[field.value_offset - 1] == ' ' && data[field.value_offset + field.value_length] == '\r';
}

// Digits only, below 2^63.
bool ParseLength(std::string_view text, uint64_t* length) noexcept {
  if (text.empty()) return false;
  *length = 0;
  for (const char c : text) {
    if (!Is(c, kDigitByte)) return false;
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    if (*length > (kMax - digit) / 10) return false;
    *length = *length * 10 + digit;
  }
  return true;
}

// Accepts one length. A response may repeat the same length, in several lines or in a list (RFC 9110 section
// 8.6); the first line is forwarded.
Error NoteContentLength(SectionKind kind, const char* data, Field& field, FramingFacts& facts) noexcept {
  std::string_view value = field.Value(data);
  const bool shortest = value.size() == 1 || !value.starts_with('0');
  if (!shortest || !IsPlainLine(data, field)) field.flags |= kFieldAnew;
  bool first = !facts.Has(FieldId::kContentLength);
  if (!first) field.flags |= kFieldDrop;
  for (;;) {
    const size_t comma = kind == SectionKind::kRequest ? std::string_view::npos : value.find(',');
    uint64_t length;
    if (!ParseLength(Trim(value.substr(0, comma)), &length)) return Error::kContentLengthInvalid;
    if (!first && (kind == SectionKind::kRequest || length != facts.content_length))
      return Error::kContentLengthRepeated;
    facts.content_length = length;
    if (comma == std::string_view::npos) return Error::kNone;
    value.remove_prefix(comma + 1);
    field.flags |= kFieldAnew;
    first = false;
  }
}

// Accepts plain tokens, with `chunked` last and once. Empty elements and parameters are refused, because
// parsers read them differently and request smuggling uses that.
Error NoteTransferEncoding(std::string_view value, FramingFacts& facts) noexcept {
  return ForEachElement(value, [&facts](std::string_view coding) {
    if (!IsToken(coding) || facts.chunked) return Error::kTransferEncodingInvalid;
    if (TokenEquals(coding, "chunked")) {
      facts.chunked = true;
    } else {
      facts.other_coding = true;
    }
    return Error::kNone;
  });
}

// Returns the error for a request; for a response keeps it in `place` until the status shows whether it
// counts.
Error Postponed(SectionKind kind, Error error, Error& place) noexcept {
  if (kind == SectionKind::kRequest || error == Error::kNone) return error;
  place = error;
  return Error::kNone;
}

// Empty elements are legal here (RFC 9110 section 5.6.1.2). A request that names its framing fields or its
// Host is refused: without them it would be a different request for the next server. In a response such an
// option is ignored, because no recipient may act on it (RFC 9110 section 7.6.1).
Error NoteConnection(SectionKind kind, std::string_view value, FramingFacts& facts) noexcept {
  if (TokenEquals(value, "keep-alive")) {  // The usual case.
    facts.connection_keep_alive = true;
    return Error::kNone;
  }
  return ForEachElement(value, [kind, &facts](std::string_view option) {
    if (option.empty()) return Error::kNone;
    if (!IsToken(option)) return Error::kConnectionInvalid;
    if (TokenEquals(option, "close")) {
      facts.connection_close = true;
    } else if (TokenEquals(option, "keep-alive")) {
      facts.connection_keep_alive = true;
    } else if (TokenEquals(option, "upgrade")) {
      facts.connection_upgrade = true;
    } else {
      const FieldId named = LookUpField(option);
      if (IsEssential(named))
        return kind == SectionKind::kRequest ? Error::kConnectionNamesFraming : Error::kNone;
      // The other known fields are dropped whether or not they are named.
      const bool droppable =
          named == FieldId::kOther || named == FieldId::kTrailer || named == FieldId::kExpect;
      if (droppable && ++facts.named_fields > kMaxNamedFields) return Error::kTooManyFields;
    }
    return Error::kNone;
  });
}

void NoteUpgrade(std::string_view value, FramingFacts& facts) noexcept {
  (void)ForEachElement(value, [&facts](std::string_view protocol) {
    if (TokenEquals(protocol, "h2c")) {
      facts.upgrade_h2c = true;
    } else if (!protocol.empty()) {
      facts.upgrade_protocol = true;
    }
    return Error::kNone;
  });
}

void NoteTe(std::string_view value, FramingFacts& facts) noexcept {
  (void)ForEachElement(value, [&facts](std::string_view coding) {
    if (TokenEquals(coding, "trailers")) facts.te_trailers = true;
    return Error::kNone;
  });
}

}  // namespace

FieldId LookUpField(std::string_view name) noexcept {
  switch (name.size()) {
    case 2:
      if (TokenEquals(name, "te")) return FieldId::kTe;
      break;
    case 4:
      if (TokenEquals(name, "host")) return FieldId::kHost;
      break;
    case 6:
      if (TokenEquals(name, "expect")) return FieldId::kExpect;
      break;
    case 7:
      if (TokenEquals(name, "upgrade")) return FieldId::kUpgrade;
      if (TokenEquals(name, "trailer")) return FieldId::kTrailer;
      break;
    case 10:
      if (TokenEquals(name, "connection")) return FieldId::kConnection;
      if (TokenEquals(name, "keep-alive")) return FieldId::kKeepAlive;
      break;
    case 14:
      if (TokenEquals(name, "content-length")) return FieldId::kContentLength;
      if (TokenEquals(name, "http2-settings")) return FieldId::kHttp2Settings;
      break;
    case 16:
      if (TokenEquals(name, "proxy-connection")) return FieldId::kProxyConnection;
      break;
    case 17:
      if (TokenEquals(name, "transfer-encoding")) return FieldId::kTransferEncoding;
      break;
    default:
      break;
  }
  return FieldId::kOther;
}

Error NoteField(SectionKind kind, const char* data, Field& field, FramingFacts& facts) noexcept {
  if (IsTrailer(kind)) {
    // Fields that frame, route or manage a connection must not arrive after the body (RFC 9110 section
    // 6.5.1).
    field.flags |= kFieldDrop;
    return Error::kNone;
  }
  const std::string_view value = field.Value(data);
  Error error = Error::kNone;
  switch (field.id) {
    case FieldId::kHost:
      if (kind == SectionKind::kRequest) {
        // An empty Host is legal and takes the default route.
        if (facts.Has(FieldId::kHost)) return Error::kHostRepeated;
        if (!value.empty() && !IsValidAuthority(value)) return Error::kHostInvalid;
        facts.host = {field.value_offset, field.value_length};
      }
      break;
    case FieldId::kContentLength:
      error = Postponed(kind, NoteContentLength(kind, data, field, facts), facts.length_error);
      break;
    case FieldId::kTransferEncoding:
      field.flags |= kFieldDrop;
      if (value != "chunked" || !IsPlainLine(data, field)) field.flags |= kFieldAnew;
      error = Postponed(kind, NoteTransferEncoding(value, facts), facts.coding_error);
      break;
    case FieldId::kConnection:
      field.flags |= kFieldDrop;
      error = NoteConnection(kind, value, facts);
      break;
    case FieldId::kTe:
      field.flags |= kFieldDrop;
      NoteTe(value, facts);
      break;
    case FieldId::kUpgrade:
      field.flags |= kFieldDrop;
      NoteUpgrade(value, facts);
      break;
    case FieldId::kKeepAlive:
    case FieldId::kProxyConnection:
    case FieldId::kHttp2Settings:
      field.flags |= kFieldDrop;
      break;
    case FieldId::kExpect:
      facts.expect_continue = facts.expect_continue || TokenEquals(value, "100-continue");
      break;
    case FieldId::kTrailer:
    case FieldId::kOther:
      break;
  }
  facts.seen |= static_cast<uint16_t>(1u << static_cast<unsigned>(field.id));
  return error;
}

void DropNamedFields(const char* data, std::span<Field> fields, FramingFacts& facts) noexcept {
  for (const Field& connection : fields) {
    if (connection.id != FieldId::kConnection) continue;
    (void)ForEachElement(connection.Value(data), [&](std::string_view option) {
      for (Field& field : fields) {
        if (IsEssential(field.id) || !NamesEqual(field.Name(data), option)) continue;
        field.flags |= kFieldDrop;
        // The upstream will not see the Expect, so the exchange must not wait for a 100.
        if (field.id == FieldId::kExpect) facts.expect_continue = false;
      }
      return Error::kNone;
    });
  }
}

}  // namespace sideroute::http1
