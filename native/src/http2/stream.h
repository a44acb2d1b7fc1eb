// One stream of a connection: what both directions have in common, whichever side began it. Windows, what has
// come and was not taken, what waits to be sent.
//
// Stage before: connection, which takes frames apart. Stage after: downstream_stream and upstream_stream,
// which are what an exchange knows.
#ifndef SIDEROUTE_HTTP2_STREAM_H_
#define SIDEROUTE_HTTP2_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/stream.h"
#include "http2/frame.h"
#include "net/byte_buffer.h"
#include "net/disposable.h"
#include "net/intrusive_list.h"

namespace sideroute::http2 {

class Connection;

// What a peer may send on a stream before we have passed some of it on.
inline constexpr int64_t kStreamWindow = 256 * 1024;

// In the list of those that wait for a window, or for room.
class Stream : public Disposable, public ListNode<Stream> {
 public:
  Stream(Connection& connection, BlockPool& blocks, uint32_t id);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // One begins and ends with each request: their memory is used again, a bounded number of each size.
  static void* operator new(size_t size);
  static void operator delete(void* memory, size_t size);

  uint32_t id() const { return id_; }
  bool remote_ended() const { return remote_ended_; }
  bool local_ended() const { return local_ended_; }
  // Either side has given it up, or its connection is over.
  bool is_reset() const { return reset_; }
  ErrorCode code() const { return code_; }
  size_t held() const { return in_.capacity() + out_.capacity(); }
  size_t waiting() const { return out_.size(); }

 protected:
  ~Stream() override = default;

  // The pieces of what comes; as UpstreamStream and DownstreamStream.
  // Nothing is left of what was announced, and nothing of it waits to be read.
  bool GaveAll() const { return counts_ && length_left_ == 0 && in_.empty() && span_.empty(); }
  bool HasPiece() const { return !in_.empty() || !span_.empty() || (remote_ended_ && !end_given_); }
  ReadResult ReadPiece(BodyPiece* piece);
  void TookPiece();
  // Body behind the head that was sent. How many bytes, framed or kept.
  size_t SendPiece(const BodyPiece& piece);
  // The end of what is sent, without a body's end: of a relay.
  void SendLast();
  // From here on what comes has no end but that of the stream.
  void BecomeTunnel() { tunnel_ = true; }

  Connection& connection_;
  // What was malformed; empty for nothing.
  std::string_view fault_;
  uint64_t blocked_since_ms_ = 0;
  // A head stands before whatever comes of a body.
  bool takes_data_ = true;

 private:
  friend class Connection;

  // Bytes of the frame at hand, in the window that is being read.
  void Receive(char* bytes, size_t length);
  // What was not taken of the window is kept.
  void KeepSpan();
  // The end of the message. False when it has less than was announced.
  bool EndRemote();
  void KeepTrailers(const Trailers& trailers);
  // Sends of what waits what may go. True when nothing waits any more, but did.
  bool Pump();
  void Conclude(const Trailers& trailers);
  void MarkReset(ErrorCode code);

  uint32_t id_;
  bool remote_ended_ = false;
  bool local_ended_ = false;
  bool reset_ = false;
  bool tunnel_ = false;
  bool end_given_ = false;
  // The end is to be sent behind what waits.
  bool end_waits_ = false;
  // Content-Length was announced; what of it has not come.
  bool counts_ = false;
  uint64_t length_left_ = 0;
  ErrorCode code_ = ErrorCode::kNoError;
  int64_t send_window_;
  int64_t receive_window_ = kStreamWindow;
  // Taken, and not yet given back to the peer's window.
  uint32_t uncredited_ = 0;
  // Bytes of the window that is being read; never while `in_` has any.
  std::string_view span_;
  size_t given_ = 0;
  ByteBuffer in_;
  ByteBuffer out_;
  struct KeptFields {
    std::string bytes;
    std::vector<http::Field> fields;
    Trailers view() const { return {bytes.data(), fields}; }
    void Keep(const Trailers& trailers);
  };
  KeptFields trailers_in_, trailers_out_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_STREAM_H_
