// One connection to an endpoint of a backend: dialled for one user, it lends streams, one at a time or many,
// depending on its protocol.
//
// Stage before: upstream_pool, which owns it. Stage after: the streams that it lends (http/stream.h). The
// private virtual functions below are the part of a protocol; http1/upstream and http2/upstream implement
// them.
//
//   connecting --> lends <--> idle --> closed (broken, too old, enough requests, or idle for too long)
//                    `--> drains: no new streams, closed with the last one
//
// A connection with many streams that is too old, or has served enough requests, lends until its successor is
// established.
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_

#include <cstdint>
#include <memory>

#include "http/engine_context.h"
#include "http/stream.h"
#include "net/disposable.h"
#include "net/intrusive_list.h"
#include "net/timer_wheel.h"

namespace sideroute {

struct Endpoint;
// Tag for the list of all connections to backends; the untagged list is one of lenders.
struct EveryUpstream;
class StateRecords;
class UniqueFd;

// How a stream comes back.
enum class GivenBack : uint8_t {
  // The response has ended, and the user took all of it.
  kDone,
  // Ended with a reset, so that the peer does not take what it has for a whole request.
  kReset,
  // Ended regularly, but the connection must not be used again.
  kClosed,
};

class UpstreamConnection : public Disposable,
                           public ListNode<UpstreamConnection>,
                           public ListNode<UpstreamConnection, EveryUpstream> {
 public:
  // The list of connections that can lend a stream now.
  using ListNode<UpstreamConnection>::linked;
  using ListNode<UpstreamConnection>::Unlink;

  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  // Starts to connect. Returns 0 or a negative errno.
  int Dial();
  // Counts a connect that was refused or took too long.
  void CountConnectFailure();
  bool stands() const { return stands_; }

  // Only while `has_room`. Returns null if the connection turns out to be unusable. `careful`: the kernel is
  // asked first, because the request must not be sent twice.
  UpstreamStream* Lend(StreamUser& user, bool careful);
  // Returns false if the connection cannot lend another stream.
  bool TakeBack(UpstreamStream& stream, GivenBack how, StreamError why) {
    --lent_;
    if (shared()) --context_.counters.upstream_streams;
    return EndStream(stream, how, why);
  }
  // Number of streams that are lent.
  uint32_t lent() const { return lent_; }
  // Number of streams that it has lent in that burst.
  uint32_t LentIn(uint64_t burst) const { return lent_burst_ == burst ? lent_in_burst_ : 0; }
  // Whether the number of streams allows one more now.
  bool has_room() const { return lent_ < limit_ && !used_up() && !draining_; }
  // Has lent as many streams as one connection ever may.
  bool used_up() const { return requests_ >= (shared() ? kMostStreamsEver : most_requests_); }
  // Not too old to lend another stream.
  bool young() const { return context_.wheel.now_ms() < retire_ms_; }
  // Has served enough requests, and should be replaced.
  bool served_enough() const { return requests_ >= most_requests_; }
  // Has many streams at a time.
  bool shared() const { return protocol_ != Protocol::kHttp1; }

  // Lends no more streams, and closes with the last one, or at once if it has none.
  void Drain();
  // Drains a connection that could go on.
  void Retire(Retirement why);
  bool draining() const { return draining_; }
  // Established, and none of its streams is lent.
  bool idle() const { return idle_; }
  uint64_t idle_since_ms() const { return idle_since_ms_; }

  Protocol protocol() const { return protocol_; }
  Endpoint& endpoint() const { return endpoint_; }
  uint64_t number() const { return number_; }
  void Describe(StateRecords& records) const;

 protected:
  // `limit`: maximum number of streams at a time.
  UpstreamConnection(EngineContext& context, Endpoint& endpoint, Protocol protocol, uint32_t limit);

  // The connect has succeeded.
  void NoteStands();
  // The connect has failed, and the users of its streams have been told.
  void NoteFailed();
  // The peer allows this many streams at a time from now on. Lent streams stay.
  void SetLimit(uint32_t limit);
  // How long the peer keeps an idle connection, in ms; 0: unknown.
  void SetAnnouncedIdle(uint32_t ms) { announced_idle_ms_ = ms; }
  // Number of streams lent so far.
  uint32_t requests() const { return requests_; }

 private:
  friend class Backend;

  // The part of a protocol. Open takes a socket that is connecting; returns 0 or a negative errno. Users of
  // streams are told when it is established or has failed; after a failure the user gives its stream back.
  virtual int Open(UniqueFd fd) = 0;
  // Begins a stream on a connection that is established or connecting.
  virtual UpstreamStream* BeginStream(StreamUser& user, bool careful) = 0;
  // The stream's user is not called any more, and the stream is not touched. Returns true if others can be
  // lent.
  virtual bool EndStream(UpstreamStream& stream, GivenBack how, StreamError why) = 0;
  // The connection lends nothing and is over. `reset`: close with RST.
  virtual void Shut(bool reset) = 0;
  virtual int descriptor() const = 0;

  // Below the number of stream ids that a connection has.
  static constexpr uint32_t kMostStreamsEver = 1'000'000'000;

  void BecomeIdle();
  void EndIdle();
  // Dialled for nobody: no user waits until it is established.
  void StandAlone();
  // Retires it because of its age or its number of requests.
  void RetireServed() { Retire(young() ? Retirement::kRequests : Retirement::kAge); }
  void OnIdleTimer();

  EngineContext& context_;
  Endpoint& endpoint_;
  const uint64_t number_;
  const uint64_t opened_ms_;
  const uint64_t retire_ms_;
  uint32_t lent_ = 0;
  uint64_t lent_burst_ = 0;
  uint32_t lent_in_burst_ = 0;
  uint32_t limit_;
  uint32_t requests_ = 0;
  const uint32_t most_requests_;
  const Protocol protocol_;
  bool stands_ = false;
  bool idle_ = false;
  bool draining_ = false;
  bool connect_failed_ = false;
  // Dialled for nobody, and not established yet.
  bool alone_ = false;
  // The connection that will replace it, and the one it will replace; null: none, or gone.
  UpstreamConnection* successor_ = nullptr;
  UpstreamConnection* predecessor_ = nullptr;
  uint32_t announced_idle_ms_ = 0;
  uint64_t idle_since_ms_ = 0;
  // While it is idle; for one dialled for nobody, the limit for connecting.
  MemberTimer<UpstreamConnection, &UpstreamConnection::OnIdleTimer> idle_timer_;
};

// Makes the connections of an engine, for each protocol.
class UpstreamConnector {
 public:
  virtual std::unique_ptr<UpstreamConnection> Make(Endpoint& endpoint, Protocol protocol) = 0;

 protected:
  ~UpstreamConnector() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
