// Bodies: the outcome is the same at every split, agrees with a simple decoder that needs the whole body, and
// the payload stays the same when it is chunked again.
#include <optional>

#include "input.h"
#include "oracle.h"

namespace sideroute::fuzz {
namespace {

constexpr http1::BodyLimits kLimits{
    .max_line_extension_bytes = 24, .max_extension_bytes = 64, .max_trailer_bytes = 256};

bool IsVisible(char c) { return (c >= 0x20 && c != 0x7f) || static_cast<uint8_t>(c) >= 0x80 || c == '\t'; }

void TakeBlanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

bool Take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeToken(std::string_view& text) {
  constexpr std::string_view kBytes =
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const size_t length = std::min(text.find_first_not_of(kBytes), text.size());
  text.remove_prefix(length);
  return length != 0;
}

bool TakeQuoted(std::string_view& text) {
  if (!Take(text, '"')) return false;
  while (!text.empty() && IsVisible(text.front())) {
    if (Take(text, '"')) return true;
    if (Take(text, '\\') && (text.empty() || !IsVisible(text.front()))) return false;
    text.remove_prefix(1);
  }
  return false;
}

// RFC 9112 section 7.1.1, implemented literally.
bool AreExtensions(std::string_view text) {
  while (!text.empty()) {
    TakeBlanks(text);
    if (!Take(text, ';')) return false;
    TakeBlanks(text);
    if (!TakeToken(text)) return false;
    std::string_view behind = text;
    TakeBlanks(behind);
    if (!Take(behind, '=')) continue;
    TakeBlanks(behind);
    if (!TakeToken(behind) && !TakeQuoted(behind)) return false;
    text = behind;
  }
  return true;
}

// Removes the chunks at the front of `input`, including the last chunk's line, and returns their payload.
// Slow, and shares no code with the decoder. Empty if they are malformed or incomplete.
std::optional<std::string> TakeChunks(std::string_view& input) {
  std::string payload;
  size_t extensions = 0;
  for (;;) {
    const size_t line_end = input.find("\r\n");
    if (line_end == std::string_view::npos) return {};
    const std::string_view line = input.substr(0, line_end);
    const size_t digits = std::min(line.find_first_of("; \t"), line.size());
    if (digits == 0 || digits > 16 || !AreExtensions(line.substr(digits))) return {};
    extensions += line.size() - digits;
    if (line.size() - digits > kLimits.max_line_extension_bytes) return {};
    if (digits < line.size() && extensions > std::max(kLimits.max_extension_bytes, payload.size())) return {};
    uint64_t size = 0;
    for (const char c : line.substr(0, digits)) {
      const size_t digit = std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
      if (digit == std::string_view::npos) return {};
      size = size * 16 + digit % 16;
    }
    if (size > INT64_MAX) return {};
    input.remove_prefix(line_end + 2);
    if (size == 0) return payload;
    if (input.size() < size || input.size() - size < 2 || input.substr(size, 2) != "\r\n") return {};
    payload += input.substr(0, size);
    input.remove_prefix(size + 2);
  }
}

void CheckChunked(std::string_view input, const std::string& outcome) {
  std::string_view after = input;
  const std::optional<std::string> payload = TakeChunks(after);
  // The head targets test trailer sections; here only the common case without trailers.
  if (payload && after.starts_with("\r\n")) {
    std::string expected = "done \"" + test::Quote(*payload) + '"';
    if (after.size() > 2) expected += " rest:" + std::to_string(after.size() - 2);
    Require(outcome == expected, "the plain decoder agrees", expected, outcome);

    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", payload->size());
    const std::string anew = (payload->empty() ? "" : size + *payload + "\r\n") + "0\r\n\r\n";
    const std::string again = test::RunBody(anew, {}, {http1::BodyKind::kChunked, 0, kLimits, false}, false);
    Require(again == "done \"" + test::Quote(*payload) + '"', "payload chunked anew is the same", outcome,
            again);
  } else if (!payload) {
    Require(!outcome.starts_with("done"), "the plain decoder agrees that there is no end", outcome);
  }
}

void Check(http1::BodyKind kind, uint8_t length, std::string_view input) {
  for (const bool eof : {false, true}) {
    // Trailers of a response may have what those of a request may not.
    const test::BodyInput response{kind, length, kLimits, eof, http1::SectionKind::kResponseTrailer};
    const std::string relayed = SameAtEverySplit(
        input, [&](const test::Cuts& cuts) { return test::RunBody(input, cuts, response, false); });
    const test::BodyInput body{kind, length, kLimits, eof};
    const std::string outcome = SameAtEverySplit(
        input, [&](const test::Cuts& cuts) { return test::RunBody(input, cuts, body, false); });
    if (kind == http1::BodyKind::kChunked) CheckChunked(input, outcome);
    Require(relayed == outcome || outcome.starts_with("400 field-name"), "only blanks behind a name differ",
            outcome, relayed);
    if (kind == http1::BodyKind::kLength) {
      Require(outcome.starts_with("done") == (input.size() >= length), "a length is counted", outcome);
    }
  }
}

}  // namespace
}  // namespace sideroute::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  sideroute::fuzz::Check(sideroute::fuzz::DecodeBodyKind(data[0]), data[1],
                         {reinterpret_cast<const char*>(data + 2), size - 2});
  return 0;
}
