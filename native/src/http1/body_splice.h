// Splices part of a body from its connection to another one, without reading it.
//
// Stage before: an exchange that needs none of these bytes. Stage after: StreamSocket::SpliceFrom.
#ifndef SIDEROUTE_HTTP1_BODY_SPLICE_H_
#define SIDEROUTE_HTTP1_BODY_SPLICE_H_

#include <optional>

#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/body_reader.h"
#include "net/pipe_pool.h"
#include "net/stream_socket.h"

namespace sideroute::http1 {

// `body` is the one that `source` is reading. Returns null if the next bytes have to be read instead.
inline std::optional<ReadResult> SplicePart(EngineContext& context, StreamSocket& source, BodyReader& body,
                                            StreamSocket& sink, BodyPiece* piece) {
  if (body.left() < kLeastSpliced) return std::nullopt;
  size_t moved = 0;
  switch (sink.SpliceFrom(source, *context.pipes, body.left(), &moved)) {
    case SpliceResult::kUnfit:
      return std::nullopt;
    case SpliceResult::kAgain:
      return ReadResult::kAgain;
    case SpliceResult::kError:
      return ReadResult::kReset;
    case SpliceResult::kMoved:
      break;
  }
  context.counters.bytes_spliced += moved;
  body.Pass(moved, piece);
  return ReadResult::kGiven;
}

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_BODY_SPLICE_H_
