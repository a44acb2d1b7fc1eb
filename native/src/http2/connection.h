// A connection that speaks HTTP/2, on either side: frames, header blocks, windows, what a peer may cost, and
// one send for all that a turn has to say (RFC 9113).
//
// Stage before: its socket. Stage after: downstream and upstream, which know what a stream is for.
//
// Back-pressure: the window of the connection is given back when bytes come, that of a stream when they are
// passed on. So a stream that stands still keeps what its own window allows, and never holds up another one;
// only where all of them together hold more than kMostHeld is the connection's withheld, too.
#ifndef SIDEROUTE_HTTP2_CONNECTION_H_
#define SIDEROUTE_HTTP2_CONNECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "http/engine_context.h"
#include "http2/allowance.h"
#include "http2/frame.h"
#include "http2/head_builder.h"
#include "http2/head_writer.h"
#include "http2/hpack.h"
#include "http2/stream.h"
#include "net/intrusive_list.h"
#include "net/stream_socket.h"

namespace sideroute::http2 {

// What a peer may send on all streams together before we look at it.
inline constexpr int64_t kConnectionWindow = 1024 * 1024;

// Framed and not taken by the socket: a peer that asks so much and does not read is no peer.
inline constexpr size_t kMostBacklog = 2 * 1024 * 1024;

// In the list of connections that have something to send at the end of the batch.
struct Dirty;

// What all connections of an engine share.
struct Commons {
  explicit Commons(BlockPool& blocks) : head(blocks), trailers(blocks) {}

  // At the end of a batch.
  void Flush();

  // Apart from that of the other sockets: what is read here stays while others are read.
  Scratch scratch;
  HeadBuilder head;
  HeadBuilder trailers;
  HeadWriter writer;
  IntrusiveList<Connection, Dirty> dirty;
};

class Connection : public StreamSocket, public ListNode<Connection, Dirty> {
 public:
  // Sends what was framed.
  void FlushFrames();
  uint64_t now_ms() const { return context_.wheel.now_ms(); }

  // For the streams.
  int64_t initial_send_window() const { return initial_send_window_; }
  // Hot path. Frames of `bytes` what the windows and the socket allow: how many. `last`: the stream ends with
  // them.
  size_t AddData(Stream& stream, std::string_view bytes, bool last);
  void AddTrailers(Stream& stream, const Trailers& trailers);
  void Await(Stream& stream) { waiting_.PushBack(&stream); }
  void Credit(Stream& stream);
  // Bytes more, or less, that streams keep.
  void Hold(int64_t change);

 protected:
  enum class Side : uint8_t { kServer, kClient };
  Connection(EngineContext& context, Side side);
  ~Connection();

  // What a header block is for.
  struct Block {
    // Null: nobody wants it, but it has to be decoded.
    HeadBuilder* builder = nullptr;
    Stream* stream = nullptr;
    // It is for a stream that is over, and has cost nothing yet.
    bool stray = false;
  };
  // A header block begins to be decoded. `stream`: the one of that id, if there is one. Answered with
  // FailStream or Fail, too.
  virtual Block OnBlock(uint32_t id, Stream* stream, bool ended) = 0;
  virtual void OnBlockEnd(uint32_t id, const Block& block, bool ended) = 0;
  // Something has become of a stream. May end it.
  virtual void Tell(Stream& stream) = 0;
  virtual void OnGoaway(uint32_t last, ErrorCode code) = 0;
  // No stream is left, or that changes.
  virtual void OnStreams() = 0;
  // The peer has said what it allows.
  virtual void OnSettled() {}
  // The peer is gone, or was told why it has to go: all streams have been told. Closes.
  virtual void OnOver(bool orderly) = 0;
  // The connection is about to fail for what its peer has done. `fault`: what the log calls it.
  virtual void OnFailing(std::string_view) {}
  // A header block has begun that is not complete, or is by now.
  virtual void OnPartialBlock(bool partial) = 0;

  // Our preface.
  void Greet(std::span<const std::pair<Setting, uint32_t>> settings);
  void Receive(std::span<char> bytes);
  void OnEvent() override;

