// Sending: frames gathered for one send at the end of the batch, DATA as far as windows and the socket allow,
// and window updates.
#include <algorithm>
#include <array>
#include <cstring>

#include "http2/connection.h"

namespace sideroute::http2 {

namespace {

// What all streams of a connection together may keep, in bytes.
constexpr int64_t kMostHeld = 4 * 1024 * 1024;
// Bytes framed and not taken by the socket beyond which DATA waits.
constexpr size_t kMostFramed = 256 * 1024;
// So many framed bytes are sent at once and not at the end of the batch.
constexpr size_t kSendAt = 64 * 1024;
// A piece of at least this size goes to the socket without being copied.
constexpr size_t kSendDirectly = 8 * 1024;

size_t Positive(int64_t value) { return value > 0 ? static_cast<size_t>(value) : 0; }

}  // namespace

void Connection::MarkDirty() {
  if (!linked()) commons_.dirty.PushBack(this);
}

void Connection::CountSent(size_t bytes) {
  EngineCounters& counters = context_.counters;
  (side_ == Side::kServer ? counters.bytes_downstream : counters.bytes_upstream) += bytes;
}

void Connection::FlushFrames() {
  Unlink();
  if (frames_.empty() || held_back_ || !open()) return;
  CountSent(frames_.size());
  Send(frames_.data(), frames_.size());
  frames_.Restart();
}

size_t Connection::Room() const {
  const size_t waiting = frames_.size() + unsent();
  return waiting < kMostFramed ? kMostFramed - waiting : 0;
}

// Sends the piece, after the frames gathered before, as far as windows and socket allow; at most kFrames
// frames.
size_t Connection::SendData(Stream& stream, std::string_view bytes, bool last) {
  constexpr size_t kFrames = 16;
  std::array<char, kFrames * kFrameHeaderBytes> headers;
  std::array<iovec, 1 + 2 * kFrames> parts;
  size_t count = 0, taken = 0, total = frames_.size();
  if (!frames_.empty()) parts[count++] = {frames_.data(), frames_.size()};
  for (size_t i = 0; i < kFrames && taken < bytes.size(); ++i) {
    const size_t part = std::min(
        {bytes.size() - taken, kMaxFrameBytes, Positive(stream.send_window_), Positive(send_window_)});
    if (part == 0) break;
    const bool ends = last && taken + part == bytes.size();
    char* const header = headers.data() + i * kFrameHeaderBytes;
    WriteFrameHeader(header, part, FrameType::kData, ends ? kFlagEndStream : 0, stream.id());
    parts[count++] = {header, kFrameHeaderBytes};
    parts[count++] = {const_cast<char*>(bytes.data()) + taken, part};
    total += kFrameHeaderBytes + part;
    taken += part;
    stream.send_window_ -= static_cast<int64_t>(part);
    send_window_ -= static_cast<int64_t>(part);
    if (ends) stream.local_ended_ = true;
  }
  if (taken == 0) return 0;
  Unlink();
  CountSent(total);
  Send({parts.data(), count});
  frames_.Restart();
  return taken;
}

// Hot path.
size_t Connection::AddData(Stream& stream, std::string_view bytes, bool last) {
  size_t taken = 0;
  if (bytes.size() >= kSendDirectly && !has_unsent() && !held_back_ && open() && !over_) {
    taken = SendData(stream, bytes, last);
    if (taken == bytes.size()) return taken;
  }
  while (!over_) {
    // Heads have filled the room, but the socket may take them; no event would report that later.
    if (Room() == 0 && !has_unsent()) FlushFrames();
    const size_t part = std::min({bytes.size() - taken, kMaxFrameBytes, Positive(stream.send_window_),
                                  Positive(send_window_), Room()});
    const bool ends = last && taken + part == bytes.size();
    if (part == 0 && !ends) break;
    char* const to = AddFrame(frames_, part, FrameType::kData, ends ? kFlagEndStream : 0, stream.id());
    if (part > 0) std::memcpy(to, bytes.data() + taken, part);
    taken += part;
    stream.send_window_ -= static_cast<int64_t>(part);
    send_window_ -= static_cast<int64_t>(part);
    if (ends) stream.local_ended_ = true;
    MarkDirty();
    if (frames_.size() >= kSendAt) FlushFrames();
    if (ends || taken == bytes.size()) break;
  }
  return taken;
}

void Connection::AddTrailers(Stream& stream, const Trailers& trailers) {
  commons_.writer.WriteTrailers(trailers, HeadTo(stream, true));
  MarkDirty();
}

void Connection::Sent(Stream& stream, bool last) {
  if (last) stream.local_ended_ = true;
  if (stream.id() > last_own_stream_) last_own_stream_ = stream.id();
  MarkDirty();
}

// Hot path.
void Connection::Credit(Stream& stream) {
  if (stream.remote_ended_ || stream.reset_ || stream.uncredited_ < kStreamWindow / 2) return;
  AddWindowUpdate(frames_, stream.id(), stream.uncredited_);
  stream.receive_window_ += stream.uncredited_;
  stream.uncredited_ = 0;
  MarkDirty();
}

void Connection::Hold(int64_t change) {
  kept_ += change;
  if (change < 0) CreditConnection();
}

void Connection::AddPing() {
  std::memset(AddFrame(frames_, 8, FrameType::kPing, 0, 0), 0, 8);
  MarkDirty();
}

void Connection::CreditConnection() {
  if (uncredited_ < kConnectionWindow / 2 || kept_ > kMostHeld || over_) return;
  AddWindowUpdate(frames_, 0, uncredited_);
  receive_window_ += uncredited_;
  uncredited_ = 0;
  MarkDirty();
}

// Gives each waiting stream one turn: a stream that still waits then needs something else to change.
void Connection::Pump() {
  pump_ = false;
  for (size_t left = waiting_.size(); left > 0 && !over_; --left) {
    Stream* const stream = waiting_.Front();
    if (stream == nullptr) return;
    stream->Unlink();
    const bool done = stream->Pump();
    if (!stream->out_.empty()) waiting_.PushBack(stream);
    if (done) Tell(*stream);
  }
}

}  // namespace sideroute::http2
