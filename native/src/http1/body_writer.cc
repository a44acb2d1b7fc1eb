#include "http1/body_writer.h"

namespace sideroute::http1 {

namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n";

// The size in hexadecimal and CRLF, right-aligned in `buffer`.
std::string_view ChunkLine(size_t size, std::array<char, 20>& buffer) {
  char* at = buffer.data() + buffer.size();
  *--at = '\n';
  *--at = '\r';
  do {
    *--at = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  return {at, static_cast<size_t>(buffer.data() + buffer.size() - at)};
}

}  // namespace

void FramedPiece::AddChunk(const BodyPiece& piece) {
  if (!piece.bytes.empty()) {
    Add(ChunkLine(piece.bytes.size(), chunk_line_));
    Add(piece.bytes);
    Add(kCrlf);
  }
  if (!piece.last) return;
  Add(kLastChunk);
  for (const http::Field& field : piece.trailers.fields) {
    if (field.drop()) continue;
    const std::string_view name = field.Name(piece.trailers.data);
    const std::string_view value = field.Value(piece.trailers.data);
    tail_.append(name).append(": ").append(value).append(kCrlf);
  }
  tail_.append(kCrlf);
  Add(tail_);
}

}  // namespace sideroute::http1
