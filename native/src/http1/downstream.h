// An HTTP/1.x connection from an application: one request after another, a stream each.
//
// Stage before: whoever hands the descriptor over (HttpEngine::Adopt, Take). Stage after: an exchange, one at
// a time, as http/stream.h says; what has arrived behind its request waits here, so pipelined requests are
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
  // `peer`: of no family when it is not known.
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
  // Goes on with the next request, kept bytes first. `first_bytes`: read elsewhere, before any others.
  void ReadRequests(std::span<char> first_bytes);
  // The head in `window_` is complete.
  Progress Serve();
  void EndRead();
  void OnReadEnd(bool broken);
  // `window`: the head as far as it has come, when it is at hand.
  void Refuse(Reason reason, const Window* window = nullptr);
  // After the last response. `orderly`: the peer has nothing more to say, so nothing can overtake the
  // response.
  void CloseAfterResponse(bool orderly);
  bool request_done() const { return reader_->body.done(); }
  // `last`: the connection is closed as soon as all of it is sent.
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
  // From the first byte of a request to the end of its exchange.
  std::unique_ptr<RequestReader> reader_;
  // From the end of the request's head on.
  RequestServer* exchange_ = nullptr;
  // Header or idle timeout, by whether a request has begun.
  MemberTimer<Downstream, &Downstream::OnTimer> timer_;

  // Of the request in progress.
  bool http10_ = false;
  bool keep_alive_ = false;
  // It is the last one of the connection.
  bool close_ = false;
  // The body of the response lasts until the connection ends, so its end proves nothing unless it is a reset.
  bool until_close_ = false;
  bool switched_ = false;
  OutFraming framing_ = OutFraming::kRaw;
  // What was received behind the head is still in `window_`.
  bool at_hand_ = false;
  bool more_ = false;
  // Read last, and how much of it was given.
  Window window_;
  size_t taken_ = 0;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_DOWNSTREAM_H_
