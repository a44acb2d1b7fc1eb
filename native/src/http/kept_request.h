// A request, or as much of it as has come, for as long as it may have to be sent again, or for the first
// time.
//
// Stage before: exchange and mirror. Stage after: an upstream stream, which writes it like one that comes
// directly: what is kept is what came, not what some connection was sent.
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

  // Hot path. In place of what was kept before.
  void Keep(const http::RequestHead& head);
  void Append(const BodyPiece& piece);
  void Clear() {
    if (!bytes_.empty()) Drop();
  }
  bool empty() const { return bytes_.empty(); }
  // Head and body.
  size_t bytes() const { return bytes_.size(); }
  // Not while empty.
  size_t body_bytes() const { return bytes_.size() - head_.length; }
  size_t capacity() const { return bytes_.capacity(); }

  // Good until the next call that is not const. Not while empty.
  const http::RequestHead& head();
  BodyPiece body() const;

 private:
  void Drop();

  http::RequestHead head_;
  std::vector<http::Field> fields_;
  // Head first.
  ByteBuffer bytes_;
  bool complete_ = false;
  std::string trailer_bytes_;
  std::vector<http::Field> trailers_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_KEPT_REQUEST_H_
