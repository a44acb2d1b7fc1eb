// What all parts of one HTTP engine share. Owned by HttpEngine.
#ifndef SIDEROUTE_HTTP_ENGINE_CONTEXT_H_
#define SIDEROUTE_HTTP_ENGINE_CONTEXT_H_

#include <uv.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/engine_types.h"
#include "http/header_plan.h"
#include "net/byte_buffer.h"
#include "net/descriptor_budget.h"
#include "net/disposable.h"
#include "net/scratch.h"
#include "net/shared.h"
#include "net/timer_wheel.h"

namespace sideroute {

class Backend;
class Backends;
class ConnectionList;
class DeadlineQueue;
class LingeringClose;
class MemoryGuard;
class OwnDials;
class PipePool;
class Reactor;
class RequestLog;
class RequestServers;
class StreamSocket;
class Tracer;

namespace http1 {
struct Readers;
}
namespace http2 {
struct Commons;
}

// The destination of a mirrored request.
struct MirrorTarget {
  int32_t backend = -1;
  // Empty: no edits.
  Shared<HeaderPlan> plan;
  int32_t series = 0;
};
using MirrorGroup = std::vector<MirrorTarget>;

// All bytes of one read count as arrived at one time, so the clock is read once per window and not several
// times per request.
class Moment {
 public:
  void Begin() {
    lasts_ = true;
    ns_ = 0;
  }
  void End() { lasts_ = false; }
  // Called after something that takes time, so that the clock is read again.
  void Forget() { ns_ = 0; }
  uint64_t NowNs() {
    if (!lasts_) return uv_hrtime();
    if (ns_ == 0) ns_ = uv_hrtime();
    return ns_;
  }

 private:
  bool lasts_ = false;
  uint64_t ns_ = 0;
};

struct EngineContext {
  EngineContext(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors,
                const MemoryGuard& memory, EngineHost& host, Backends& backends, RequestServers& servers,
                http1::Readers& readers, DeadlineQueue& linger_deadlines, ConnectionList& lingering,
                const EngineSettings& settings);
  ~EngineContext();
  EngineContext(const EngineContext&) = delete;
  EngineContext& operator=(const EngineContext&) = delete;

  // Memory is so short that no new work is started.
  bool short_of_memory() const;
  // Destroys `object` when the turn ends: its methods may be on the stack and its events in the batch.
  void Bury(std::unique_ptr<Disposable> object) { buried.push_back(std::move(object)); }
  // Returns an object that will send the unsent bytes of a connection, then FIN. The caller starts it after
  // it has closed the connection. Null: the peer is gone, or there are too many such objects.
  LingeringClose* Linger(StreamSocket& socket);
  // Makes ServeWaiting be called once at the end of the turn.
  void ServeLater(Backend* backend, bool* marked) {
    if (*marked) return;
    *marked = true;
    backends_to_serve.push_back(backend);
  }
  // A random value within a quarter of `mean`.
  uint32_t Jitter(uint32_t mean) { return mean - mean / 4 + static_cast<uint32_t>(Random(mean / 2 + 1)); }
  // A random number from 0 to `bound` - 1.
  uint64_t Random(uint64_t bound) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    return (random >> 33) % bound;
  }
  // The line `Date: ... CRLF` for the current second.
  std::string_view DateLine();

  Reactor& reactor;
  OwnDials& own_dials;
  DescriptorBudget& descriptors;
  const MemoryGuard& memory;
  EngineHost& host;
  Backends& backends;
  RequestServers& servers;
  http1::Readers& readers;
  http2::Commons* http2 = nullptr;
  DeadlineQueue& linger_deadlines;
  ConnectionList& lingering;
  const EngineSettings settings;
  EngineCounters counters;
  BlockPool blocks;
  Scratch scratch;
  // For splicing long bodies.
  const std::unique_ptr<PipePool> pipes;
  TimerWheel wheel;
  // Scratch buffer for a head that is sent at once.
  ByteBuffer head;
  // Tables of the route table in force, indexed by the numbers in decisions.
  SharedTable<HeaderPlan> plans;
  SharedTable<Policy> policies;
  SharedTable<MirrorGroup> mirror_groups;
  // A deque, because a reply that is being sent must not move while others are added.
  std::deque<LocalReply> replies;
  // Index into `replies` by Reason.
  std::array<int32_t, kReasonCount> reason_replies{};
  // Filled while the host decides; the exchange takes it over.
  std::string decided_fields;
  // Null: there is no access log.
  std::shared_ptr<RequestLog> log;
  // Null: traces are off.
  std::shared_ptr<Tracer> tracer;
  // Every response is the last one of its connection.
  bool closes() const { return draining || crowded; }
  bool draining = false;
  // The limit of connections is reached and others wait for a place.
  bool crowded = false;
  bool closing = false;
  std::vector<std::unique_ptr<Disposable>> buried;
  std::vector<Backend*> backends_to_serve;
  // Number of the newest connection, in either direction.
  uint64_t last_number = 0;
  // Connections made within the same millisecond have the same burst number; never 0.
  uint64_t burst = 1;
  uint64_t random = 0x5eed;
  Moment moment;

 private:
  int64_t date_second_ = -1;
  char date_line_[64] = {};
  size_t date_length_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_HTTP_ENGINE_CONTEXT_H_
