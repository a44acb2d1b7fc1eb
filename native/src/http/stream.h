// Streams: one request and its response on one connection, whatever the version of HTTP. This is all that an
// exchange and a mirror know about connections.
//
// Stage before: the connections of http1 and http2, which implement them. Stage after: exchange and mirror,
// which join a downstream stream with one upstream stream after another.
//
// Reading is done by polling. An event only says that something may have changed; its receiver reads what it
// can use until it gets kAgain. What a read gives lies in a buffer that all connections share, or in one of
// the connection. It is valid until Took, and until any other stream is read. So a piece is first sent on,
// then marked as taken.
//
// Sending never fails at once, and the only callback during a send is OnConnected. What the peer does not
// take now is kept. The sender checks `unsent` before it reads the next piece, so a source is read only while
// its sink takes bytes. That is the whole back-pressure.
//
// A long body of known length need not be read: if both connections carry it unchanged, the kernel splices it
// from one to the other (SpliceBody). Code that needs the bytes, to keep or copy them, reads them.
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

// The version of HTTP on a connection.
enum class Protocol : uint8_t { kHttp1, kHttp2 };
inline constexpr size_t kProtocols = 2;

// Fields after a body, with offsets from `data` as in a head. Those marked for dropping are not forwarded.
struct Trailers {
  const char* data = nullptr;
  std::span<const http::Field> fields;
};

// A part of a body, without framing.
struct BodyPiece {
  std::string_view bytes;
  // The body ends with this piece, which may be empty.
  bool last = false;
  // Only with the last piece.
  Trailers trailers;
  // The number of bytes it had on its connection, framing included.
  size_t wire_bytes = 0;
};

// If less of a body than this is left, a read is cheaper than a splice.
inline constexpr uint64_t kLeastSpliced = 32 * 1024;

// The result of a read.
enum class ReadResult : uint8_t {
  // The requested data was given.
  kGiven,
  // Nothing for now; an event follows.
  kAgain,
  // The peer has ended its side where no message may end.
  kEnded,
  // The connection is gone, or the peer has reset the stream.
  kReset,
  // The data is not valid HTTP; `fault` says what is wrong.
  kMalformed,
};

// Why a stream was reset, by either side. The values are those of HTTP/2 (RFC 9113 section 7), so a code is
// passed on unchanged; an unknown code becomes kInternal. HTTP/1 has no codes: its connection is reset.
enum class StreamError : uint8_t {
  kNone = 0x0,
  kProtocol = 0x1,
  kInternal = 0x2,
  kFlowControl = 0x3,
  kSettingsTimeout = 0x4,
  kStreamClosed = 0x5,
  kFrameSize = 0x6,
  // Refused before anything was executed: see Executed.
  kRefused = 0x7,
  // The result is not needed any more.
  kCancelled = 0x8,
  kCompression = 0x9,
  // The connection behind a CONNECT failed.
  kConnect = 0xa,
  kEnhanceYourCalm = 0xb,
  kInadequateSecurity = 0xc,
  kHttp11Required = 0xd,
};

// Whether a failed request may have had an effect.
enum class Executed : uint8_t {
  // The peer promises that it did not and will not process it: REFUSED_STREAM, or a GOAWAY with a lower id.
  // It may be sent again, whatever its method.
  kNothing,
  // No part of a response came on a connection that had been idle: most likely the peer had closed it before.
  // A request that is safe to send twice may be sent again.
  kUnlikely,
  kPossibly,
};

// Which copy of a request is written. The body of a mirror is not held back, so its head must not ask for a
// 100.
enum class RequestCopy : uint8_t { kOwn, kMirror };

// The user of an upstream stream. Calls come from the loop or from a timer, never from within a call to the
// stream, except for OnConnected from SendHead.
class StreamUser {
 public:
  // Something may have arrived, bytes may be sent, or the stream has ended.
  virtual void OnStreamEvent() = 0;
  // The connection is established. A stream event follows, unless this comes from within SendHead. Then it is
  // the last thing that SendHead does, and the arguments of SendHead are not needed any more.
  virtual void OnConnected() = 0;
  // The connection cannot be established, so nothing was executed. The user gives the stream back within this
  // call.
  virtual void OnConnectFailed() = 0;

 protected:
  ~StreamUser() = default;
};

