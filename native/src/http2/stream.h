// One HTTP/2 stream: what both sides have in common. Windows, received bytes that were not taken, and bytes
// that wait to be sent.
//
// Stage before: connection, which parses frames. Stage after: downstream_stream and upstream_stream, which an
// exchange uses.
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

// What a peer may send on a stream before some of it has been passed on.
inline constexpr int64_t kStreamWindow = 256 * 1024;

// ListNode: the list of streams that wait for a window or for room.
class Stream : public Disposable, public ListNode<Stream> {
 public:
  Stream(Connection& connection, BlockPool& blocks, uint32_t id);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // A stream lives for one request, so a bounded number of memory blocks of each size is reused.
  static void* operator new(size_t size);
  static void operator delete(void* memory, size_t size);

  uint32_t id() const { return id_; }
  bool remote_ended() const { return remote_ended_; }
  bool local_ended() const { return local_ended_; }
  // Either side has reset the stream, or its connection is over.
  bool is_reset() const { return reset_; }
  ErrorCode code() const { return code_; }
  size_t held() const { return in_.capacity() + out_.capacity(); }
  size_t waiting() const { return out_.size(); }

 protected:
  ~Stream() override = default;

  // Received pieces, as in UpstreamStream and DownstreamStream. GaveAll: the announced length has arrived and
  // all of it was read.
  bool GaveAll() const { return counts_ && length_left_ == 0 && in_.empty() && span_.empty(); }
  bool HasPiece() const { return !in_.empty() || !span_.empty() || (remote_ended_ && !end_given_); }
  ReadResult ReadPiece(BodyPiece* piece);
  void TookPiece();
  // Sends body bytes after the head. Returns the number of bytes framed or kept.
  size_t SendPiece(const BodyPiece& piece);
  // Ends the sending side of a relay, where no body ends.
  void SendLast();
  // From here on received bytes end only with the stream.
  void BecomeTunnel() { tunnel_ = true; }

  Connection& connection_;
  // What was malformed; empty if nothing was.
  std::string_view fault_;
  uint64_t blocked_since_ms_ = 0;
  // False while body bytes would come before the head.
  bool takes_data_ = true;

 private:
  friend class Connection;

  // Bytes of the current frame, in the window that is being read.
  void Receive(char* bytes, size_t length);
  // Keeps what was not taken of the window.
  void KeepSpan();
  // The message has ended. Returns false if it is shorter than announced.
  bool EndRemote();
  void KeepTrailers(const Trailers& trailers);
  // Sends as much as possible of what waits. Returns true if something waited and nothing waits any more.
  bool Pump();
  void Conclude(const Trailers& trailers);
  void MarkReset(ErrorCode code);

  uint32_t id_;
  bool remote_ended_ = false;
  bool local_ended_ = false;
  bool reset_ = false;
  bool tunnel_ = false;
  bool end_given_ = false;
  // The end is sent after the bytes that wait.
  bool end_waits_ = false;
  // Content-Length was announced; `length_left_` of it has not arrived.
  bool counts_ = false;
  uint64_t length_left_ = 0;
  ErrorCode code_ = ErrorCode::kNoError;
  int64_t send_window_;
  int64_t receive_window_ = kStreamWindow;
  // Bytes that were taken, and not yet given back to the peer's window.
  uint32_t uncredited_ = 0;
  // Unread bytes in the window that is being read; empty while `in_` has any.
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
