// A downstream stream on a connection of a carrier, which reads the requests and writes the responses:
// JavaScript, for the uws engine. Everything in between is the engine's. Free of Node-API.
//
// Stage before: a carrier, which passes heads and pieces of bodies and is told what to write. Stage after: an
// exchange, see http/stream.h.
//
// The carrier may call at any time, even from within a call to it. Calls that come during a batch are
// recorded, and handled when the batch ends.
// under way is noted, and acted on when the batch ends.
#ifndef SIDEROUTE_ENGINE_OUTER_STREAM_H_
#define SIDEROUTE_ENGINE_OUTER_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/engine_context.h"
#include "http/stream.h"
#include "net/byte_buffer.h"
#include "net/intrusive_list.h"

namespace sideroute {

class OuterStream;

// Values of a body length that stand for no length.
inline constexpr int64_t kUnknownLength = -1;
inline constexpr int64_t kBodiless = -2;

// Part of a response; parts come in order.
struct OuterPart {
  // In the first part: the text after `HTTP/1.1 `, that is status, reason and field lines, each but the last
  // with CRLF. Without Date and the fields that frame the body, which the carrier writes. Empty in later
  // parts.
  std::string_view head;
  std::string_view body;
  // Length of the whole body.
  int64_t length = kUnknownLength;
  // The response ends with this part.
  bool last = false;
  // The connection closes after the response.
  bool close = false;
};

class OuterCarrier {
 public:
  // Takes the whole part, and copies what it keeps. Returns false if some of it waits for the peer; OnRoom
  // follows when that has been sent.
  virtual bool Send(OuterStream& stream, const OuterPart& part) = 0;
  // More of the request body is wanted, after OnBody has returned false.
  virtual void Resume(OuterStream& stream) = 0;
  // Resets the connection. The stream is over.
  virtual void Reset(OuterStream& stream) = 0;

 protected:
  ~OuterCarrier() = default;
};

// The outer streams of one engine.
struct OuterStreams {
  IntrusiveList<OuterStream> open;
  // Streams that have to be woken when the batch ends.
  std::vector<OuterStream*> awake;
};

class OuterStream final : public ListNode<OuterStream>, private DownstreamStream {
 public:
  // `number`: the carrier's number for this stream. The stream serves one request after another.
  OuterStream(EngineContext& context, OuterStreams& streams, OuterCarrier& carrier, uint32_t number);
  ~OuterStream();

  uint32_t number() const { return number_; }
  // True from an accepted Start to the end of the exchange.
  bool open() const { return exchange_ != nullptr; }
  // The last result of OnBody.
  bool wants_body() const { return !open() || !paused_; }

  struct Arrived {
    std::string_view head;
    // The carrier does not know the original bytes of the head any more.
    bool lossy = false;
    // The part of the body that is at hand, and whether it is all of it.
    std::string_view body;
    bool last = true;
  };
  // Begins a request. Not while open, and not within a batch. Returns the reason if the request is refused;
  // the host has been told then, and the carrier replies and closes.
  std::optional<Reason> Start(const Caller& caller, const Arrived& arrived);
  // More of the body. Returns false if no more is wanted for now; Resume follows.
  bool OnBody(std::string_view bytes, bool last);
  // Everything that Send took has been sent.
  void OnRoom();
  // The connection is gone.
  void OnGone();
  // Handles OnGone, OnBody and OnRoom calls that came within a batch.
  void Wake();
  // The host is deciding the request of this stream.
  bool starting() const { return starting_; }
  // Called while the request is decided: the connection closes after it.
  void CloseAfterwards() { keep_alive_ = false; }

  // As http1::Downstream.
  size_t HeldBytes(bool sockets) const;
  uint64_t StandsSinceMs() const;
  size_t DropReplay();
  // As RequestServer.
  void Cut(Reason reason);

 private:
  void Step();
  void StepLater();
  void KeepRest();
  bool PauseOrGiveUp();
  bool request_done() const { return done_; }
  size_t Pass(const OuterPart& part);

  const Caller& caller() const override { return caller_; }
  void LoadPeer() override {}
  bool body_at_hand() const override { return !at_hand_.empty(); }
  ReadResult ReadBody(BodyPiece* piece) override;
  void Took() override;
  std::string_view fault() const override { return {}; }
  bool CallerEnded() const override { return false; }
  uint32_t reply_waits_ms(bool) const override {
    return keep_alive_ && !context_.closes() ? context_.settings.discard_timeout_ms : 0;
  }
  size_t SendInterim(const http::ResponseHead&) override { return 0; }
  size_t SendHead(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view fields,
                  const BodyPiece& first) override;
  size_t SendBody(const BodyPiece& piece) override;
  size_t SendReply(const LocalReply& reply, ReplyForm form, std::string_view fields, bool may_keep) override;
  // There are no relays: requests for one are refused.
  void SendEnd() override {}
  bool Flush() override { return !gone_; }
  size_t unsent() const override { return unsent_; }
  bool write_failed() const override { return gone_; }
  bool failed() const override { return gone_; }
  bool gone() const override { return gone_; }
  StreamError error() const override { return StreamError::kCancelled; }
  bool Truncate(StreamError) override { return false; }
  Progress End(StreamEnd how, StreamError why) override;
  void NextRequest() override {}

  EngineContext& context_;
  OuterStreams& streams_;
  OuterCarrier& carrier_;
  const uint32_t number_;
  RequestServer* exchange_ = nullptr;
  bool starting_ = false;
  Caller caller_;
  bool awake_ = false;

  // State of the request in progress.
  http::MethodId method_ = http::MethodId::kOther;
  bool keep_alive_ = false;
  bool gone_ = false;
  // `ended_`: the whole body has arrived; `done_`: the exchange has read all of it.
  bool ended_ = false;
  bool done_ = false;
  // The carrier waits for Resume.
  bool paused_ = false;
  // The connection closes after the response.
  bool close_ = false;
  int64_t length_ = kUnknownLength;
  // Received bytes that were not taken: those kept come first, then those at hand.
  ByteBuffer in_;
  std::string_view at_hand_;
  // How much the last read gave, and whether from `in_`.
  size_t given_ = 0;
  bool given_kept_ = false;
  // A head that waits for the first body bytes.
  std::string head_;
  // Bytes that the carrier keeps, and since when.
  size_t unsent_ = 0;
  uint64_t blocked_since_ms_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_OUTER_STREAM_H_