// A stream to a backend. A pool lends it; after it was given back it must not be touched.
class UpstreamStream {
 public:
  // The request: its head once, with the part of the body that is at hand, then the other pieces up to the
  // last. `plan` may be null. May be called before the connection is established.
  virtual void SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                        const BodyPiece& first) = 0;
  virtual void SendBody(const BodyPiece& piece) = 0;
  // The caller has ended its side of the connection after this request. Passed on if the protocol can express
  // it.
  virtual void SendEnd() = 0;
  // SendEnd was called.
  virtual bool send_ended() const = 0;
  // Sends kept bytes, as far as the peer takes them. Returns false if it never will.
  virtual bool Flush() = 0;
  // Bytes kept.
  virtual size_t unsent() const = 0;
  // Nothing more can be sent; what has arrived can still be read.
  virtual bool write_failed() const = 0;
  // The socket to splice the body to, while nothing is unsent; null: pieces have to be sent. NoteSpliced
  // reports what was spliced.
  virtual StreamSocket* splice_sink() { return nullptr; }
  virtual void NoteSpliced(const BodyPiece& /*piece*/) {}

  // The response: heads, of which the last is not interim, then pieces. Directly after a head, ReadBody gives
  // the bytes that came with it, perhaps none, without a new read. After a head that switches protocols,
  // pieces are bytes of the other protocol and none is marked last: kEnded is their regular end.
  virtual ReadResult ReadHead(const http::ResponseHead** head) = 0;
  virtual ReadResult ReadBody(BodyPiece* piece) = 0;
  // Like ReadBody, but moves the bytes directly to `sink`: the piece only has their number, and Took is not
  // called. Null: the next bytes have to be read.
  virtual std::optional<ReadResult> SpliceBody(StreamSocket& /*sink*/, BodyPiece* /*piece*/) {
    return std::nullopt;
  }
  // The caller is done with what was read last.
  virtual void Took() = 0;
  // Some part of the response has arrived.
  bool begun() const { return begun_; }
  Executed executed() const { return executed_; }
  // Until the response has begun, `executed` may still become kNothing for a request that was sent. A user
  // that wants to send the request again then has to keep it.
  bool refusable() const { return refusable_; }
  // After kReset: the peer's error code; kInternal if the connection was lost.
  StreamError error() const { return error_; }
  // The name of what was malformed; empty if nothing was.
  virtual std::string_view fault() const = 0;
  // All bytes announced in the response head were read, although the stream has not ended.
  virtual bool gave_all() const { return false; }

  bool connecting() const { return connecting_; }
  // The peer has reset the stream, even if not everything before that was read.
  virtual bool failed() const = 0;
  // Bytes in its buffers, and bytes held by the kernel beyond that.
  virtual size_t held_bytes() const = 0;
  virtual size_t QueuedBytes() const = 0;
  // Since when the peer has taken none of the unsent bytes.
  virtual uint64_t blocked_since_ms() const = 0;

 protected:
  ~UpstreamStream() = default;

  bool connecting_ = true;
  bool begun_ = false;
  bool refusable_ = false;
  Executed executed_ = Executed::kPossibly;
  StreamError error_ = StreamError::kInternal;
};

// The result of a step. After anything but kOpen the exchange is over and must not be touched.
enum class Progress : uint8_t {
  kOpen,
  // The connection can carry another request.
  kNextRequest,
  kClosed,
};

// How a downstream stream ends.
enum class StreamEnd : uint8_t {
  // The response was sent completely.
  kComplete,
  // Both sides of a relay have ended.
  kRelayed,
  // The response is incomplete, and the caller must be able to see that.
  kTruncated,
  kReset,
};

// The origin of a request: the same for all streams of a connection.
struct Caller {
  int32_t frontend = 0;
  NetAddress original;
  // For the access log; without an address family until LoadPeer.
  NetAddress peer;
  Protocol protocol = Protocol::kHttp1;
  // The byte counts of its streams are those of the connection.
  bool counts_bytes = true;
};

// An HTTP response, or the form for a gRPC call (LocalReply::grpc).
enum class ReplyForm : uint8_t { kHttp, kGrpc };

// A stream from an application. Its connection owns it and gives it to one exchange.
class DownstreamStream {
 public:
  virtual const Caller& caller() const = 0;
  virtual void LoadPeer() = 0;

