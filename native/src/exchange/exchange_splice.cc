// Long bodies whose length is known, between two connections that carry them as they are: the kernel passes
// them on, as far as nobody here wants their bytes.
//
// Stage before: the pumps of exchange.cc and exchange_response.cc, which read and send what is not spliced.
#include "exchange/exchange.h"

namespace sideroute {

// Null: the next piece has to be read, for a mirror, so that it can be sent again, or since no pipe takes it.
std::optional<ReadResult> Exchange::SpliceRequest(BodyPiece* piece) {
  if (kept_ || !mirrors_.empty()) return std::nullopt;
  StreamSocket* const sink = attempt_.stream()->splice_sink();
  return sink == nullptr ? std::nullopt : downstream_->SpliceBody(*sink, piece);
}

std::optional<ReadResult> Exchange::SpliceResponse(BodyPiece* piece) {
  StreamSocket* const sink = downstream_->splice_sink();
  return sink == nullptr ? std::nullopt : attempt_.stream()->SpliceBody(*sink, piece);
}

}  // namespace sideroute
