// A connection from an application: reads one request head after another and starts an exchange for each.
//
// Stage before: whoever hands the descriptor over (HttpEngine::Adopt, Take). Stage after: exchange, one at a
// time; what has arrived behind its request waits here, so pipelined requests are answered in order.
#ifndef SIDEROUTE_HTTP1_DOWNSTREAM_CONNECTION_H_
#define SIDEROUTE_HTTP1_DOWNSTREAM_CONNECTION_H_

#include <cstdint>
#include <span>

#include "exchange/exchange.h"
#include "http/engine_context.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "net/stream_socket.h"
#include "net/timer_wheel.h"

namespace sideroute {

class StateRecords;

class Downstream final : public StreamSocket, public Disposable, public ListNode<Downstream> {
 public:
  // `peer`: of no family when it is not known.
  Downstream(EngineContext& context, int32_t frontend, const NetAddress& original, const NetAddress& peer);
  ~Downstream() override;

  int32_t frontend() const { return frontend_; }
  const NetAddress& original() const { return original_; }
  // For the access log; of no family until it is loaded.
  const NetAddress& peer() const { return peer_; }
  void LoadPeer();

  // The exchange is over and has let go.
  void OnExchangeEnded() {
    exchange_ = nullptr;
    ++served_;
    idle_since_ms_ = context_.wheel.now_ms();
  }
  // Reads the first request, of which `first` is here.
  void Begin(std::span<char> first);
  // Goes on with the next request, kept bytes first.
  void ReadRequests() { ReadRequests({}); }
  // After the last response. `orderly`: the peer has nothing more to say, so nothing can overtake the
  // response.
  void CloseAfterResponse(bool orderly);
  void CloseNow(bool reset);
  // Gives the peer the time an idle connection has from now on.
  void AwaitRequest();
  // No request has begun.
  bool idle() const { return exchange_ == nullptr; }
  // While idle.
  uint64_t idle_since_ms() const { return idle_since_ms_; }
  // Ends whatever goes on. For the end of the engine.
  void Abandon();

  // What there is to gain by closing it: memory of its buffers, those of its exchange included; `sockets`:
  // and what the kernel holds.
  size_t HeldBytes(bool sockets) const;
  // Since when nothing has become of what it holds, as far as that is known.
  uint64_t StandsSinceMs() const;
  size_t DropReplay();
  // Ends what it does, and says why where there is somebody to hear it.
  void Shed();

  uint64_t number() const { return number_; }
  void Describe(StateRecords& records) const;

 private:
  void OnEvent() override;
  void OnTimer();
  // `first_bytes`: read elsewhere, before any others.
  void ReadRequests(std::span<char> first_bytes);
  // `window`: the head as far as it has come, when it is at hand.
  void Refuse(Reason reason, const Window* window = nullptr);
  void LogRefused(const LocalReply& reply, const Window* window, size_t reply_bytes);
  void OnReadEnd(bool broken);

  EngineContext& context_;
  const int32_t frontend_;
  const NetAddress original_;
  const uint64_t number_;
  const uint64_t opened_ms_;
  uint64_t idle_since_ms_;
  uint64_t served_ = 0;
  NetAddress peer_;
  Exchange* exchange_ = nullptr;
  // Header or idle timeout, by whether an exchange has begun.
  MemberTimer<Downstream, &Downstream::OnTimer> timer_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP1_DOWNSTREAM_CONNECTION_H_