  // The body of the request, as in UpstreamStream; its head was passed to Start. The head is valid until
  // Took, and so are the bytes after it that ReadBody gives without a new read.
  virtual bool body_at_hand() const = 0;
  virtual ReadResult ReadBody(BodyPiece* piece) = 0;
  virtual std::optional<ReadResult> SpliceBody(StreamSocket& /*sink*/, BodyPiece* /*piece*/) {
    return std::nullopt;
  }
  virtual void Took() = 0;
  virtual std::string_view fault() const = 0;
  // The caller has ended its side of the connection, and everything before that was read. May ask the kernel.
  // Always false if the connection has many streams.
  virtual bool CallerEnded() const = 0;
  // How long a local reply waits for the end of the request, which is read and dropped meanwhile; 0: it does
  // not wait. `early`: no backend had the request, so the caller may not have had the time to send all of it.
  virtual uint32_t reply_waits_ms(bool early) const = 0;

  // The response: interim heads, then a head with the part of the body that is at hand, then the other pieces
  // up to the last; or a complete reply. Each returns the number of bytes it has on the connection. `plan`
  // may be null; `fields`: header lines of this response only.
  virtual size_t SendInterim(const http::ResponseHead& head) = 0;
  virtual size_t SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                          const BodyPiece& first) = 0;
  virtual size_t SendBody(const BodyPiece& piece) = 0;
  // As UpstreamStream.
  virtual StreamSocket* splice_sink() { return nullptr; }
  virtual size_t NoteSpliced(const BodyPiece& /*piece*/) { return 0; }
  // `may_keep`: the connection may go on afterwards. `form` is kGrpc only on an HTTP/2 stream.
  virtual size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields,
                           bool may_keep) = 0;
  // In a relay: nothing more is sent to this side.
  virtual void SendEnd() = 0;
  // The caller has asked for another protocol and takes any 2xx as consent (RFC 8441 section 5).
  virtual bool takes_success_for_switch() const { return false; }
  // As UpstreamStream.
  virtual bool Flush() = 0;
  virtual size_t unsent() const = 0;
  virtual bool write_failed() const = 0;
  virtual bool failed() const = 0;
  // Nothing can be sent any more, and nothing will arrive.
  virtual bool gone() const = 0;
  // The error code of the caller's reset; kCancelled if there was none or it had no code.
  virtual StreamError error() const = 0;
  // Why it is gone: the caller has left, or was cut off for what it sent.
  virtual Reason why_gone() const { return Reason::kDownstreamReset; }

  // A response that has begun gets no more bytes. True: the unsent bytes are still worth delivering; the
  // stream then ends like a complete one, and the caller is told `why` afterwards. False: the stream has to
  // end at once, with kTruncated.
  virtual bool Truncate(StreamError why) = 0;
  // The exchange is over, lets the stream go and never calls it again. `why` counts with kTruncated and
  // kReset.
  virtual Progress End(StreamEnd how, StreamError why) = 0;
  // Called if a step that did not begin with an event of this stream led to kNextRequest.
  virtual void NextRequest() = 0;

 protected:
  ~DownstreamStream() = default;
};

// Serves one request of a downstream stream: an exchange.
class RequestServer {
 public:
  // The head is valid until `stream` is told that it was taken. This is the first call.
  virtual Progress Start(DownstreamStream& stream, const http::RequestHead& head) = 0;
  // Something may have arrived, bytes may be sent, or the stream has ended.
  virtual Progress OnDownstreamEvent() = 0;
  // Ends the exchange, with a reply or error code that says why if the caller can still be told.
  virtual void Cut(Reason reason) = 0;

  // Bytes in its buffers, beside those of the stream; with `sockets`, those the kernel holds for them too.
  virtual size_t HeldBytes(bool sockets) const = 0;
  // Since when the backend has not taken what is to be sent to it; 0 if it does take it.
  virtual uint64_t BlockedSinceMs() const = 0;
  // Frees what is kept only to be sent again; returns the number of bytes.
  virtual size_t DropReplay() = 0;
  virtual void Describe(StateRecords& records) const = 0;

 protected:
  ~RequestServer() = default;
};

// Stands for the number of a backend if the request is answered here or has none.
inline constexpr double kNoBackend = -2;

// Of each connection, at most this many requests are described, the oldest ones.
inline constexpr size_t kDescribedRequests = 16;

class RequestServers {
 public:
  // Returns a free one. It goes back to the pool by itself when its stream has ended.
  virtual RequestServer* Take() = 0;

 protected:
  ~RequestServers() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_STREAM_H_
