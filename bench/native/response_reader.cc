#include "response_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace bench {

namespace {

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::string_view kLength = "content-length:";
constexpr std::string_view kConnection = "connection:";
constexpr std::string_view kClose = "close";
constexpr size_t kMaxHead = 64 * 1024;

// Compares without regard to case.
bool StartsWith(std::string_view line, std::string_view start) {
  return line.size() >= start.size() && strncasecmp(line.data(), start.data(), start.size()) == 0;
}

bool Contains(std::string_view line, std::string_view part) {
  for (; line.size() >= part.size(); line.remove_prefix(1))
    if (StartsWith(line, part)) return true;
  return false;
}

}  // namespace

bool ResponseReader::TakeHead(std::string_view head) {
  if (!head.starts_with("HTTP/1.1 200")) return false;
  bool has_length = false;
  is_last_ = false;
  for (size_t at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    std::string_view line = head.substr(at + 2);
    line = line.substr(0, line.find("\r\n"));
    if (StartsWith(line, kConnection)) is_last_ = is_last_ || Contains(line, kClose);
    if (!StartsWith(line, kLength)) continue;
    line.remove_prefix(kLength.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    has_length = std::from_chars(line.data(), line.data() + line.size(), body_left_).ec == std::errc();
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
