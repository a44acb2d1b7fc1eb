// Extracts the pieces of one body from the received bytes of a connection and removes their framing.
//
// Stage before: StreamSocket::Fill. Stage after: the user of a stream, who asks for a piece.
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
  // Part of the body was spliced: makes a piece that only counts its bytes.
  void Pass(size_t bytes, BodyPiece* piece) {
    decoder_.Skip(bytes);
    *piece = {};
    piece->wire_bytes = bytes;
    piece->last = done();
  }
  Error error() const { return decoder_.error(); }

  // Hot path. Takes as much as possible from `data`. All payload in it is moved together, in place, and
  // becomes one piece. `wire_bytes` of the piece is the number of bytes consumed; the rest, part of a trailer
  // section, must be passed again. Returns false if the body is malformed at that point; payload before the
  // fault is given first. `switched`: the bytes belong to another protocol and are given unchanged.
  bool Next(char* data, size_t length, BodyPiece* piece, bool switched);
  // The connection has ended. Returns true if that completes the body, false if the body is truncated.
  bool End() { return decoder_.Finish().event == BodyEvent::kDone; }

 private:
  std::array<Field, kMaxTrailers> trailers_;
  BodyDecoder decoder_;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_BODY_READER_H_
