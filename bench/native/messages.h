// What the load generator sends: messages of one or several requests, which the caller of the program has
// written to a file, each as a line `REQUESTS LENGTH` followed by that many bytes.
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

// Ends the program if the file is malformed.
std::vector<Message> ReadMessages(const char* path);

// Prints the reason to standard error and ends the program.
[[noreturn]] void Fail(const char* what, int error = 0);

}  // namespace bench

#endif  // SIDEROUTE_BENCH_MESSAGES_H_
