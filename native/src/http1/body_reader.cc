#include "http1/body_reader.h"

#include <cstring>

namespace sideroute::http1 {

bool BodyReader::Next(char* data, size_t length, BodyPiece* piece, bool switched) {
  if (switched) {
    *piece = {};
    piece->bytes = {data, length};
    piece->wire_bytes = length;
    return true;
  }
  // Moves payload over the framing between its parts, so that everything received in one read is sent in one
  // write, whatever the number of chunks.
  char* payload = data;
  size_t payload_length = 0;
  size_t at = 0;
  BodyStep step;
  for (;;) {
    step = decoder_.Next(data + at, length - at);
    if (step.event != BodyEvent::kData) break;
    if (payload_length == 0) {
      payload = const_cast<char*>(step.bytes.data());
    } else if (payload + payload_length != step.bytes.data()) {
      std::memmove(payload + payload_length, step.bytes.data(), step.bytes.size());
    }
    payload_length += step.bytes.size();
    at += step.consumed;
  }
  piece->bytes = {payload, payload_length};
  piece->wire_bytes = at + step.consumed;
  piece->last = step.event == BodyEvent::kDone;
  piece->trailers = {};
  if (piece->last) piece->trailers = {step.bytes.data(), decoder_.trailers()};
  return step.event != BodyEvent::kError || payload_length > 0;
}

}  // namespace sideroute::http1
