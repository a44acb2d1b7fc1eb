// Finds the ends of the responses on a connection. Takes no other than complete ones with status 200 and a
// Content-Length, which is what the backends of the benchmark send.
#ifndef SIDEROUTE_BENCH_RESPONSE_READER_H_
#define SIDEROUTE_BENCH_RESPONSE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class ResponseReader {
 public:
  // How many responses ended within these bytes; -1: something else than a response that is taken.
  int Take(std::string_view bytes);

 private:
  // False: not a head that is taken.
  bool TakeHead(std::string_view head);

  // Of a head that has not ended yet.
  std::string head_;
  uint64_t body_left_ = 0;
};

}  // namespace bench

#endif  // SIDEROUTE_BENCH_RESPONSE_READER_H_
