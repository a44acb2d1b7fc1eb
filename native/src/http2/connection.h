// One side of an HTTP/2 connection (RFC 9113): frames, header blocks, windows, limits on what a peer may
// cost, and one send for everything that a turn produced.
//
// Stage before: its socket. Stage after: downstream and upstream, which know what a stream is for.
//
// Back-pressure: the window of the connection is given back when bytes arrive, that of a stream when its
// bytes are passed on. So a stalled stream holds at most its own window and never blocks another stream. Only
// while all streams together hold more than kMostHeld, the connection's window is withheld too.
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

// What a peer may send on all streams together before we process it.
inline constexpr int64_t kConnectionWindow = 1024 * 1024;

// Limit for bytes that are framed and not taken by the socket: a peer that causes so many without reading is
// cut off.
inline constexpr size_t kMostBacklog = 2 * 1024 * 1024;

// Tag for the list of connections that have something to send at the end of the batch.
struct Dirty;

// What all HTTP/2 connections of an engine share.
struct Commons {
  explicit Commons(BlockPool& blocks) : head(blocks), trailers(blocks) {}

  // Called at the end of a batch.
  void Flush();

  // Not the scratch buffer of the other sockets: bytes read into this one must stay while those sockets are
  // read.
  Scratch scratch;
  HeadBuilder head;
  HeadBuilder trailers;
  HeadWriter writer;
  IntrusiveList<Connection, Dirty> dirty;
};

class Connection : public StreamSocket, public ListNode<Connection, Dirty> {
 public:
  // Sends the frames gathered so far.
  void FlushFrames();
  uint64_t now_ms() const { return context_.wheel.now_ms(); }

  // For the streams of this connection.
  int64_t initial_send_window() const { return initial_send_window_; }
  // Hot path. Frames as much of `bytes` as the windows and the socket allow; returns the number of bytes.
  // `last`: the stream ends after them.
  size_t AddData(Stream& stream, std::string_view bytes, bool last);
  void AddTrailers(Stream& stream, const Trailers& trailers);
  void Await(Stream& stream) { waiting_.PushBack(&stream); }
  void Credit(Stream& stream);
  // Counts bytes that streams keep: `change` more, or less if negative.
  void Hold(int64_t change);

 protected:
  enum class Side : uint8_t { kServer, kClient };
  Connection(EngineContext& context, Side side);
  ~Connection();

  // What a header block is decoded for.
  struct Block {
    // Null: the result is dropped, but the block must be decoded all the same.
    HeadBuilder* builder = nullptr;
    Stream* stream = nullptr;
    // For a stream that has ended, and not charged to the peer yet.
    bool stray = false;
  };
  // Decoding of a header block begins. `stream`: the stream with that id, or null. May call FailStream or
  // Fail.
  virtual Block OnBlock(uint32_t id, Stream* stream, bool ended) = 0;
  virtual void OnBlockEnd(uint32_t id, const Block& block, bool ended) = 0;
  // Something has happened to a stream. May end it.
  virtual void Tell(Stream& stream) = 0;
  virtual void OnGoaway(uint32_t last, ErrorCode code) = 0;
  // A stream was removed.
  virtual void OnStreams() = 0;
  // The peer's first SETTINGS have arrived.
  virtual void OnSettled() {}
  // The peer is gone, or was told why the connection ends; all streams have been told. Closes the connection.
  virtual void OnOver(bool orderly) = 0;
  // The connection is about to fail because of something the peer did. `fault`: its name for the log.
  virtual void OnFailing(std::string_view) {}
  // Called with true while a header block is incomplete, with false when it is complete.
  virtual void OnPartialBlock(bool partial) = 0;

  // Sends our preface and SETTINGS.
  void Greet(std::span<const std::pair<Setting, uint32_t>> settings);
  void Receive(std::span<char> bytes);
  void OnEvent() override;

