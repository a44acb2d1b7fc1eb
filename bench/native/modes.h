// What the generator of load can do. Each mode prints one line of JSON.
#ifndef SIDEROUTE_BENCH_MODES_H_
#define SIDEROUTE_BENCH_MODES_H_

#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "messages.h"

namespace bench {

struct Load {
  sockaddr_in to{};
  uint32_t connections = 1;
  uint32_t milliseconds = 1000;
  // Requests a second, of the open loop.
  double rate = 1000;
  // Every message has a connection of its own, which the other side closes.
  bool is_closing = false;
  std::vector<Message> messages;
};

// As many messages as are answered, each connection with one at a time.
void RunClosed(const Load& load);

// Messages at times that do not depend on the answers, which are those of independent callers: the gaps are
// exponentially distributed, and the same in every run. One that finds every connection taken waits for one.
// Latency counts from the time when a message was to be sent, so that nothing is left out while responses are
// late. The first fifth of the time is not counted.
void RunOpen(const Load& load);

// Connections that have had one response each, held until standard input ends.
void RunHold(const Load& load);

// Tries until a response comes, and prints when that was by the monotonic clock.
void RunReady(const Load& load);

}  // namespace bench

#endif  // SIDEROUTE_BENCH_MODES_H_
