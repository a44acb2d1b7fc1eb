#include "http/kept_request.h"

namespace sideroute {

void KeptRequest::Keep(const http::RequestHead& head) {
  Clear();
  bytes_.Append(head.data, head.length);
  fields_.assign(head.fields.begin(), head.fields.end());
  head_ = head;
  head_.fields = fields_;
  complete_ = !head.has_body();
}

void KeptRequest::Append(const BodyPiece& piece) {
  bytes_.Append(piece.bytes);
  complete_ = piece.last;
  for (http::Field field : piece.trailers.fields) {
    if (field.drop()) continue;
    const auto name = static_cast<uint32_t>(trailer_bytes_.size());
    trailer_bytes_ += field.Name(piece.trailers.data);
    const auto value = static_cast<uint32_t>(trailer_bytes_.size());
    trailer_bytes_ += field.Value(piece.trailers.data);
    field.name_offset = name;
    field.value_offset = value;
    trailers_.push_back(field);
  }
}

void KeptRequest::Drop() {
  bytes_.Clear();
  complete_ = false;
  trailer_bytes_.clear();
  trailers_.clear();
}

const http::RequestHead& KeptRequest::head() {
  head_.data = bytes_.data();
  return head_;
}

BodyPiece KeptRequest::body() const {
  BodyPiece piece;
  piece.bytes = bytes_.view().substr(head_.length);
  piece.last = complete_;
  piece.trailers = {trailer_bytes_.data(), trailers_};
  return piece;
}

}  // namespace sideroute
