// Request targets and authorities: the form of a target, its parts, and whether a Host is valid (RFC 9112
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

// Splits `whole`, whose bytes must all be of class kTargetByte. Returns false if its form is not allowed for
// the method.
[[nodiscard]] bool ParseTarget(const char* data, Span whole, MethodId method, Target& target) noexcept;

// Whether the target of a CONNECT and its Host name the same host and port. The text is compared, ignoring
// case: servers that check this do not normalise IPv6 addresses or ports with leading zeros. A Host without a
// port matches port 80 and port 443, because a client leaves out the default port of the protocol in the
// tunnel, which is not known here. Both must be valid; `host` may be empty.
[[nodiscard]] bool SameAuthority(std::string_view target, std::string_view host) noexcept;

// A non-empty uri-host with an optional port from 0 to 65535, without userinfo or comma.
[[nodiscard]] bool IsValidAuthority(std::string_view authority) noexcept;

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_TARGET_H_
