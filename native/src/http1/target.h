// Request targets and authorities: the form of a target, its parts, and whether a Host is one (RFC 9112
// section 3.2).
//
// Stage before: http1/head, with the bytes of one request target. Stage after: routing reads path, query and
// authority.
#ifndef SIDEROUTE_HTTP1_TARGET_H_
#define SIDEROUTE_HTTP1_TARGET_H_

#include <string_view>

#include "http1/types.h"

namespace sideroute::http1 {

// Method names are case-sensitive.
[[nodiscard]] MethodId LookUpMethod(std::string_view method) noexcept;

// Splits `whole` (bytes already of class kTargetByte) for a method. False: no form that the method allows.
[[nodiscard]] bool ParseTarget(const char* data, Span whole, MethodId method, Target& target) noexcept;

// Whether the target of a CONNECT and the Host beside it name the same host and port, in the same words but
// for the case of letters: servers that check do not look at what an IPv6 address or a port with zeros in
// front means. A Host without a port stands for port 80 and for port 443: a client that tunnels leaves out
// the default of what it is going to speak, and nobody else knows what that is. Both are valid, `host` may be
// empty.
[[nodiscard]] bool SameAuthority(std::string_view target, std::string_view host) noexcept;

// uri-host with an optional port from 0 to 65535, not empty, without userinfo or comma.
[[nodiscard]] bool IsValidAuthority(std::string_view authority) noexcept;

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_TARGET_H_
