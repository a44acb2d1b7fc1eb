// Builds one JSON object on one line. Whatever the bytes are, the result is valid JSON in printable ASCII: no
// value can end the line, the string or the object.
//
// Stage before: access_log. Stage after: log_writer.
#ifndef SIDEROUTE_LOG_JSON_LINE_H_
#define SIDEROUTE_LOG_JSON_LINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "net/net_address.h"

namespace sideroute {

// Reuses its memory from line to line.
class JsonLine {
 public:
  void Begin() { text_.clear(); }
  // Writes bytes as a string: each byte is the character with that code (Latin-1). A view with null data
  // becomes null.
  void String(std::string_view name, std::string_view bytes);
  void Number(std::string_view name, uint64_t value);
  // Nanoseconds, written as milliseconds with three decimals.
  void Milliseconds(std::string_view name, uint64_t nanoseconds);
  void Boolean(std::string_view name, bool value) { Literal(name, value ? "true" : "false"); }
  void Null(std::string_view name) { Literal(name, "null"); }
  // Writes `address:port`, with an IPv6 address in brackets; null if there is no address.
  void Address(std::string_view name, const NetAddress& address);
  // Writes milliseconds since 1970 as RFC 3339 text in UTC.
  void Time(std::string_view name, uint64_t unix_ms);
  // Writes `json` unchanged.
  void Literal(std::string_view name, std::string_view json) {
    Name(name);
    text_.append(json);
  }
  // Complete members, separated by commas.
  void Members(std::string_view json) {
    Separate();
    text_.append(json);
  }
  // The line with its newline; valid until Begin.
  std::string_view End() {
    text_.append(text_.empty() ? "{}\n" : "}\n");
    return text_;
  }

 private:
  void Separate() { text_.push_back(text_.empty() ? '{' : ','); }
  void Name(std::string_view name) {
    Separate();
    text_.push_back('"');
    text_.append(name);
    text_.append("\":");
  }

  std::string text_;
  // The second whose text is in `date_`.
  int64_t second_ = -1;
  char date_[24] = {};
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_JSON_LINE_H_
