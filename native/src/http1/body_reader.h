// Takes the pieces of one body out of what a connection has received, and the framing off them.
//
// Stage before: StreamSocket::Fill. Stage after: whoever asks a stream for a piece.
#ifndef SIDEROUTE_HTTP1_BODY_READER_H_
#define SIDEROUTE_HTTP1_BODY_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "http/stream.h"
#include "http1/body.h"

namespace sideroute::http1 {

inline constexpr size_t kMaxTrailers = 64;

class BodyReader {
 public:
  // `trailers`: of requests or of responses.
  explicit BodyReader(SectionKind trailers) : decoder_(trailers, trailers_, BodyLimits{}) {}

  void Start(BodyKind kind, uint64_t length) { decoder_.Start(kind, length); }
  bool done() const { return decoder_.done(); }
  uint64_t left() const { return decoder_.left(); }
  // Part of the body has gone on unread.
  void Pass(size_t bytes, BodyPiece* piece) {
    decoder_.Skip(bytes);
    *piece = {};
    piece->wire_bytes = bytes;
    piece->last = done();
  }
  Error error() const { return decoder_.error(); }

  // Hot path. Takes what it can from `data`, whose bytes it may move about: all payload that is there becomes
  // one piece. `wire_bytes` of the piece counts the bytes taken; the others, part of a trailer section, must
  // be given again. False when the body is malformed right there; what comes before a fault is given first.
  // `switched`: another protocol follows the head, of which all that is there is a piece as it is.
  bool Next(char* data, size_t length, BodyPiece* piece, bool switched);
  // The connection has ended: an end for a body that lasts until then, a fault in any other.
  bool End() { return decoder_.Finish().event == BodyEvent::kDone; }

 private:
  std::array<Field, kMaxTrailers> trailers_;
  BodyDecoder decoder_;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_BODY_READER_H_
