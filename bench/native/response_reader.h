// Finds the ends of the responses on a connection. Accepts only complete responses with status 200 and a
// Content-Length, which is what the backends of the benchmark send.
#ifndef SIDEROUTE_BENCH_RESPONSE_READER_H_
#define SIDEROUTE_BENCH_RESPONSE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class ResponseReader {
 public:
  // How many responses ended within these bytes; -1: the bytes are not an acceptable response.
  int Take(std::string_view bytes);
  // True if the last head said that no other response follows on this connection (RFC 9112 section 9.6).
  bool is_last() const { return is_last_; }

 private:
  // Returns false if the head is not acceptable.
  bool TakeHead(std::string_view head);

  // Bytes of an incomplete head.
  std::string head_;
  uint64_t body_left_ = 0;
  bool is_last_ = false;
};

}  // namespace bench

#endif  // SIDEROUTE_BENCH_RESPONSE_READER_H_
