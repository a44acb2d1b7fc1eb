#include "response_reader.h"

#include <algorithm>
#include <charconv>

#include "http/scan.h"

namespace bench {

namespace {

using sideroute::http::NamesEqual;

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr size_t kMaxHead = 64 * 1024;

std::string_view Trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Whether a list separated by commas has `option`.
bool HasOption(std::string_view list, std::string_view option) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (NamesEqual(Trimmed(list.substr(0, comma)), option)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

bool ResponseReader::TakeHead(std::string_view head) {
  if (!head.starts_with("HTTP/1.1 200")) return false;
  bool has_length = false;
  is_last_ = false;
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    at += line.size() + 2;
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trimmed(line.substr(std::min(colon + 1, line.size())));
    if (NamesEqual(name, "connection") && HasOption(value, "close")) is_last_ = true;
    if (NamesEqual(name, "content-length"))
      has_length = std::from_chars(value.data(), value.data() + value.size(), body_left_).ec == std::errc();
  }
  return has_length;
}

int ResponseReader::Take(std::string_view bytes) {
  int ended = 0;
  while (!bytes.empty()) {
    if (body_left_ == 0) {
      size_t consumed = bytes.find(kEnd);
      if (!head_.empty() || consumed == std::string_view::npos) {
        const size_t before = head_.size();
        head_.append(bytes.substr(0, kMaxHead));
        const size_t end = head_.find(kEnd);
        if (end == std::string::npos) return head_.size() > kMaxHead ? -1 : ended;
        head_.resize(end + kEnd.size());
        if (!TakeHead(head_)) return -1;
        consumed = head_.size() - before;
        head_.clear();
      } else {
        consumed += kEnd.size();
        if (!TakeHead(bytes.substr(0, consumed))) return -1;
      }
      bytes.remove_prefix(consumed);
      if (body_left_ == 0) {
        ++ended;
        continue;
      }
    }
    const size_t body = std::min<uint64_t>(body_left_, bytes.size());
    bytes.remove_prefix(body);
    body_left_ -= body;
    if (body_left_ == 0 && body > 0) ++ended;
  }
  return ended;
}

}  // namespace bench
