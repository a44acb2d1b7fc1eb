#include "http1/body_relay.h"

#include <sys/uio.h>

#include <cstring>

namespace sideroute {

namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n";

// Size in hexadecimal and CRLF, at the end of `buffer`.
std::string_view ChunkLine(size_t size, std::array<char, 20>& buffer) {
  char* at = buffer.data() + buffer.size();
  *--at = '\n';
  *--at = '\r';
  do {
    *--at = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  return {at, static_cast<size_t>(buffer.data() + buffer.size() - at)};
}

class Parts {
 public:
  void Add(std::string_view bytes) {
    if (!bytes.empty()) parts_[count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  std::span<iovec> all() { return {parts_.data(), count_}; }

 private:
  std::array<iovec, 6> parts_;
  size_t count_ = 0;
};

}  // namespace

// Hot path.
BodyRelay::Status BodyRelay::Pass(std::string_view head, char* data, size_t length, size_t* used,
                                  BodySink& sink) {
  // Payload is moved together over the framing between its pieces, so that a window goes out as one chunk
  // however many chunks it came in (SAFETY 62).
  char* payload = data;
  size_t payload_length = 0;
  size_t at = 0;
  http1::BodyStep step;
  for (;;) {
    step = decoder_.Next(data + at, length - at);
    if (step.event != http1::BodyEvent::kData) break;
    if (payload_length == 0) {
      payload = const_cast<char*>(step.bytes.data());
    } else if (payload + payload_length != step.bytes.data()) {
      std::memmove(payload + payload_length, step.bytes.data(), step.bytes.size());
    }
    payload_length += step.bytes.size();
    at += step.consumed;
  }
  *used = at + step.consumed;
  const bool done = step.event == http1::BodyEvent::kDone;

  Parts parts;
  parts.Add(head);
  std::array<char, 20> chunk_line;
  std::string tail;
  if (framing_ == OutFraming::kRaw) {
    parts.Add({payload, payload_length});
  } else {
    if (payload_length > 0) {
      parts.Add(ChunkLine(payload_length, chunk_line));
      parts.Add({payload, payload_length});
      parts.Add(kCrlf);
    }
    if (done) {
      parts.Add(kLastChunk);
      for (const http1::Field& field : decoder_.trailers()) {
        if (field.drop()) continue;
        const std::string_view name = field.Name(step.bytes.data());
        const std::string_view value = field.Value(step.bytes.data());
        tail.append(name).append(": ").append(value).append(kCrlf);
      }
      tail.append(kCrlf);
      parts.Add(tail);
    }
  }
  if (!parts.all().empty()) sink.SendParts(parts.all());
  if (done) return Status::kDone;
  return step.event == http1::BodyEvent::kError ? Status::kBroken : Status::kNeedMore;
}

BodyRelay::Status BodyRelay::End(BodySink& sink) {
  if (decoder_.Finish().event != http1::BodyEvent::kDone) return Status::kBroken;
  if (framing_ == OutFraming::kChunked) {
    Parts parts;
    parts.Add("0\r\n\r\n");
    sink.SendParts(parts.all());
  }
  return Status::kDone;
}

}  // namespace sideroute
