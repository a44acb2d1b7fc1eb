// The modes of the load generator. Each prints one line of JSON.
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
  // Requests per second, in the open loop.
  double rate = 1000;
  // Every message has its own connection, which the other side closes.
  bool is_closing = false;
  std::vector<Message> messages;
};

// Closed loop: each connection sends the next message when the previous one is answered.
void RunClosed(const Load& load);

// Open loop: messages are sent at times that do not depend on the responses, like those of independent
// callers. The gaps are exponentially distributed, and the same in every run. If all connections are busy, a
// message waits for one. Latency counts from the time at which a message was due, so late responses do not
// hide delays. The first fifth of the time is not counted.
void RunOpen(const Load& load);

// Connections that have had one response each, kept open until standard input ends.
void RunHold(const Load& load);

// Tries until a response arrives, and prints the time of that on the monotonic clock.
void RunReady(const Load& load);

}  // namespace bench

#endif  // SIDEROUTE_BENCH_MODES_H_
