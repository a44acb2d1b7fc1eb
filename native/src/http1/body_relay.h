// Moves one body from the bytes of one side to the socket of the other, in either direction: decodes its
// framing, drops what must not go on (chunk extensions, unfit trailers), and frames it anew.
//
// Stage before: StreamSocket::Fill and the head that goes in front. Stage after: StreamSocket::Send, in one
// call for everything that one window holds.
#ifndef SIDEROUTE_HTTP1_BODY_RELAY_H_
#define SIDEROUTE_HTTP1_BODY_RELAY_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http1/body.h"
#include "http1/head_writer.h"

namespace sideroute {

inline constexpr size_t kMaxTrailers = 64;

// Where framed bytes go; false when they cannot any more.
class BodySink {
 public:
  virtual bool SendParts(std::span<iovec> parts) = 0;

 protected:
  ~BodySink() = default;
};

// For a body that nobody gets, but whose end is wanted.
class NullSink final : public BodySink {
 public:
  bool SendParts(std::span<iovec>) override { return true; }
};

class BodyRelay {
 public:
  enum class Status : uint8_t { kNeedMore, kDone, kBroken };

  // `trailers`: of requests or of responses.
  explicit BodyRelay(http1::SectionKind trailers) : decoder_(trailers, trailers_, http1::BodyLimits{}) {}

  void Start(http1::BodyKind kind, uint64_t length, OutFraming framing) {
    decoder_.Start(kind, length);
    framing_ = framing;
  }
  bool done() const { return decoder_.done(); }
  http1::Error error() const { return decoder_.error(); }

  // Takes what it can from the window, whose bytes it may move about, and sends it behind `head`. `used`
  // counts the bytes taken; with kNeedMore the others (part of a trailer section) must be given again.
  Status Pass(std::string_view head, char* data, size_t length, size_t* used, BodySink& sink);
  // The source has ended: an end for a body that lasts until close, which may want a last chunk; broken for
  // any other.
  Status End(BodySink& sink);

 private:
  std::array<http1::Field, kMaxTrailers> trailers_;
  http1::BodyDecoder decoder_;
  OutFraming framing_ = OutFraming::kRaw;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_BODY_RELAY_H_
