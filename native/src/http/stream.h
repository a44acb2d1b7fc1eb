// Streams: one request and its response on one connection, whatever the version of HTTP. What an exchange and
// a mirror know of the wire.
//
// Stage before: connections of http1, which implement them. Stage after: exchange and mirror, which join a
// downstream stream with one upstream stream after the other.
//
// Reading is by asking. An event says that something may have changed, no more: whoever gets it asks for what
// it can use until the answer is kAgain. What a read gives lies in a buffer that all connections share, or in
// that of the connection: it is good until Took, and until any other stream is read. So a piece is sent on,
// and then taken.
//
// Sending never fails at once and never calls back, but for OnConnected. What the peer does not take now is
// kept, and whoever sends looks at `unsent` before it reads the next piece: a source is read only while its
// sink takes. That is all there is of back-pressure.
//
// A long body whose length is known need not be read at all: between connections that carry it as it is the
// kernel passes it on (SpliceBody). Whoever wants its bytes, to keep or to copy them, reads it.
#ifndef SIDEROUTE_HTTP_STREAM_H_
#define SIDEROUTE_HTTP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "http/engine_types.h"
#include "http/head.h"
#include "http/header_plan.h"
#include "net/net_address.h"

namespace sideroute {

class StateRecords;
class StreamSocket;

// What a connection speaks.
enum class Protocol : uint8_t { kHttp1, kHttp2 };
inline constexpr size_t kProtocols = 2;

// Fields behind a body, at `data` as those of a head. Those marked for dropping are not passed on.
struct Trailers {
  const char* data = nullptr;
  std::span<const http::Field> fields;
};

// A part of a body, without framing.
struct BodyPiece {
  std::string_view bytes;
  // The body ends with this piece, which may be empty.
  bool last = false;
  // With the last one.
  Trailers trailers;
  // What it took of its connection, framing included.
  size_t wire_bytes = 0;
};

// With less of a body to come than this a read is cheaper than a pipe.
inline constexpr uint64_t kLeastSpliced = 32 * 1024;

// What a read has led to.
enum class ReadResult : uint8_t {
  // What was asked for.
  kGiven,
  // Nothing for now; an event follows.
  kAgain,
  // The peer has ended where no message may end.
  kEnded,
  // The connection is gone, or the peer has given the stream up.
  kReset,
  // Not HTTP; `fault` says what is wrong.
  kMalformed,
};

// Why a stream was reset, whoever did that. The values are those of HTTP/2 (RFC 9113 section 7), so that a
// code passes as it is; one that is not known there is kInternal. HTTP/1 has none: its connection is reset.
enum class StreamError : uint8_t {
  kNone = 0x0,
  kProtocol = 0x1,
  kInternal = 0x2,
  kFlowControl = 0x3,
  kSettingsTimeout = 0x4,
  kStreamClosed = 0x5,
  kFrameSize = 0x6,
  // Before anything was executed: see Executed.
  kRefused = 0x7,
  // Nobody waits for it any more.
  kCancelled = 0x8,
  kCompression = 0x9,
  // The connection that a CONNECT has made.
  kConnect = 0xa,
  kEnhanceYourCalm = 0xb,
  kInadequateSecurity = 0xc,
  kHttp11Required = 0xd,
};

// Whether a request whose stream has failed may have had an effect.
enum class Executed : uint8_t {
  // The peer promises that nothing has been done with it, nor will be: REFUSED_STREAM, or GOAWAY before its
  // number. It may be sent again, whatever its method.
  kNothing,
  // Nothing of an answer has come on a connection that was idle before: most likely its peer had closed it by
  // then. What is safe to send twice may be sent again.
  kUnlikely,
  kPossibly,
};

// Whose request is written. A mirror's body comes when it comes, so its head asks for no 100 before it.
enum class RequestCopy : uint8_t { kOwn, kMirror };

// Who uses an upstream stream. Calls come from the loop, or from a timer; never from within a call to the
// stream, but for OnConnected from SendHead.
class StreamUser {
 public:
  // Something may have come, or may be sent, or the stream has ended.
  virtual void OnStreamEvent() = 0;
  // The connection stands. A stream event follows, unless this comes from within SendHead: then it is the
  // last thing that SendHead does, and nothing it was given is needed any more.
  virtual void OnConnected() = 0;
  // It will never stand: nothing has been executed. The user gives the stream back from within this call.
  virtual void OnConnectFailed() = 0;

