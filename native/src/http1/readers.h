// What reads one message of HTTP/1.x, apart from the connections, most of which read none: taken for a
// request or a response, and given back.
#ifndef SIDEROUTE_HTTP1_READERS_H_
#define SIDEROUTE_HTTP1_READERS_H_

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "http/engine_types.h"
#include "http1/body_reader.h"
#include "http1/head.h"

namespace sideroute::http1 {

struct RequestReader {
  explicit RequestReader(const EngineSettings& settings) : head(fields, settings.request_limits) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  std::array<Field, kMaxHeaderFields> fields;
  RequestHeadParser head;
  BodyReader body{SectionKind::kRequestTrailer};
};

struct ResponseReader {
  explicit ResponseReader(const EngineSettings& settings) : head(fields, settings.response_limits) {}
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  std::array<Field, kMaxHeaderFields> fields;
  ResponseHeadParser head;
  BodyReader body{SectionKind::kResponseTrailer};
};

template <typename Reader>
class ReaderPool {
 public:
  std::unique_ptr<Reader> Take(const EngineSettings& settings) {
    if (free_.empty()) return std::make_unique<Reader>(settings);
    std::unique_ptr<Reader> reader = std::move(free_.back());
    free_.pop_back();
    return reader;
  }
  void Give(std::unique_ptr<Reader> reader) {
    if (free_.size() < kMaxSpare) free_.push_back(std::move(reader));
  }
  void Trim() {
    free_.clear();
    free_.shrink_to_fit();
  }

 private:
  static constexpr size_t kMaxSpare = 256;

  std::vector<std::unique_ptr<Reader>> free_;
};

struct Readers {
  ReaderPool<RequestReader> requests;
  ReaderPool<ResponseReader> responses;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_READERS_H_
