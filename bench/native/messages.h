// What the load sends: messages of one request or of several at once, which whoever starts the program has
// written to a file, each as a line `REQUESTS LENGTH` and so many bytes.
#ifndef SIDEROUTE_BENCH_MESSAGES_H_
#define SIDEROUTE_BENCH_MESSAGES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Message {
  uint32_t requests = 1;
  std::string bytes;
};

// Ends the program when the file is not as it should be.
std::vector<Message> ReadMessages(const char* path);

// Says why on standard error, and ends the program.
[[noreturn]] void Fail(const char* what, int error = 0);

}  // namespace bench

#endif  // SIDEROUTE_BENCH_MESSAGES_H_
