#include "http2_frames.h"

namespace sideroute::test {

using http2::FrameType;

namespace {

// An integer with a seven-bit prefix (RFC 7541 section 5.1).
std::string Length(size_t length) {
  std::string bytes;
  if (length < 127) return std::string(1, static_cast<char>(length));
  bytes.push_back(127);
  for (length -= 127; length >= 128; length >>= 7) bytes.push_back(static_cast<char>(length | 128));
  bytes.push_back(static_cast<char>(length));
  return bytes;
}

}  // namespace

std::string MakeFrame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame(http2::kFrameHeaderBytes, '\0');
  http2::WriteFrameHeader(frame.data(), payload.size(), type, flags, stream);
  return frame.append(payload);
}

std::string Block(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string block;
  for (const auto& [name, value] : fields) {
    block.push_back(0);
    block += Length(name.size()) + name + Length(value.size()) + value;
  }
  return block;
}

std::string Headers(uint32_t stream, bool last,
                    const std::vector<std::pair<std::string, std::string>>& fields) {
  const uint8_t flags = http2::kFlagEndHeaders | (last ? http2::kFlagEndStream : 0);
  return MakeFrame(FrameType::kHeaders, flags, stream, Block(fields));
}

std::string Get(uint32_t stream, std::string_view path) {
  return Headers(
      stream, true,
      {{":method", "GET"}, {":scheme", "http"}, {":path", std::string(path)}, {":authority", "a"}});
}

std::string Post(uint32_t stream) {
  return Headers(stream, false,
                 {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
}

std::string Data(uint32_t stream, std::string_view bytes, bool last) {
  return MakeFrame(FrameType::kData, last ? http2::kFlagEndStream : 0, stream, bytes);
}

std::string Number(uint32_t value) {
  std::string bytes(4, '\0');
  http2::Write32(bytes.data(), value);
  return bytes;
}

std::string Hello() { return std::string(http2::kPreface) + MakeFrame(FrameType::kSettings, 0, 0); }

std::vector<Frame> FramesOf(std::string_view bytes) {
  if (bytes.starts_with(http2::kPreface)) bytes.remove_prefix(http2::kPreface.size());
  std::vector<Frame> frames;
  while (bytes.size() >= http2::kFrameHeaderBytes) {
    Frame frame;
    frame.header = http2::ReadFrameHeader(bytes.data());
    if (bytes.size() < http2::kFrameHeaderBytes + frame.header.length) break;
    frame.payload = bytes.substr(http2::kFrameHeaderBytes, frame.header.length);
    bytes.remove_prefix(http2::kFrameHeaderBytes + frame.header.length);
    frames.push_back(std::move(frame));
  }
  return frames;
}

size_t CountOf(const std::vector<Frame>& frames, FrameType type) {
  size_t count = 0;
  for (const Frame& frame : frames) count += frame.header.type == type ? 1 : 0;
  return count;
}

Frame LastOf(const std::vector<Frame>& frames, FrameType type) {
  Frame last;
  for (const Frame& frame : frames) {
    if (frame.header.type == type) last = frame;
  }
  return last;
}

}  // namespace sideroute::test
