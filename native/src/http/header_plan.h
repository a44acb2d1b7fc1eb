// What a rule changes about a head: compiled once, named by an integer, applied while the head is copied.
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
  // Gateway API semantics: set replaces every field of that name, add appends one, remove takes all away.
  enum class Kind : uint8_t { kSet, kAdd, kRemove };
  Kind kind;
  // Lower case.
  std::string name;
  // `Name: value CRLF`, empty for kRemove.
  std::string line;
};

// Edits of one head.
class HeaderEdits {
 public:
  void Add(HeaderEdit edit);
  bool empty() const { return edits_.empty(); }

  // The field of that name is not copied.
  bool Removes(std::string_view name) const;
  // The field of that name is another one afterwards, or may be.
  bool Touches(std::string_view name) const;
  // The lines to append, all in one.
  const std::string& appended() const { return appended_; }

 private:
  std::vector<HeaderEdit> edits_;
  // Bit per length of a name that some edit removes; lengths from 63 share the last bit.
  uint64_t lengths_ = 0;
  std::string appended_;
};

struct HeaderPlan {
  enum class PathKind : uint8_t { kKeep, kReplaceFull, kReplacePrefix };

  HeaderEdits request;
  HeaderEdits response;
  // Empty: kept.
  std::string host;
  PathKind path_kind = PathKind::kKeep;
  // kReplacePrefix: bytes of the path that the prefix match took.
  uint32_t prefix_length = 0;
  std::string path;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_HEADER_PLAN_H_