 protected:
  ~StreamUser() = default;
};

// To a backend. Lent by a pool, and given back to it, after which it must not be touched.
class UpstreamStream {
 public:
  // The request: its head once, with as much of the body as is at hand, then the other pieces up to the last.
  // `plan` may be null. May be called before the connection stands.
  virtual void SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                        const BodyPiece& first) = 0;
  virtual void SendBody(const BodyPiece& piece) = 0;
  // The caller has ended its side of the connection, behind its request. Passed on where that can be told.
  virtual void SendEnd() = 0;
  // After SendEnd.
  virtual bool send_ended() const = 0;
  // Sends what was kept, as far as the peer takes it. False when it never will.
  virtual bool Flush() = 0;
  // Bytes kept.
  virtual size_t unsent() const = 0;
  // Nothing more can be sent; what has come can still be read.
  virtual bool write_failed() const = 0;
  // Where a body goes that is spliced, while nothing is unsent; null: it has to be sent. And what has gone
  // there.
  virtual StreamSocket* splice_sink() { return nullptr; }
  virtual void NoteSpliced(const BodyPiece& /*piece*/) {}

  // The response: heads, the last of which is no interim one, then pieces. What ReadBody gives directly after
  // a head is what has come with it, which may be nothing; it makes no new read. After a head that switches
  // protocols pieces are bytes of the other protocol, and none is the last: kEnded is their orderly end.
  virtual ReadResult ReadHead(const http::ResponseHead** head) = 0;
  virtual ReadResult ReadBody(BodyPiece* piece) = 0;
  // As ReadBody, but straight to `sink`: the piece says how much it was, and there is nothing to take. Null:
  // what comes next has to be read.
  virtual std::optional<ReadResult> SpliceBody(StreamSocket& /*sink*/, BodyPiece* /*piece*/) {
    return std::nullopt;
  }
  // Done with what was read last.
  virtual void Took() = 0;
  // Something of the response has come.
  bool begun() const { return begun_; }
  Executed executed() const { return executed_; }
  // Before the response has begun `executed` may turn out to be kNothing, for a request that was sent: who
  // wants to send that again keeps it.
  bool refusable() const { return refusable_; }
  // After kReset: what the peer has said; kInternal where it has only gone.
  StreamError error() const { return error_; }
  // Name of what was malformed; empty for nothing.
  virtual std::string_view fault() const = 0;
  // All bytes that the head of the response has announced were read, though the end has not come.
  virtual bool gave_all() const { return false; }

  bool connecting() const { return connecting_; }
  // The peer has reset it, though it need not have been read to there.
  virtual bool failed() const = 0;
  // Memory of its buffers, and what the kernel holds beyond that.
  virtual size_t held_bytes() const = 0;
  virtual size_t QueuedBytes() const = 0;
  // Since when the peer has taken nothing of what is unsent.
  virtual uint64_t blocked_since_ms() const = 0;

 protected:
  ~UpstreamStream() = default;

  bool connecting_ = true;
  bool begun_ = false;
  bool refusable_ = false;
  Executed executed_ = Executed::kPossibly;
  StreamError error_ = StreamError::kInternal;
};

// What a step has led to. After anything but kOpen the exchange is over and must not be touched.
enum class Progress : uint8_t {
  kOpen,
  // The connection can carry another request.
  kNextRequest,
  kClosed,
};

// How a downstream stream ends.
enum class StreamEnd : uint8_t {
  // The response has been taken, all of it.
  kComplete,
  // Both sides of a relay have ended.
  kRelayed,
  // Less has been sent than the response has, and the caller must be able to see that.
  kTruncated,
  kReset,
};

// Where a request comes from: the same for all streams of a connection.
struct Caller {
  int32_t frontend = 0;
  NetAddress original;
  // For the access log; of no family until LoadPeer.
  NetAddress peer;
  Protocol protocol = Protocol::kHttp1;
  // What streams say that they have sent and received is what the connection has carried.
  bool counts_bytes = true;
};

// As HTTP has it, or as a call of gRPC is told (LocalReply::grpc).
enum class ReplyForm : uint8_t { kHttp, kGrpc };

// From an application. Belongs to its connection, which gives it to one exchange.
class DownstreamStream {
 public:
  virtual const Caller& caller() const = 0;
  virtual void LoadPeer() = 0;

