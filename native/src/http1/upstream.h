// An HTTP/1.x connection to a backend: one stream at a time; the next one begins after the last byte of the
// previous.
//
// Stage before: upstream/upstream_pool, which owns it, dials it and lends its stream. Stage after: exchange
// and mirror, see http/stream.h. The stream is part of the connection, so no request allocates one.
#ifndef SIDEROUTE_HTTP1_UPSTREAM_H_
#define SIDEROUTE_HTTP1_UPSTREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/body_writer.h"
#include "http1/readers.h"
#include "net/stream_socket.h"
#include "upstream/upstream_connection.h"

namespace sideroute::http1 {

class Upstream final : public UpstreamConnection, public StreamSocket, public UpstreamStream {
 public:
  Upstream(EngineContext& context, Endpoint& endpoint);
  ~Upstream() override;

  void SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                const BodyPiece& first) override;
  void SendBody(const BodyPiece& piece) override;
  void SendEnd() override { ShutdownWrite(); }
  bool send_ended() const override { return write_ended(); }
  bool Flush() override { return StreamSocket::Flush(); }
  size_t unsent() const override { return StreamSocket::unsent(); }
  bool write_failed() const override { return StreamSocket::write_failed(); }
  StreamSocket* splice_sink() override { return framing_ == OutFraming::kRaw ? this : nullptr; }
  void NoteSpliced(const BodyPiece& piece) override;

  ReadResult ReadHead(const http::ResponseHead** head) override;
  ReadResult ReadBody(BodyPiece* piece) override;
  std::optional<ReadResult> SpliceBody(StreamSocket& sink, BodyPiece* piece) override;
  void Took() override;
  std::string_view fault() const override;

  bool failed() const override { return StreamSocket::failed(); }
  size_t held_bytes() const override { return StreamSocket::held_bytes(); }
  size_t QueuedBytes() const override { return StreamSocket::QueuedBytes(); }
  uint64_t blocked_since_ms() const override { return StreamSocket::blocked_since_ms(); }

 private:
  int Open(UniqueFd fd) override { return StreamSocket::Open(std::move(fd)); }
  UpstreamStream* BeginStream(StreamUser& user, bool careful) override;
  bool EndStream(UpstreamStream& stream, GivenBack how, StreamError why) override;
  void Shut(bool reset) override { StreamSocket::Close(reset); }
  int descriptor() const override { return fd(); }

  // The response has ended and the connection can serve another request.
  bool clean() const;
  void OnEvent() override;
  void SendFramed(FramedPiece& framed);
  void Stand();
  // Asks the kernel (getpeername).
  bool IsConnected() const;
  void NoteHead(const ResponseHead& head);
  void NoteKeepAlive(const ResponseHead& head);

  EngineContext& context_;
  StreamUser* user_ = nullptr;
  // Held from SendHead on.
  std::unique_ptr<ResponseReader> reader_;
  ResponseContext response_context_;
  OutFraming framing_ = OutFraming::kRaw;
  bool in_body_ = false;
  bool switched_ = false;
  bool request_done_ = false;
  bool response_done_ = false;
  bool keep_alive_ = false;
  // The bytes received after the head are still in `window_`.
  bool at_hand_ = false;
  bool more_ = false;
  // The window that was read last, and how many of its bytes were given.
  Window window_;
  size_t taken_ = 0;
  // Bytes given to Send before the connection was established.
  size_t offered_ = 0;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_UPSTREAM_H_
