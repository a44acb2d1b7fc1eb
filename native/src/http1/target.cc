#include "http1/target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "http/scan.h"

namespace sideroute::http1 {
namespace {

enum class Port : uint8_t { kInvalid, kAbsent, kEmpty, kZero, kPresent };

// Classifies the text after the host: nothing, or `:` and digits.
Port ClassifyPort(std::string_view text) noexcept {
  if (text.empty()) return Port::kAbsent;
  if (text.front() != ':') return Port::kInvalid;
  text.remove_prefix(1);
  if (text.empty()) return Port::kEmpty;
  uint32_t port = 0;
  for (const char c : text) {
    if (!Is(c, kDigitByte)) return Port::kInvalid;
    port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65535) return Port::kInvalid;
  }
  return port == 0 ? Port::kZero : Port::kPresent;
}

// Length of `[` IPv6address `]`, or 0. IPvFuture and zone identifiers are not accepted: no client sends them
// and no resolver resolves them.
size_t BracketedLength(std::string_view text) noexcept {
  const size_t close = text.find(']');
  char address[INET6_ADDRSTRLEN];
  if (close == std::string_view::npos || close - 1 >= sizeof address) return 0;
  std::memcpy(address, text.data() + 1, close - 1);
  address[close - 1] = '\0';
  // A NUL inside the brackets would end the string for inet_pton.
  if (std::memchr(address, '\0', close - 1) != nullptr) return 0;
  in6_addr parsed;
  return inet_pton(AF_INET6, address, &parsed) == 1 ? close + 1 : 0;
}

// Length of a non-empty reg-name (an IPv4address is one too), or 0.
size_t RegNameLength(std::string_view text) noexcept {
  const char* const plain = SkipPlain(text.data(), text.data() + text.size());
  size_t i = static_cast<size_t>(plain - text.data());
  while (i < text.size()) {
    if (Is(text[i], kRegNameByte)) {
      ++i;
    } else if (text[i] == '%' && i + 2 < text.size() && Is(text[i + 1], kHexByte) &&
               Is(text[i + 2], kHexByte)) {
      i += 3;
    } else {
      break;
    }
  }
  return i;
}

Port ClassifyAuthority(std::string_view authority) noexcept {
  if (authority.empty()) return Port::kInvalid;
  const size_t host = authority.front() == '[' ? BracketedLength(authority) : RegNameLength(authority);
  return host == 0 ? Port::kInvalid : ClassifyPort(authority.substr(host));
}

// Splits `rest`, which begins at offset `at` of the head, into path and query.
void SplitQuery(std::string_view rest, size_t at, Target& target) noexcept {
  const size_t mark = rest.find('?');
  const size_t path = mark == std::string_view::npos ? rest.size() : mark;
  target.path = {static_cast<uint32_t>(at), static_cast<uint32_t>(path)};
  if (mark != std::string_view::npos) {
    target.has_query = true;
    target.query = {static_cast<uint32_t>(at + mark + 1), static_cast<uint32_t>(rest.size() - mark - 1)};
  }
}

bool ParseAbsolute(std::string_view text, size_t at, Target& target) noexcept {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view scheme = text.substr(0, colon);
  // Targets with other schemes have no Service behind them.
  if (!TokenEquals(scheme, "http") && !TokenEquals(scheme, "https")) return false;
  if (text.substr(colon, 3) != "://") return false;
  const size_t begin = colon + 3;
  const size_t end = std::min(text.find_first_of("/?", begin), text.size());
  // Userinfo and an empty host are refused by IsValidAuthority (RFC 9110 sections 4.2.1 and 4.2.4).
  if (!IsValidAuthority(text.substr(begin, end - begin))) return false;
  target.form = TargetForm::kAbsolute;
  target.authority = {static_cast<uint32_t>(at + begin), static_cast<uint32_t>(end - begin)};
  SplitQuery(text.substr(end), at + end, target);
  return true;
}

}  // namespace

MethodId LookUpMethod(std::string_view method) noexcept {
  switch (method.size()) {
    case 3:
      if (method == "GET") return MethodId::kGet;
      if (method == "PUT") return MethodId::kPut;
      break;
    case 4:
      if (method == "POST") return MethodId::kPost;
      if (method == "HEAD") return MethodId::kHead;
      break;
    case 5:
      if (method == "PATCH") return MethodId::kPatch;
      if (method == "TRACE") return MethodId::kTrace;
      break;
    case 6:
      if (method == "DELETE") return MethodId::kDelete;
      break;
    case 7:
      if (method == "OPTIONS") return MethodId::kOptions;
      if (method == "CONNECT") return MethodId::kConnect;
      break;
    default:
      break;
  }
  return MethodId::kOther;
}

bool ParseTarget(const char* data, Span whole, MethodId method, Target& target) noexcept {
  const std::string_view text = whole.In(data);
  target = Target{};
  target.whole = whole;
  if (method == MethodId::kConnect) {
    // RFC 9110 section 9.3.6: an empty or invalid port is refused.
    if (ClassifyAuthority(text) != Port::kPresent) return false;
    target.form = TargetForm::kAuthority;
    target.authority = whole;
    return true;
  }
  if (text.front() == '/') {
    target.form = TargetForm::kOrigin;
    SplitQuery(text, whole.offset, target);
    return true;
  }
  if (text == "*") {
    target.form = TargetForm::kAsterisk;
    return method == MethodId::kOptions;
  }
  return ParseAbsolute(text, whole.offset, target);
}

bool IsValidAuthority(std::string_view authority) noexcept {
  return ClassifyAuthority(authority) != Port::kInvalid;
}

bool SameAuthority(std::string_view target, std::string_view host) noexcept {
  // Split at the last colon: those of an IPv6 address come before its closing bracket.
  const auto split = [](std::string_view text) {
    const size_t colon = text.rfind(':');
    return colon == std::string_view::npos || text.ends_with(']') ? text.size() : colon;
  };
  const size_t target_end = split(target);
  const size_t host_end = split(host);
  const std::string_view target_port = target.substr(target_end);
  const std::string_view host_port = host.substr(host_end);
  const bool same_port =
      host_port.size() <= 1 ? target_port == ":80" || target_port == ":443" : host_port == target_port;
  return same_port && NamesEqual(host.substr(0, host_end), target.substr(0, target_end));
}

}  // namespace sideroute::http1
