// An HTTP/1.x connection to a backend: one stream at a time, the next after the last byte of the one before.
//
// Stage before: upstream/upstream_connection, which owns it, dials and lends it. Stage after: exchange and
// mirror, as http/stream.h says.
#ifndef SIDEROUTE_HTTP1_UPSTREAM_H_
#define SIDEROUTE_HTTP1_UPSTREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/body_writer.h"
#include "http1/readers.h"
#include "net/stream_socket.h"

namespace sideroute::http1 {

class UpstreamOwner {
 public:
  // The connect has succeeded.
  virtual void OnStands() = 0;
  // Something has come, or it has ended, while nobody uses it.
  virtual void OnIdleEvent() = 0;

 protected:
  ~UpstreamOwner() = default;
};

class Upstream final : public StreamSocket, public UpstreamStream {
 public:
  Upstream(EngineContext& context, UpstreamOwner& owner);
  ~Upstream();

  // A stream begins. `reused`: the connection has served others, so that its peer may just have closed it.
  void Lend(StreamUser* user, bool reused);
  // It has ended.
  void TakeBack();
  // The response has ended and the connection can serve another request.
  bool clean() const;
  // What the peer said last of how long it keeps an idle connection; 0: nothing.
  uint32_t announced_idle_ms() const { return announced_idle_ms_; }

  void SendHead(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy,
                const BodyPiece& first) override;
  void SendBody(const BodyPiece& piece) override;
  void SendEnd() override { ShutdownWrite(); }
  bool send_ended() const override { return write_ended(); }
  bool Flush() override { return StreamSocket::Flush(); }
  size_t unsent() const override { return StreamSocket::unsent(); }
  bool write_failed() const override { return StreamSocket::write_failed(); }

  ReadResult ReadHead(const http::ResponseHead** head) override;
  ReadResult ReadBody(BodyPiece* piece) override;
  void Took() override;
  std::string_view fault() const override;

  bool failed() const override { return StreamSocket::failed(); }
  size_t held_bytes() const override { return StreamSocket::held_bytes(); }
  size_t QueuedBytes() const override { return StreamSocket::QueuedBytes(); }
  uint64_t blocked_since_ms() const override { return StreamSocket::blocked_since_ms(); }

  int descriptor() const { return fd(); }

 private:
  void OnEvent() override;
  void SendFramed(FramedPiece& framed);
  void Stand();
  // Asks the kernel.
  bool IsConnected() const;
  void NoteHead(const ResponseHead& head);
  void NoteKeepAlive(const ResponseHead& head);

  EngineContext& context_;
  UpstreamOwner& owner_;
  StreamUser* user_ = nullptr;
  // From SendHead on.
  std::unique_ptr<ResponseReader> reader_;
  ResponseContext response_context_;
  OutFraming framing_ = OutFraming::kRaw;
  bool in_body_ = false;
  bool switched_ = false;
  bool request_done_ = false;
  bool response_done_ = false;
  bool keep_alive_ = false;
  // What was received behind a head is still in `window_`.
  bool at_hand_ = false;
  bool more_ = false;
  // Read last, and how much of it was given.
  Window window_;
  size_t taken_ = 0;
  // Handed over before the connection stood.
  size_t offered_ = 0;
  uint32_t announced_idle_ms_ = 0;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_UPSTREAM_H_
