#include "http/engine_context.h"

#include <cstdio>
#include <ctime>

#include "net/lingering_close.h"
#include "net/memory_guard.h"
#include "net/pipe_pool.h"
#include "net/reactor.h"
#include "net/stream_socket.h"

namespace sideroute {

namespace {
// One is enough: the step that fills a pipe also empties it.
constexpr size_t kMaxIdlePipes = 1;
}  // namespace

EngineContext::EngineContext(Reactor& reactor, OwnDials& own_dials, DescriptorBudget& descriptors,
                             const MemoryGuard& memory, EngineHost& host, Backends& backends,
                             RequestServers& servers, http1::Readers& readers,
                             DeadlineQueue& linger_deadlines, ConnectionList& lingering,
                             const EngineSettings& settings)
    : reactor(reactor),
      own_dials(own_dials),
      descriptors(descriptors),
      memory(memory),
      host(host),
      backends(backends),
      servers(servers),
      readers(readers),
      linger_deadlines(linger_deadlines),
      lingering(lingering),
      settings(settings),
      pipes(std::make_unique<PipePool>(descriptors, kMaxIdlePipes, 0)),
      wheel([](void* context) { return static_cast<Reactor*>(context)->NowMs(); },
            [](void* context, uint64_t due_ms) { static_cast<Reactor*>(context)->WakeAt(due_ms); }, &reactor),
      head(blocks) {}

EngineContext::~EngineContext() = default;

bool EngineContext::short_of_memory() const { return memory.refusing(); }

LingeringClose* EngineContext::Linger(StreamSocket& socket) {
  constexpr size_t kMost = 1024;
  if (socket.write_failed() || socket.gone() || lingering.size() >= kMost) return nullptr;
  std::vector<uint8_t> unsent = socket.TakeUnsent();
  socket.DropKept();
  auto taken = std::make_unique<LingeringClose>(reactor, linger_deadlines, lingering, socket.Detach(),
                                                std::move(unsent));
  LingeringClose* const last = taken.get();
  lingering.Add(std::move(taken));
  return last;
}

std::string_view EngineContext::DateLine() {
  const int64_t now = time(nullptr);
  if (now != date_second_) {
    constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm parts;
    const time_t seconds = now;
    gmtime_r(&seconds, &parts);
    // RFC 9110 section 5.6.7. Not strftime, whose names depend on the locale.
    const int length =
        snprintf(date_line_, sizeof date_line_, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                 kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900,
                 parts.tm_hour, parts.tm_min, parts.tm_sec);
    date_length_ = static_cast<size_t>(length);
    date_second_ = now;
  }
  return {date_line_, date_length_};
}

}  // namespace sideroute
