// A downstream stream whose connection is somebody else's, who reads requests from it and writes responses to
// it: JavaScript, for the uws engine. Everything in between is the engine's.
//
// Stage before: a carrier, which hands over heads and pieces of bodies and is told what to write. Stage
// after: an exchange, as http/stream.h says. Free of Node-API.
//
// The carrier may say anything at any time, from within a call to it as well: what comes while a batch is
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

// Lengths of a response body that are none.
inline constexpr int64_t kUnknownLength = -1;
inline constexpr int64_t kBodiless = -2;

// A part of a response, in the order of its bytes.
struct OuterPart {
  // What stands behind `HTTP/1.1 ` in the first part: status and reason, then the lines of fields, each but
  // the last with CRLF. Without Date and what frames the body, which the carrier writes. Empty: it has gone.
  std::string_view head;
  std::string_view body;
  // Of the whole body.
  int64_t length = kUnknownLength;
  // The response ends with this part.
  bool last = false;
  // The connection ends with the response.
  bool close = false;
};

class OuterCarrier {
 public:
  // Takes all of it, and does not keep what it refers to. False: some waits for the peer, and OnRoom follows
  // when that has left.
  virtual bool Send(OuterStream& stream, const OuterPart& part) = 0;
  // The body of the request is wanted again, after OnBody has answered false.
  virtual void Resume(OuterStream& stream) = 0;
  // Breaks the connection off. The stream is over.
  virtual void Reset(OuterStream& stream) = 0;

 protected:
  ~OuterCarrier() = default;
};

// Those of one engine.
struct OuterStreams {
  IntrusiveList<OuterStream> open;
  // To be told of what has happened when the batch ends.
  std::vector<OuterStream*> awake;
};

class OuterStream final : public ListNode<OuterStream>, private DownstreamStream {
 public:
  // `number`: what the carrier calls it. One request after the other, with one carrier.
  OuterStream(EngineContext& context, OuterStreams& streams, OuterCarrier& carrier, uint32_t number);
  ~OuterStream();

  uint32_t number() const { return number_; }
  // From a Start that was not refused to the end of the exchange.
  bool open() const { return exchange_ != nullptr; }
  // What OnBody has answered last.
  bool wants_body() const { return !open() || !paused_; }

  struct Arrived {
    std::string_view head;
    // The carrier knows no longer which bytes these were.
    bool lossy = false;
    // What is at hand of the body, and whether that is all.
    std::string_view body;
    bool last = true;
  };
  // A request begins. Not while open, nor within a batch. The reason for which it is refused, which the host
  // has been told: the carrier answers, and closes.
  std::optional<Reason> Start(const Caller& caller, const Arrived& arrived);
  // More of the body. False: no more for now, Resume follows.
  bool OnBody(std::string_view bytes, bool last);
  // All that was sent has left.
  void OnRoom();
  // The connection is gone.
  void OnGone();
  // After OnGone, OnBody and OnRoom within a batch.
  void Wake();
  // What is decided now is its request.
  bool starting() const { return starting_; }
  // While its request is being decided: the connection is not kept.
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
  // There are no relays: what asks for one is refused.
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

  // Of the request in progress.
  http::MethodId method_ = http::MethodId::kOther;
  bool keep_alive_ = false;
  bool gone_ = false;
  // All of the body has come; all of it has been given to the exchange.
  bool ended_ = false;
  bool done_ = false;
  // The carrier waits for Resume.
  bool paused_ = false;
  // The connection ends with the response.
  bool close_ = false;
  int64_t length_ = kUnknownLength;
  // What has come and nobody has taken yet: kept first, then what is at hand.
  ByteBuffer in_;
  std::string_view at_hand_;
  // Of what was read last.
  size_t given_ = 0;
  bool given_kept_ = false;
  // A head that waits for the first byte behind it.
  std::string head_;
  // Bytes that the carrier keeps, and since when.
  size_t unsent_ = 0;
  uint64_t blocked_since_ms_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_OUTER_STREAM_H_
