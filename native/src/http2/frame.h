// Frames of HTTP/2 and their encoding (RFC 9113 sections 4, 6 and 7).
//
// Stage before: a connection. Stage after: its socket.
#ifndef SIDEROUTE_HTTP2_FRAME_H_
#define SIDEROUTE_HTTP2_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/stream.h"
#include "net/byte_buffer.h"

namespace sideroute::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class FrameType : uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation,
};

inline constexpr uint8_t kFlagEndStream = 1;
inline constexpr uint8_t kFlagAck = 1;
inline constexpr uint8_t kFlagEndHeaders = 4;
inline constexpr uint8_t kFlagPadded = 8;
inline constexpr uint8_t kFlagPriority = 0x20;

// In the order of their code points (RFC 9113 section 7).
enum class ErrorCode : uint32_t {
  kNoError,
  kProtocolError,
  kInternalError,
  kFlowControlError,
  kSettingsTimeout,
  kStreamClosed,
  kFrameSizeError,
  kRefusedStream,
  kCancel,
  kCompressionError,
  kConnectError,
  kEnhanceYourCalm,
  kInadequateSecurity,
  kHttp11Required,
};

// An unknown code means only that something is wrong.
inline StreamError ToStreamError(ErrorCode code) {
  return code <= ErrorCode::kHttp11Required ? static_cast<StreamError>(code) : StreamError::kInternal;
}

enum class Setting : uint16_t {
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
  kMaxHeaderListSize = 6,
  kEnableConnectProtocol = 8,
};

inline constexpr size_t kFrameHeaderBytes = 9;
// The largest payload, in both directions: the minimum of SETTINGS_MAX_FRAME_SIZE.
inline constexpr size_t kMaxFrameBytes = 16'384;
inline constexpr int64_t kDefaultWindow = 65'535;
inline constexpr int64_t kMaxWindow = 0x7fffffff;
inline constexpr uint32_t kMaxStreamId = 0x7fffffff;

struct FrameHeader {
  uint32_t length = 0;
  FrameType type = FrameType::kData;
  uint8_t flags = 0;
  uint32_t stream = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

inline uint32_t Read32(const char* at) {
  const auto byte = [at](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}
inline uint16_t Read16(const char* at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(at[0]) << 8 | static_cast<unsigned char>(at[1]));
}
inline void Write32(char* at, uint32_t value) {
  at[0] = static_cast<char>(value >> 24);
  at[1] = static_cast<char>(value >> 16);
  at[2] = static_cast<char>(value >> 8);
  at[3] = static_cast<char>(value);
}
inline void Write16(char* at, uint16_t value) {
  at[0] = static_cast<char>(value >> 8);
  at[1] = static_cast<char>(value);
}

inline FrameHeader ReadFrameHeader(const char* at) {
  FrameHeader header;
  header.length = Read32(at) >> 8;
  header.type = static_cast<FrameType>(at[3]);
  header.flags = static_cast<uint8_t>(at[4]);
  header.stream = Read32(at + 5) & kMaxStreamId;
  return header;
}

// Writes kFrameHeaderBytes bytes.
inline void WriteFrameHeader(char* at, size_t length, FrameType type, uint8_t flags, uint32_t stream) {
  Write32(at, static_cast<uint32_t>(length << 8));
  at[3] = static_cast<char>(type);
  at[4] = static_cast<char>(flags);
  Write32(at + 5, stream);
}

// Appends a frame header and returns the room for the payload, which the caller must fill completely.
inline char* AddFrame(ByteBuffer& out, size_t length, FrameType type, uint8_t flags, uint32_t stream) {
  char* const at = out.Reserve(kFrameHeaderBytes + length);
  WriteFrameHeader(at, length, type, flags, stream);
  out.Commit(kFrameHeaderBytes + length);
  return at + kFrameHeaderBytes;
}

inline void AddWindowUpdate(ByteBuffer& out, uint32_t stream, uint32_t bytes) {
  Write32(AddFrame(out, 4, FrameType::kWindowUpdate, 0, stream), bytes);
}

inline void AddReset(ByteBuffer& out, uint32_t stream, ErrorCode code) {
  Write32(AddFrame(out, 4, FrameType::kRstStream, 0, stream), static_cast<uint32_t>(code));
}

inline void AddGoaway(ByteBuffer& out, uint32_t last_stream, ErrorCode code) {
  char* const at = AddFrame(out, 8, FrameType::kGoaway, 0, 0);
  Write32(at, last_stream);
  Write32(at + 4, static_cast<uint32_t>(code));
}

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_FRAME_H_