  Stream* Find(uint32_t id) const;
  void Add(Stream& stream);
  // The stream is freed when the batch ends.
  void Remove(Stream& stream);
  size_t streams() const { return streams_.size(); }
  template <typename Visit>
  void VisitStreams(const Visit& visit) const {
    for (const Slot& slot : streams_) visit(*slot.stream);
  }
  // Sends RST_STREAM and marks the stream as reset.
  void ResetStream(Stream& stream, ErrorCode code);
  // The peer has broken a rule of one stream. Tells the peer and the user of the stream.
  void FailStream(uint32_t id, Stream* stream, ErrorCode code, std::string_view fault);
  // The peer has broken a rule of the connection: ends it.
  void Fail(ErrorCode code);
  // The peer sends too much that costs it nothing: ends the connection.
  void FailFlood(Flood flood);
  void Goaway(uint32_t last, ErrorCode code);
  // Ends all streams; the connection carries no others. `fault`: what was wrong with the connection; empty if
  // nothing was.
  void EndStreams(ErrorCode code, std::string_view fault = {});
  void MarkDirty();
  // The body of the message was announced with this length.
  void ExpectLength(Stream& stream, uint64_t length) {
    stream.counts_ = true;
    stream.length_left_ = length;
  }
  void EndRemote(Stream& stream) { stream.remote_ended_ = true; }
  void TakeTrailers(Stream& stream, const Trailers& trailers);
  // Frames that still arrive for this stream id are ignored.
  void Ignore(uint32_t id) { recently_reset_[next_reset_++ % recently_reset_.size()] = id; }
  // Sends RST_STREAM for an id without a stream.
  void ResetUnknown(uint32_t id, ErrorCode code);
  bool WasReset(uint32_t id) const;
  // A stream gets its id when its head is sent.
  void Number(Stream& stream, uint32_t id) {
    stream.id_ = id;
    stream.send_window_ = initial_send_window_;
    Add(stream);
  }
  // Treats the stream as if the peer had reset it.
  void Lose(Stream& stream, ErrorCode code) { stream.MarkReset(code); }
  // While held back, nothing is sent.
  void HoldBack(bool held_back) {
    held_back_ = held_back;
    pump_ = !held_back && !waiting_.empty();
  }
  // The stream is told before bytes for another stream are read.
  void MakeCurrent(Stream& stream);
  void TellCurrent();
  HeadWriter::To HeadTo(const Stream& stream, bool last) { return {encoder_, frames_, stream.id(), last}; }
  void Sent(Stream& stream, bool last);
  size_t framed() const { return frames_.size(); }
  // Heads have no flow-control window, so a peer that asks and does not read needs this limit.
  bool too_much_waits() const { return frames_.size() + unsent() > kMostBacklog; }
  size_t held() const;
  bool over() const { return over_; }
  bool peer_connects() const { return peer_connects_; }
  uint32_t peer_max_streams() const { return peer_max_streams_; }
  bool greeted() const { return settled_; }
  // When the last bytes arrived; kUnheard: none since ForgetHeard.
  static constexpr uint64_t kUnheard = UINT64_MAX;
  uint64_t heard_ms() const { return heard_ms_; }
  void ForgetHeard() { heard_ms_ = kUnheard; }
  // Whether any part of a message has arrived since the last call.
  bool TakeUseful() { return std::exchange(useful_, false); }
  void AddPing();
  uint32_t last_peer_stream() const { return last_peer_stream_; }
  void set_last_peer_stream(uint32_t id) { last_peer_stream_ = id; }
  // Charges what the peer did to the allowance; fails the connection if that is used up.
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
  // Returns false if nothing more is to be read now: the connection is over, or has used its share of the
  // turn.
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
  // Tells the stream what has arrived, and keeps what it does not take.
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
  // The lowest last-stream id sent in a GOAWAY.
  uint32_t last_promised_ = kMaxStreamId;
  int64_t initial_send_window_ = kDefaultWindow;
  int64_t send_window_ = kDefaultWindow;
  int64_t receive_window_ = kDefaultWindow;
  uint32_t uncredited_ = 0;
  int64_t kept_ = 0;

  // The current frame: the received part of its header, and how much of it has not arrived.
  size_t preface_left_;
  size_t header_have_ = 0;
  std::array<char, kFrameHeaderBytes> header_;
  FrameHeader frame_;
  size_t left_ = 0;
  // State within a DATA frame.
  bool pad_known_ = false;
  size_t pad_ = 0;
  Stream* data_stream_ = nullptr;
  ByteBuffer payload_;
  // A header block that continues in CONTINUATION frames.
  uint32_t block_stream_ = 0;
  bool block_ended_ = false;
  uint32_t block_frames_ = 0;
  ByteBuffer block_;

  HpackEncoder encoder_;
  HpackDecoder decoder_;
  ByteBuffer frames_;
  std::vector<Slot> streams_;
  IntrusiveList<Stream> waiting_;
  // The stream that was not yet told what has arrived.
  Stream* current_ = nullptr;
  // Ids of streams whose last frames may still be on their way.
  std::array<uint32_t, 256> recently_reset_{};
  size_t next_reset_ = 0;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_CONNECTION_H_
