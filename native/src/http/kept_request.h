// A request, or the part of it that has arrived, kept because it may have to be sent again or has not been
// sent yet.
//
// Stage before: exchange and mirror. Stage after: an upstream stream, which writes it like a request that
// arrives. The copy holds what was received, not what was sent on some connection.
#ifndef SIDEROUTE_HTTP_KEPT_REQUEST_H_
#define SIDEROUTE_HTTP_KEPT_REQUEST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "http/head.h"
#include "http/stream.h"
#include "net/byte_buffer.h"

namespace sideroute {

class KeptRequest {
 public:
  explicit KeptRequest(BlockPool& blocks) : bytes_(blocks) {}

  // Hot path. Replaces what was kept before.
  void Keep(const http::RequestHead& head);
  void Append(const BodyPiece& piece);
  void Clear() {
    if (!bytes_.empty()) Drop();
  }
  bool empty() const { return bytes_.empty(); }
  // Bytes of head and body.
  size_t bytes() const { return bytes_.size(); }
  // Must not be called while empty.
  size_t body_bytes() const { return bytes_.size() - head_.length; }
  size_t capacity() const { return bytes_.capacity(); }

  // Valid until the next non-const call. Must not be called while empty.
  const http::RequestHead& head();
  BodyPiece body() const;

 private:
  void Drop();

  http::RequestHead head_;
  std::vector<http::Field> fields_;
  // The head, then the body.
  ByteBuffer bytes_;
  bool complete_ = false;
  std::string trailer_bytes_;
  std::vector<http::Field> trailers_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_KEPT_REQUEST_H_
