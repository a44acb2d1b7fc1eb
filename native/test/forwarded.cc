#include "forwarded.h"

#include <algorithm>
#include <cctype>

namespace sideroute::test {

using http1::BodyKind;

namespace {

template <typename Write>
std::string Written(Write write) {
  BlockPool blocks;
  ByteBuffer out(blocks);
  write(out);
  return std::string(out.view());
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

std::string Forward(const http1::RequestHead& head, const char* data) {
  http1::RequestHead moved = head;
  moved.data = data;
  return Written([&](ByteBuffer& out) { WriteRequestHead(moved, nullptr, out); });
}

BodyKind ForwardedBody(const http1::ResponseHead& head) {
  return head.body == BodyKind::kUntilClose ? BodyKind::kChunked : head.body;
}

std::string Forward(const http1::ResponseHead& head, const char* data) {
  ResponseHeadOptions options;
  if (ForwardedBody(head) == BodyKind::kChunked) options.framing = OutFraming::kChunked;
  http1::ResponseHead moved = head;
  moved.data = data;
  return Written([&](ByteBuffer& out) { WriteResponseHead(moved, options, out); });
}

std::string FramingFault(std::string_view text, BodyKind body, uint64_t length, bool announced) {
  int lengths = 0;
  int codings = 0;
  if (!text.ends_with("\r\n\r\n")) return "no empty line at the end";
  for (size_t at = text.find("\r\n") + 2; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    const std::string_view line = text.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(':');
    const std::string name = Lower(line.substr(0, colon));
    const std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (name == "content-length") {
      ++lengths;
      const bool digits =
          value.size() > 1 && value[0] == ' ' &&
          std::all_of(value.begin() + 1, value.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits || (value[1] == '0' && value.size() > 2))
        return "not the shortest length: " + std::string(line);
      if (!announced && value.substr(1) != std::to_string(length))
        return "another length: " + std::string(line);
    }
    if (name == "transfer-encoding") {
      ++codings;
      if (value != " chunked") return "not plainly chunked: " + std::string(line);
    }
    if (name.starts_with("content-length ") || name.starts_with("transfer-encoding "))
      return "a blank before the colon";
  }
  if (lengths + codings > 1) return "more than one framing field";
  switch (body) {
    case BodyKind::kChunked:
      return codings == 1 ? "" : "no Transfer-Encoding";
    case BodyKind::kLength:
      return lengths == 1 ? "" : "no Content-Length";
    default:
      return announced || lengths + codings == 0 ? "" : "framing of a message without a body";
  }
}

}  // namespace sideroute::test
