// HTTP/2 bytes as a test writes and reads them: frames are built by hand, so that invalid ones can be sent
// too.
#ifndef SIDEROUTE_TEST_HTTP2_FRAMES_H_
#define SIDEROUTE_TEST_HTTP2_FRAMES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http2/frame.h"

namespace sideroute::test {

struct Frame {
  http2::FrameHeader header;
  std::string payload;

  // The error code of an RST_STREAM or a GOAWAY.
  http2::ErrorCode code() const {
    if (payload.size() < 4) return http2::ErrorCode::kNoError;
    const size_t at = header.type == http2::FrameType::kGoaway ? 4 : 0;
    return static_cast<http2::ErrorCode>(http2::Read32(payload.data() + at));
  }
};

std::string MakeFrame(http2::FrameType type, uint8_t flags, uint32_t stream, std::string_view payload = {});
// Literals without indexing, so that header blocks do not depend on each other.
std::string Block(const std::vector<std::pair<std::string, std::string>>& fields);
// A whole HEADERS frame.
std::string Headers(uint32_t stream, bool last,
                    const std::vector<std::pair<std::string, std::string>>& fields);
// A complete GET, and a POST whose body follows.
std::string Get(uint32_t stream, std::string_view path = "/");
std::string Post(uint32_t stream);
std::string Data(uint32_t stream, std::string_view bytes, bool last = false);
std::string Number(uint32_t value);
// Preface and empty SETTINGS.
std::string Hello();

// The complete frames.
std::vector<Frame> FramesOf(std::string_view bytes);
size_t CountOf(const std::vector<Frame>& frames, http2::FrameType type);
// The last frame of this type; an empty DATA frame of stream 0 if there is none.
Frame LastOf(const std::vector<Frame>& frames, http2::FrameType type);

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_HTTP2_FRAMES_H_
