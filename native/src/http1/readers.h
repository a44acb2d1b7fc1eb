// The parsers and buffers for one HTTP/1.x message. They are pooled and not part of a connection, because
// most connections are not reading a message: a connection takes a reader for a request or response and gives
// it back.
#ifndef SIDEROUTE_HTTP1_READERS_H_
#define SIDEROUTE_HTTP1_READERS_H_

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "http/engine_types.h"
#include "http1/body_reader.h"
#include "http1/head.h"

namespace sideroute::http1 {

struct RequestReader {
  explicit RequestReader(const EngineSettings& settings) : head(fields, settings.request_limits) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  RequestReader* next_free = nullptr;
  std::array<Field, kMaxHeaderFields> fields;
  RequestHeadParser head;
  BodyReader body{SectionKind::kRequestTrailer};
};

struct ResponseReader {
  explicit ResponseReader(const EngineSettings& settings) : head(fields, settings.response_limits) {}
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  ResponseReader* next_free = nullptr;
  std::array<Field, kMaxHeaderFields> fields;
  ResponseHeadParser head;
  BodyReader body{SectionKind::kResponseTrailer};
};

template <typename Reader>
class ReaderPool {
 public:
  ReaderPool() = default;
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;
  ~ReaderPool() { Trim(); }

  // Hot path, as is Give.
  std::unique_ptr<Reader> Take(const EngineSettings& settings) {
    if (free_ == nullptr) return std::make_unique<Reader>(settings);
    Reader* reader = free_;
    free_ = reader->next_free;
    --spare_;
    return std::unique_ptr<Reader>(reader);
  }
  void Give(std::unique_ptr<Reader> reader) {
    if (spare_ == kMaxSpare) return;
    ++spare_;
    reader->next_free = free_;
    free_ = reader.release();
  }
  void Trim() {
    while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
    spare_ = 0;
  }

 private:
  static constexpr size_t kMaxSpare = 256;

  Reader* free_ = nullptr;
  size_t spare_ = 0;
};

struct Readers {
  ReaderPool<RequestReader> requests;
  ReaderPool<ResponseReader> responses;
};

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_READERS_H_
