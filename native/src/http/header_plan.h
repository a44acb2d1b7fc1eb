// The edits a rule makes to a head: compiled once, referred to by an integer, applied while the head is
// copied.
//
// Stage before: TypeScript, which compiles plans with its route tables. Stage after: http1/head_writer.
#ifndef SIDEROUTE_HTTP_HEADER_PLAN_H_
#define SIDEROUTE_HTTP_HEADER_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sideroute {

struct HeaderEdit {
  // Gateway API semantics: set replaces all fields of that name, add appends one, remove deletes them all.
  enum class Kind : uint8_t { kSet, kAdd, kRemove };
  Kind kind;
  // In lower case.
  std::string name;
  // `Name: value CRLF`, empty for kRemove.
  std::string line;
};

// Edits of one head.
class HeaderEdits {
 public:
  void Add(HeaderEdit edit);
  bool empty() const { return edits_.empty(); }

  // Whether a field of that name is left out when the head is copied.
  bool Removes(std::string_view name) const;
  // Whether a field of that name may be different afterwards.
  bool Touches(std::string_view name) const;
  // All lines to append, as one string.
  const std::string& appended() const { return appended_; }

 private:
  std::vector<HeaderEdit> edits_;
  // One bit per length of a removed name; lengths from 63 share the last bit.
  uint64_t lengths_ = 0;
  std::string appended_;
};

struct HeaderPlan {
  enum class PathKind : uint8_t { kKeep, kReplaceFull, kReplacePrefix };

  HeaderEdits request;
  HeaderEdits response;
  // Empty: the Host stays.
  std::string host;
  PathKind path_kind = PathKind::kKeep;
  // For kReplacePrefix: bytes of the path that the prefix match covers.
  uint32_t prefix_length = 0;
  std::string path;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_HEADER_PLAN_H_
