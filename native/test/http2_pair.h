// An application and a backend that use HTTP/2, with an engine between them.
#ifndef SIDEROUTE_TEST_HTTP2_PAIR_H_
#define SIDEROUTE_TEST_HTTP2_PAIR_H_

#include <cstdint>
#include <string>

#include "check.h"
#include "engine_stage.h"
#include "http2_frames.h"

namespace sideroute::test {

inline std::string Answer(uint32_t stream, bool last = true) {
  return Headers(stream, last, {{":status", "200"}});
}

// HTTP/2 on both sides; one connection to the backend at a time by default.
inline EngineSettings One() {
  EngineSettings settings;
  settings.upstream_spread = 1;
  return settings;
}

struct Both {
  explicit Both(const EngineSettings& settings = One()) : stage(settings), caller(stage.Connect(true)) {
    stage.engine->backends().Find(0)->SetProtocol(Protocol::kHttp2);
    caller.Send(Hello());
  }

  // The next connection to the backend, which sends its SETTINGS.
  End& Backend() {
    End& backend = stage.Accepted();
    backend.Send(MakeFrame(http2::FrameType::kSettings, 0, 0));
    return backend;
  }
  bool Has(End& end, http2::FrameType type, uint32_t stream, size_t count = 1) {
    return stage.Until([&] {
      size_t there = 0;
      for (const Frame& frame : FramesOf(end.received))
        there += frame.header.type == type && frame.header.stream == stream ? 1 : 0;
      return there >= count;
    });
  }
  http2::ErrorCode CodeOf(End& end, http2::FrameType type, uint32_t stream) {
    CHECK(Has(end, type, stream));
    return LastOf(FramesOf(end.received), type).code();
  }

  Stage stage;
  End& caller;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_HTTP2_PAIR_H_
