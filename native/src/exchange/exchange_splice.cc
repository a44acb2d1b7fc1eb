// Splicing of long bodies with a known length: the kernel moves the bytes between two connections that carry
// them unchanged, as long as nothing here needs to read them.
//
// Stage before: the pumps of exchange.cc and exchange_response.cc, which read and send what is not spliced.
#include "exchange/exchange.h"

namespace sideroute {

// Null: the next piece has to be read instead, because a mirror or the kept copy needs it or because no pipe
// is free.
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