  // The body of the request, after its head, which Start has given; as UpstreamStream. The head is good until
  // Took, and behind it, until Took too, is what ReadBody gives without a new read, if there is any.
  virtual bool body_at_hand() const = 0;
  virtual ReadResult ReadBody(BodyPiece* piece) = 0;
  virtual std::optional<ReadResult> SpliceBody(StreamSocket& /*sink*/, BodyPiece* /*piece*/) {
    return std::nullopt;
  }
  virtual void Took() = 0;
  virtual std::string_view fault() const = 0;
  // The caller has ended its side of the connection and nothing stands before that which was not read. May
  // ask the kernel. No end of a caller where a connection has many streams.
  virtual bool CallerEnded() const = 0;
  // How long a response made here waits for the end of its request, which is read away meanwhile; 0: not at
  // all. `early`: no backend has had the request, so the caller may not have had the time to send all of it.
  virtual uint32_t reply_waits_ms(bool early) const = 0;

  // The response: interim heads, then a head with as much of the body as is at hand, then the other pieces up
  // to the last; or a reply, which is complete. Each returns the bytes that this is on the connection.
  // `plan` may be null; `fields`: lines of this response alone.
  virtual size_t SendInterim(const http::ResponseHead& head) = 0;
  virtual size_t SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                          const BodyPiece& first) = 0;
  virtual size_t SendBody(const BodyPiece& piece) = 0;
  // As UpstreamStream.
  virtual StreamSocket* splice_sink() { return nullptr; }
  virtual size_t NoteSpliced(const BodyPiece& /*piece*/) { return 0; }
  // `may_keep`: the connection may go on afterwards. `form`: other than of HTTP on a stream of HTTP/2 only.
  virtual size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields,
                           bool may_keep) = 0;
  // In a relay: this side gets no more.
  virtual void SendEnd() = 0;
  // The caller has asked for another protocol, and takes any success for the consent (RFC 8441 section 5).
  virtual bool takes_success_for_switch() const { return false; }
  // As UpstreamStream.
  virtual bool Flush() = 0;
  virtual size_t unsent() const = 0;
  virtual bool write_failed() const = 0;
  virtual bool failed() const = 0;
  // Nothing can be sent any more, nor will anything come.
  virtual bool gone() const = 0;
  // What the caller has reset it with; kCancelled where it has not, or has not said why.
  virtual StreamError error() const = 0;
  // Why it is gone: the caller has left, or was told to for what it sent.
  virtual Reason why_gone() const { return Reason::kDownstreamReset; }

  // There will be no more of a response that has begun. True: what is unsent is still worth delivering; then
  // the stream ends like a complete one, and the caller is told `why` after that. False: it ends at once,
  // kTruncated.
  virtual bool Truncate(StreamError why) = 0;
  // The exchange is over and lets go. Never calls it again. `why`: with kTruncated and kReset.
  virtual Progress End(StreamEnd how, StreamError why) = 0;
  // After a step that did not begin with an event of this stream has led to kNextRequest.
  virtual void NextRequest() = 0;

 protected:
  ~DownstreamStream() = default;
};

// What serves the requests of downstream streams, one object each: an exchange.
class RequestServer {
 public:
  // The head, good until `stream` is told that it was taken. Nothing else is called before.
  virtual Progress Start(DownstreamStream& stream, const http::RequestHead& head) = 0;
  // Something may have come, or may be sent, or the stream has ended.
  virtual Progress OnDownstreamEvent() = 0;
  // Ends it, and says why where there is somebody to hear it.
  virtual void Cut(Reason reason) = 0;

  // Memory of its buffers, beside those of the stream; `sockets`: and what the kernel holds for them.
  virtual size_t HeldBytes(bool sockets) const = 0;
  // The backend does not take what is to be sent to it; since when, 0 if it does.
  virtual uint64_t BlockedSinceMs() const = 0;
  // Gives up what is kept only to be sent again; returns how much that was.
  virtual size_t DropReplay() = 0;
  virtual void Describe(StateRecords& records) const = 0;

 protected:
  ~RequestServer() = default;
};

// In place of the number of a backend: the request is answered here, or there is none.
inline constexpr double kNoBackend = -2;

// Of a connection no more than so many requests are described, the oldest ones.
inline constexpr size_t kDescribedRequests = 16;

class RequestServers {
 public:
  // One that is free. It goes back by itself when its stream has ended.
  virtual RequestServer* Take() = 0;

 protected:
  ~RequestServers() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_STREAM_H_
