// One connection to an endpoint of a backend: dialled for one user, and lends streams, one at a time or many,
// as its protocol has them.
//
// Stage before: upstream_pool, which owns it. Stage after: the streams that it lends (http/stream.h). What a
// protocol has to do is in the private functions below; http1/upstream does it.
//
//   connecting --> lends <--> idle --> closed (broken, too old, used often enough, or simply idle for too
//   long)
//                    `--> drains: no new streams, closed with the last one
//
// One with many streams that is too old, or used often enough, lends until another one stands in its place.
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
// In the list of all connections to backends; the other lists they are in are those of lenders.
struct EveryUpstream;
class StateRecords;
class UniqueFd;

// How a stream comes back.
enum class GivenBack : uint8_t {
  // The response has ended, and is what the user wanted.
  kDone,
  // With a reset: what the peer has is not to be taken for a whole request.
  kReset,
  // Orderly, and nothing of it is to be used again.
  kClosed,
};

class UpstreamConnection : public Disposable,
                           public ListNode<UpstreamConnection>,
                           public ListNode<UpstreamConnection, EveryUpstream> {
 public:
  // In a list of those that can lend a stream now.
  using ListNode<UpstreamConnection>::linked;
  using ListNode<UpstreamConnection>::Unlink;

  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  // Starts to connect. 0 or a negative errno.
  int Dial();
  // Its connect was refused or took too long.
  void CountConnectFailure();
  bool stands() const { return stands_; }

  // While `has_room`. Null: it has turned out to be of no use. `careful`: asks the kernel first, because what
  // is to be sent must not be sent twice.
  UpstreamStream* Lend(StreamUser& user, bool careful);
  // False when it cannot lend another one.
  bool TakeBack(UpstreamStream& stream, GivenBack how, StreamError why) {
    --lent_;
    if (shared()) --context_.counters.upstream_streams;
    return EndStream(stream, how, why);
  }
  // Streams that are lent.
  uint32_t lent() const { return lent_; }
  // How many it has lent in that burst.
  uint32_t LentIn(uint64_t burst) const { return lent_burst_ == burst ? lent_in_burst_ : 0; }
  // Can lend one more now, as far as their number goes.
  bool has_room() const { return lent_ < limit_ && !used_up() && !draining_; }
  // Has lent as many as one connection ever may.
  bool used_up() const { return requests_ >= (shared() ? kMostStreamsEver : most_requests_); }
  // Not too old to do so.
  bool young() const { return context_.wheel.now_ms() < retire_ms_; }
  // Has carried enough, and might be replaced.
  bool served_enough() const { return requests_ >= most_requests_; }
  // Has many streams at a time.
  bool shared() const { return protocol_ != Protocol::kHttp1; }

  // Lends no more streams, and closes with the last one; at once when it has none.
  void Drain();
  // The same, of one that could go on.
  void Retire(Retirement why);
  bool draining() const { return draining_; }
  // Nobody has a stream of it, and it stands.
  bool idle() const { return idle_; }
  uint64_t idle_since_ms() const { return idle_since_ms_; }

  Protocol protocol() const { return protocol_; }
  Endpoint& endpoint() const { return endpoint_; }
  uint64_t number() const { return number_; }
  void Describe(StateRecords& records) const;

 protected:
  // `limit`: streams at a time.
  UpstreamConnection(EngineContext& context, Endpoint& endpoint, Protocol protocol, uint32_t limit);

  // The connect has succeeded.
  void NoteStands();
  // It has failed, and who has a stream has been told.
  void NoteFailed();
  // The peer allows so many streams at a time from now on. Those that are lent stay.
  void SetLimit(uint32_t limit);
  // How long the peer keeps an idle connection; 0: it has not said.
  void SetAnnouncedIdle(uint32_t ms) { announced_idle_ms_ = ms; }
  // Streams lent so far.
  uint32_t requests() const { return requests_; }

 private:
  friend class Backend;

  // What a protocol has to do. Takes a socket that is connecting; 0 or a negative errno. Users of streams are
  // told when it stands, and when it never will; a user who is told that gives its stream back.
  virtual int Open(UniqueFd fd) = 0;
  // A stream begins, on a connection that stands or may come to stand.
  virtual UpstreamStream* BeginStream(StreamUser& user, bool careful) = 0;
  // Its user is not called any more, and the stream is not touched. True: others can be lent.
  virtual bool EndStream(UpstreamStream& stream, GivenBack how, StreamError why) = 0;
  // It lends nothing, and is over. `reset`: with RST.
  virtual void Shut(bool reset) = 0;
  virtual int descriptor() const = 0;

  // There are fewer numbers for streams than that.
  static constexpr uint32_t kMostStreamsEver = 1'000'000'000;

  void BecomeIdle();
  void EndIdle();
  // Nobody has a stream of it and waits for it to stand.
  void StandAlone();
  // Retire, after its time or its number of requests.
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
  // Dialled for nobody, and does not stand yet.
  bool alone_ = false;
  // Is to take its place, and the other way round; null: none, or gone.
  UpstreamConnection* successor_ = nullptr;
  UpstreamConnection* predecessor_ = nullptr;
  uint32_t announced_idle_ms_ = 0;
  uint64_t idle_since_ms_ = 0;
  // Of one that is dialled for nobody, how long that may take.
  MemberTimer<UpstreamConnection, &UpstreamConnection::OnIdleTimer> idle_timer_;
};

// Makes the connections of an engine, of each protocol.
class UpstreamConnector {
 public:
  virtual std::unique_ptr<UpstreamConnection> Make(Endpoint& endpoint, Protocol protocol) = 0;

 protected:
  ~UpstreamConnector() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_CONNECTION_H_