  Stream* Find(uint32_t id) const;
  void Add(Stream& stream);
  // It goes when the batch ends.
  void Remove(Stream& stream);
  size_t streams() const { return streams_.size(); }
  template <typename Visit>
  void VisitStreams(const Visit& visit) const {
    for (const Slot& slot : streams_) visit(*slot.stream);
  }
  // Tells the peer, and marks it.
  void ResetStream(Stream& stream, ErrorCode code);
  // The peer has broken a rule of one stream. Tells both ends of it.
  void FailStream(uint32_t id, Stream* stream, ErrorCode code, std::string_view fault);
  // The peer has broken a rule of the connection.
  void Fail(ErrorCode code);
  // It does too much of what costs it nothing.
  void FailFlood(Flood flood);
  void Goaway(uint32_t last, ErrorCode code);
  // Ends all streams; the connection carries none any more. `fault`: what was wrong with it; empty for
  // nothing.
  void EndStreams(ErrorCode code, std::string_view fault = {});
  void MarkDirty();
  // The body of a message that was announced with this length.
  void ExpectLength(Stream& stream, uint64_t length) {
    stream.counts_ = true;
    stream.length_left_ = length;
  }
  void EndRemote(Stream& stream) { stream.remote_ended_ = true; }
  void TakeTrailers(Stream& stream, const Trailers& trailers);
  // What still comes for a stream of that number means nothing.
  void Ignore(uint32_t id) { recently_reset_[next_reset_++ % recently_reset_.size()] = id; }
  // RST_STREAM for one that there is not, or not yet.
  void ResetUnknown(uint32_t id, ErrorCode code);
  bool WasReset(uint32_t id) const;
  // It has no number before its head is sent.
  void Number(Stream& stream, uint32_t id) {
    stream.id_ = id;
    stream.send_window_ = initial_send_window_;
    Add(stream);
  }
  // As if the peer had reset it.
  void Lose(Stream& stream, ErrorCode code) { stream.MarkReset(code); }
  // Nothing leaves meanwhile.
  void HoldBack(bool held_back) {
    held_back_ = held_back;
    pump_ = !held_back && !waiting_.empty();
  }
  // Is told before anything else is read for another stream.
  void MakeCurrent(Stream& stream);
  void TellCurrent();
  HeadWriter::To HeadTo(const Stream& stream, bool last) { return {encoder_, frames_, stream.id(), last}; }
  void Sent(Stream& stream, bool last);
  size_t framed() const { return frames_.size(); }
  // The peer asks, and takes nothing of what it is told: heads have no window.
  bool too_much_waits() const { return frames_.size() + unsent() > kMostBacklog; }
  size_t held() const;
  bool over() const { return over_; }
  bool peer_connects() const { return peer_connects_; }
  uint32_t peer_max_streams() const { return peer_max_streams_; }
  bool greeted() const { return settled_; }
  // When anything came last; kUnheard: not since this was forgotten.
  static constexpr uint64_t kUnheard = UINT64_MAX;
  uint64_t heard_ms() const { return heard_ms_; }
  void ForgetHeard() { heard_ms_ = kUnheard; }
  // Some of a message has come since this was asked last.
  bool TakeUseful() { return std::exchange(useful_, false); }
  void AddPing();
  uint32_t last_peer_stream() const { return last_peer_stream_; }
  void set_last_peer_stream(uint32_t id) { last_peer_stream_ = id; }
  // Of what a peer may do that costs it nothing.
  void Charge(Allowance& allowance, uint32_t cost, Flood flood);
  Http2Counters& counted() {
    return side_ == Side::kServer ? context_.counters.http2_downstream : context_.counters.http2_upstream;
  }

  EngineContext& context_;
  Commons& commons_;
  Allowance noise_{2'000, 200};
  Allowance resets_{1'000, 100};

 private:
  struct Slot {
    uint32_t id;
    Stream* stream;
  };

  void Read();
  void PeerGone();
  // False when nothing more is to be read now: the connection is over, or has had its share of the turn.
  bool Parse(Window& window);
  bool TakePreface(const char*& at, const char* end);
  bool BeginFrame();
  char* TakeData(char* at, const char* end);
  void BeginData();
  void EndData();
  void OnFrame(std::string_view payload);
  void OnHeaders(std::string_view payload);
  void OnContinuation(std::string_view payload);
  void Decode(uint32_t id, bool ended, std::string_view block);
  void OnPriority(std::string_view payload);
  void OnRstStream(std::string_view payload);
  void OnSettings(std::string_view payload);
  bool Apply(Setting setting, uint32_t value);
  bool ApplyInitialWindow(uint32_t value);
  void OnPing(std::string_view payload);
  void OnWindowUpdate(std::string_view payload);
  bool IsIdle(uint32_t id) const;
  void CreditConnection();
  size_t SendData(Stream& stream, std::string_view bytes, bool last);
  void CountSent(size_t bytes);
  void Pump();
  size_t Room() const;
  void FailAs(ErrorCode code, std::string_view fault);
  // Of what has come; what is not taken of it is kept.
  void TellOf(Stream& stream);

  const Side side_;
  bool over_ = false;
  bool settled_ = false;
  bool peer_connects_ = false;
  bool pump_ = false;
  bool held_back_ = false;
  bool useful_ = false;
  uint64_t heard_ms_ = kUnheard;
  uint32_t peer_max_streams_ = UINT32_MAX;
  uint32_t last_peer_stream_ = 0;
  uint32_t last_own_stream_ = 0;
  // In GOAWAY.
  uint32_t last_promised_ = kMaxStreamId;
  int64_t initial_send_window_ = kDefaultWindow;
  int64_t send_window_ = kDefaultWindow;
  int64_t receive_window_ = kDefaultWindow;
  uint32_t uncredited_ = 0;
  int64_t kept_ = 0;

  // The frame at hand: its header as far as it has come, and what has not come of it.
  size_t preface_left_;
  size_t header_have_ = 0;
  std::array<char, kFrameHeaderBytes> header_;
  FrameHeader frame_;
  size_t left_ = 0;
  // Of DATA.
  bool pad_known_ = false;
  size_t pad_ = 0;
  Stream* data_stream_ = nullptr;
  ByteBuffer payload_;
  // A header block that goes on in CONTINUATION.
  uint32_t block_stream_ = 0;
  bool block_ended_ = false;
  uint32_t block_frames_ = 0;
  ByteBuffer block_;

  HpackEncoder encoder_;
  HpackDecoder decoder_;
  ByteBuffer frames_;
  std::vector<Slot> streams_;
  IntrusiveList<Stream> waiting_;
  // Not yet told of what has come.
  Stream* current_ = nullptr;
  // Whose last frames may still be on their way.
  std::array<uint32_t, 256> recently_reset_{};
  size_t next_reset_ = 0;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_CONNECTION_H_
