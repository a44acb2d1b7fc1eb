// Frames pieces of a body for an HTTP/1.x connection, as an iovec for one system call.
//
// Stage before: a piece, and the head that precedes the first one. Stage after: StreamSocket::Send.
#ifndef SIDEROUTE_HTTP1_BODY_WRITER_H_
#define SIDEROUTE_HTTP1_BODY_WRITER_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/stream.h"

namespace sideroute {

// Framing of the body that is sent: its bytes alone (with Content-Length, until close, or no body), or
// chunks.
enum class OutFraming : uint8_t { kRaw, kChunked };

}  // namespace sideroute

namespace sideroute::http1 {

// Refers to the memory of its arguments, which must outlive it.
class FramedPiece {
 public:
  // Hot path. The piece follows `head`, which may be empty.
  FramedPiece(std::string_view head, const BodyPiece& piece, OutFraming framing) {
    Add(head);
    if (framing == OutFraming::kRaw) {
      Add(piece.bytes);
    } else {
      AddChunk(piece);
    }
  }
  FramedPiece(const FramedPiece&) = delete;
  FramedPiece& operator=(const FramedPiece&) = delete;

  std::span<iovec> parts() { return {parts_.data(), count_}; }
  // Bytes of all parts together.
  size_t size() const { return size_; }

 private:
  void Add(std::string_view bytes) {
    if (bytes.empty()) return;
    parts_[count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
    size_ += bytes.size();
  }
  void AddChunk(const BodyPiece& piece);

  std::array<iovec, 6> parts_;
  size_t count_ = 0;
  size_t size_ = 0;
  std::array<char, 20> chunk_line_;
  std::string tail_;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_BODY_WRITER_H_
