// A part of a body from the connection that it comes on to another, unread.
//
// Stage before: an exchange that wants none of its bytes. Stage after: StreamSocket::SpliceFrom.
#ifndef SIDEROUTE_HTTP1_BODY_SPLICE_H_
#define SIDEROUTE_HTTP1_BODY_SPLICE_H_

#include <optional>

#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/body_reader.h"
#include "net/pipe_pool.h"
#include "net/stream_socket.h"

namespace sideroute::http1 {

// Of `body`, which goes on at `source`. Null: what comes next has to be read.
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
