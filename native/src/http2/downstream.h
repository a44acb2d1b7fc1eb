// An HTTP/2 connection from an application: many requests at a time, each with its own stream.
//
// Stage before: whoever hands over the descriptor (HttpEngine::Take). Stage after: one downstream_stream for
// each request, and an exchange behind it.
//
//   serving --drain--> GOAWAY 2^31-1 --a moment later--> GOAWAY with the last stream --> closed with the
//   last of the streams
#ifndef SIDEROUTE_HTTP2_DOWNSTREAM_H_
#define SIDEROUTE_HTTP2_DOWNSTREAM_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "http/downstream_connection.h"
#include "http/engine_context.h"
#include "http2/connection.h"
#include "http2/downstream_stream.h"
#include "net/net_address.h"
#include "net/timer_wheel.h"

namespace sideroute::http2 {

class Downstream final : public Connection, public DownstreamConnection {
 public:
  Downstream(EngineContext& context, int32_t frontend, const NetAddress& original, const NetAddress& peer);
  ~Downstream() override;

  void Begin(std::span<char> first) override;
  void AwaitRequest() override;
  void Drain() override;
  bool idle() const override { return streams() == 0; }
  uint64_t idle_since_ms() const override { return idle_since_ms_; }
  bool CloseIdle() override;
  void Abandon() override;
  size_t HeldBytes(bool sockets) const override;
  uint64_t StandsSinceMs() const override;
  size_t DropReplay() override;
  void Shed() override;
  uint64_t number() const override { return number_; }
  void Describe(StateRecords& records) const override;
  template <typename Visit>
  void VisitRequests(const Visit& visit) const;

  // For the streams of this connection.
  uint32_t early_reply_waits_ms() const;
  const Caller& caller() const { return caller_; }
  void LoadPeer();
  RequestServers& servers() { return context_.servers; }
  size_t SendHead(DownstreamRequest& request, const http::ResponseHead& head, const HeaderPlan* plan,
                  std::string_view fields, bool last);
  size_t SendReply(DownstreamRequest& request, const LocalReply& reply, ReplyForm form,
                   std::string_view fields, bool last);
  void EndRequest(DownstreamRequest& request, ErrorCode code);

 private:
  enum class Leaving : uint8_t { kNo, kAnnounced, kNamed };

  void OnEvent() override;
  Block OnBlock(uint32_t id, Stream* stream, bool ended) override;
  void OnBlockEnd(uint32_t id, const Block& block, bool ended) override;
  void Tell(Stream& stream) override;
  // A client serves no streams of ours, so its GOAWAY changes nothing.
  void OnGoaway(uint32_t, ErrorCode) override {}
  void OnStreams() override;
  void OnSettled() override {
    if (streams() == 0 && !partial_block_) AwaitRequest();
  }
  void OnOver(bool orderly) override;
  void OnPartialBlock(bool partial) override;
  void OnFailing(std::string_view fault) override;
  void OnTimer();
  void Serve(DownstreamRequest& request);
  void Refuse(DownstreamRequest& request, HeadFault fault);
  void RefuseStream(uint32_t id);
  // `fault`: its name for the log. `head`: the request head as far as it is known.
  void NoteRefused(Reason reason, std::string_view fault, uint16_t status, const HeadBuilder* head = nullptr);
  void CutAll(Reason reason);
  void NameLast();
  void CloseNow(bool reset);
  void CloseLingering();

  const uint64_t number_;
  const uint64_t opened_ms_;
  uint64_t idle_since_ms_;
  uint64_t served_ = 0;
  Caller caller_;
  Leaving leaving_ = Leaving::kNo;
  bool partial_block_ = false;
  // Why the connection fails, if no frame is at fault.
  bool timed_out_ = false;
  bool shed_ = false;
  // A complete head that has not been served yet.
  const http::RequestHead* head_ = nullptr;
  // For an incomplete header block, for idleness, or between the two GOAWAYs.
  MemberTimer<Downstream, &Downstream::OnTimer> timer_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_DOWNSTREAM_H_
