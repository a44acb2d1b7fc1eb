// An HTTP/1.x connection from an application: one request after another, each with its own stream.
//
// Stage before: whoever hands over the descriptor (HttpEngine::Adopt, Take). Stage after: one exchange at a
// time, see http/stream.h. Bytes that arrive after the current request wait here, so pipelined requests are
// answered in order.
#ifndef SIDEROUTE_HTTP1_DOWNSTREAM_H_
#define SIDEROUTE_HTTP1_DOWNSTREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "http/downstream_connection.h"
#include "http/engine_context.h"
#include "http/stream.h"
#include "http1/body_writer.h"
#include "http1/readers.h"
#include "net/net_address.h"
#include "net/stream_socket.h"
#include "net/timer_wheel.h"

namespace sideroute {
class StateRecords;
}

namespace sideroute::http1 {

class Downstream final : public StreamSocket, public DownstreamConnection, private DownstreamStream {
 public:
  // `peer`: has no address family while it is not known.
  Downstream(EngineContext& context, int32_t frontend, const NetAddress& original, const NetAddress& peer);
  ~Downstream() override;

  void Begin(std::span<char> first) override;
  void AwaitRequest() override;
  void Drain() override {
    if (idle()) AwaitRequest();
  }
  bool idle() const override { return reader_ == nullptr; }
  uint64_t idle_since_ms() const override { return idle_since_ms_; }
  bool CloseIdle() override;
  void Abandon() override;
  size_t HeldBytes(bool sockets) const override;
  uint64_t StandsSinceMs() const override;
  size_t DropReplay() override;
  void Shed() override;
  uint64_t number() const override { return number_; }
  void Describe(StateRecords& records) const override;

 private:
  void CloseNow(bool reset);
  void OnEvent() override;
  void OnTimer();
  // Goes on with the next request, kept bytes first. `first_bytes` were read elsewhere and come before all
  // others.
  void ReadRequests(std::span<char> first_bytes);
  // The head in `window_` is complete.
  Progress Serve();
  void EndRead();
  void OnReadEnd(bool broken);
  // `window`: the received part of the head, if it is at hand.
  void Refuse(Reason reason, const Window* window = nullptr);
  // After the last response. `orderly`: nothing unread is left of the peer's bytes, so close() sends no reset
  // that could overtake the response.
  void CloseAfterResponse(bool orderly);
  bool request_done() const { return reader_->body.done(); }
  // `last`: the connection is closed as soon as everything is sent.
  size_t SendFramed(FramedPiece& framed, bool last);

  const Caller& caller() const override { return caller_; }
  void LoadPeer() override;
  bool body_at_hand() const override { return at_hand_ && taken_ < window_.length; }
  ReadResult ReadBody(BodyPiece* piece) override;
  std::optional<ReadResult> SpliceBody(StreamSocket& sink, BodyPiece* piece) override;
  void Took() override;
  std::string_view fault() const override { return FaultOf(reader_->body.error()); }
  bool CallerEnded() const override { return peer_ended() && AtEnd(); }
  uint32_t reply_waits_ms(bool) const override {
    return keep_alive_ && !context_.closes() ? context_.settings.discard_timeout_ms : 0;
  }
  size_t SendInterim(const http::ResponseHead& head) override;
  size_t SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                  const BodyPiece& first) override;
  size_t SendBody(const BodyPiece& piece) override;
  StreamSocket* splice_sink() override { return framing_ == OutFraming::kRaw ? this : nullptr; }
  size_t NoteSpliced(const BodyPiece& piece) override;
  size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields, bool may_keep) override;
  void SendEnd() override { ShutdownWrite(); }
  bool Flush() override { return StreamSocket::Flush(); }
  size_t unsent() const override { return StreamSocket::unsent(); }
  bool write_failed() const override { return StreamSocket::write_failed(); }
  bool failed() const override { return StreamSocket::failed(); }
  bool gone() const override { return StreamSocket::gone(); }
  StreamError error() const override { return StreamError::kCancelled; }
  bool Truncate(StreamError why) override;
  Progress End(StreamEnd how, StreamError why) override;
  void NextRequest() override { ReadRequests({}); }

  EngineContext& context_;
  const uint64_t number_;
  const uint64_t opened_ms_;
  uint64_t idle_since_ms_;
  uint64_t served_ = 0;
  Caller caller_;
  // Held from the first byte of a request to the end of its exchange.
  std::unique_ptr<RequestReader> reader_;
  // Set once the head of the request is complete.
  RequestServer* exchange_ = nullptr;
  // Header timeout while a request head is incomplete, idle timeout before it, kUnattendedMs during an
  // exchange.
  MemberTimer<Downstream, &Downstream::OnTimer> timer_;

  // State of the request in progress.
  bool http10_ = false;
  bool keep_alive_ = false;
  // The connection is closed after this request.
  bool close_ = false;
  // The response body ends with the connection, so only a reset can show that it is incomplete.
  bool until_close_ = false;
  bool switched_ = false;
  OutFraming framing_ = OutFraming::kRaw;
  // The bytes received after the head are still in `window_`.
  bool at_hand_ = false;
  bool more_ = false;
  // The window that was read last, and how many of its bytes were given.
  Window window_;
  size_t taken_ = 0;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_DOWNSTREAM_H_
