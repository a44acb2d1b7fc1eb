// The path and query to forward: as received, or rewritten by a rule.
//
// Stage before: http/head and a header plan. Stage after: the writers of heads.
#ifndef SIDEROUTE_HTTP_FORWARDED_PATH_H_
#define SIDEROUTE_HTTP_FORWARDED_PATH_H_

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "http/head.h"
#include "http/header_plan.h"

namespace sideroute::http {

// Hot path. Calls `put` with one part after another. `plan` may be null.
template <typename Put>
void PutForwardedPath(const RequestHead& head, const HeaderPlan* plan, Put put) {
  const char* const data = head.data;
  const Target& target = head.target;
  std::string_view path = target.path.In(data);
  if (plan == nullptr || plan->path_kind == HeaderPlan::PathKind::kKeep) {
    if (path.empty()) {
      // RFC 9112 section 3.2.4: OPTIONS with an absolute-form target without path concerns the whole server.
      path = head.method_id == MethodId::kOptions && !target.has_query ? "*" : "/";
    } else if (path.front() != '/') {
      put("/");
    }
    put(path);
  } else if (plan->path_kind == HeaderPlan::PathKind::kReplaceFull) {
    put(plan->path);
  } else {
    std::string_view rest = path.substr(std::min<size_t>(plan->prefix_length, path.size()));
    std::string_view prefix = plan->path;
    if (!prefix.empty() && prefix.back() == '/' && !rest.empty() && rest.front() == '/')
      prefix.remove_suffix(1);
    put(prefix);
    if (!rest.empty() && rest.front() != '/' && (prefix.empty() || prefix.back() != '/')) put("/");
    if (prefix.empty() && rest.empty()) put("/");
    put(rest);
  }
  if (target.has_query) {
    put("?");
    put(target.query.In(data));
  }
}

}  // namespace sideroute::http

#endif  // SIDEROUTE_HTTP_FORWARDED_PATH_H_
