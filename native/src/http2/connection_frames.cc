// The meaning of frames, and the errors in them (RFC 9113 sections 5 and 6).
#include <algorithm>
#include <cstring>

#include "http2/connection.h"

namespace sideroute::http2 {

namespace {

// Limits for a header block before it is decoded, in bytes and in frames.
constexpr size_t kMostBlock = 128 * 1024;
constexpr uint32_t kMostBlockFrames = 64;
// Limit for the decoded fields of a block, needed or not: one byte can name a table entry of 4 KiB.
constexpr size_t kMostDecoded = 1024 * 1024;

// Whether the peer sent `HTTP/1.` where a frame header belongs.
bool IsStatusLine(const FrameHeader& frame) {
  return frame.length == 0x485454 && static_cast<char>(frame.type) == 'P' && frame.flags == '/' &&
         frame.stream >> 16 == 0x312e;
}

}  // namespace

bool Connection::IsIdle(uint32_t id) const {
  if ((id & 1) == 0) return true;
  return id > (side_ == Side::kServer ? last_peer_stream_ : last_own_stream_);
}

// Checks every frame before its payload.
bool Connection::BeginFrame() {
  if (frame_.length > kMaxFrameBytes) {
    // The server does not speak HTTP/2.
    if (!settled_ && IsStatusLine(frame_)) return FailAs(ErrorCode::kProtocolError, "speaks-http1"), false;
    return Fail(ErrorCode::kFrameSizeError), false;
  }
  if (!settled_ && (frame_.type != FrameType::kSettings || frame_.has(kFlagAck)))
    return Fail(ErrorCode::kProtocolError), false;
  const bool goes_on = frame_.type == FrameType::kContinuation;
  if (goes_on != (block_stream_ != 0) || (goes_on && frame_.stream != block_stream_))
    return Fail(ErrorCode::kProtocolError), false;
  return true;
}

void Connection::BeginData() {
  pad_known_ = !frame_.has(kFlagPadded);
  pad_ = 0;
  data_stream_ = nullptr;
  if (frame_.stream == 0 || IsIdle(frame_.stream) || (!pad_known_ && frame_.length == 0))
    return Fail(ErrorCode::kProtocolError);
  if (frame_.length > receive_window_) return Fail(ErrorCode::kFlowControlError);
  receive_window_ -= frame_.length;
  uncredited_ += frame_.length;
  CreditConnection();
  if (frame_.length == 0 && !frame_.has(kFlagEndStream)) Charge(noise_, 1, Flood::kEmptyData);
  if (over_) return;
  Stream* const stream = Find(frame_.stream);
  if (stream == nullptr) {
    if (WasReset(frame_.stream)) return;
    // The backend was still sending to a request that nobody waits for any more.
    if (side_ == Side::kClient) return Charge(noise_, 1, Flood::kStreamErrors);
    return FailStream(frame_.stream, nullptr, ErrorCode::kStreamClosed, {});
  }
  if (stream->reset_) return;
  if (stream->remote_ended_)
    return FailStream(frame_.stream, stream, ErrorCode::kStreamClosed, "data-after-end");
  if (!stream->takes_data_)
    return FailStream(frame_.stream, stream, ErrorCode::kProtocolError, "data-before-head");
  if (frame_.length > stream->receive_window_)
    return FailStream(frame_.stream, stream, ErrorCode::kFlowControlError, "window");
  stream->receive_window_ -= frame_.length;
  data_stream_ = stream;
  if (frame_.length > 0 && pad_known_) noise_.Give(1);
  useful_ = true;
  MakeCurrent(*stream);
}

// Hot path. Reads up to the end of the frame, or of the received bytes.
char* Connection::TakeData(char* at, const char* end) {
  if (!pad_known_ && at != end) {
    pad_known_ = true;
    pad_ = static_cast<unsigned char>(*at++);
    --left_;
    if (pad_ > left_) {
      Fail(ErrorCode::kProtocolError);
      return at;
    }
    // Padding is credited as soon as it arrives; a frame of padding only is charged as useless.
    if (data_stream_ != nullptr) {
      data_stream_->uncredited_ += static_cast<uint32_t>(pad_) + 1;
      Credit(*data_stream_);
      if (left_ == pad_ && !frame_.has(kFlagEndStream)) Charge(noise_, 1, Flood::kEmptyData);
      if (over_) return at;
    }
  }
  size_t there = static_cast<size_t>(end - at);
  if (left_ > pad_) {
    const size_t part = std::min(there, left_ - pad_);
    Stream* const stream = data_stream_;
    if (stream != nullptr && stream->counts_ && part > stream->length_left_) {
      data_stream_ = nullptr;
      FailStream(stream->id(), stream, ErrorCode::kProtocolError, "content-length");
    } else if (stream != nullptr) {
      if (stream->counts_) stream->length_left_ -= part;
      MakeCurrent(*stream);
      stream->Receive(at, part);
    }
    at += part;
    left_ -= part;
    there -= part;
    if (over_) return at;
  }
  if (left_ > 0 && left_ <= pad_) {
    const size_t part = std::min(there, left_);
    at += part;
    left_ -= part;
  }
  if (left_ == 0) EndData();
  return at;
}

void Connection::EndData() {
  Stream* const stream = data_stream_;
  data_stream_ = nullptr;
  if (stream == nullptr || !frame_.has(kFlagEndStream)) return;
  if (!stream->EndRemote())
    return FailStream(stream->id(), stream, ErrorCode::kProtocolError, "content-length");
  MakeCurrent(*stream);
}

void Connection::OnFrame(std::string_view payload) {
  switch (frame_.type) {
    case FrameType::kHeaders:
      return OnHeaders(payload);
    case FrameType::kContinuation:
      return OnContinuation(payload);
    case FrameType::kPriority:
      return OnPriority(payload);
    case FrameType::kRstStream:
      return OnRstStream(payload);
    case FrameType::kSettings:
      return OnSettings(payload);
    case FrameType::kPing:
      return OnPing(payload);
    case FrameType::kWindowUpdate:
      return OnWindowUpdate(payload);
    case FrameType::kGoaway:
      if (frame_.stream != 0) return Fail(ErrorCode::kProtocolError);
      if (payload.size() < 8) return Fail(ErrorCode::kFrameSizeError);
      Http2Counters::Count(counted().goaways_received, Read32(payload.data() + 4));
      Charge(noise_, 10, Flood::kGoaway);
      if (over_) return;
      return OnGoaway(Read32(payload.data()) & kMaxStreamId,
                      static_cast<ErrorCode>(Read32(payload.data() + 4)));
    case FrameType::kPushPromise:
      // Push is disabled towards backends, and a client cannot push.
      return Fail(ErrorCode::kProtocolError);
    case FrameType::kData:
      return;
  }
  // An unknown frame type is ignored, as RFC 9113 section 4.1 requires, but charged.
  Charge(noise_, 1, Flood::kUnknownFrames);
}

void Connection::OnHeaders(std::string_view payload) {
  const uint32_t id = frame_.stream;
  if (id == 0) return Fail(ErrorCode::kProtocolError);
  size_t pad = 0;
  if (frame_.has(kFlagPadded)) {
    if (payload.empty()) return Fail(ErrorCode::kFrameSizeError);
    pad = static_cast<unsigned char>(payload[0]);
    payload.remove_prefix(1);
  }
  if (frame_.has(kFlagPriority)) {
    if (payload.size() < 5) return Fail(ErrorCode::kFrameSizeError);
    if ((Read32(payload.data()) & kMaxStreamId) == id) return Fail(ErrorCode::kProtocolError);
    payload.remove_prefix(5);
  }
  if (pad > payload.size()) return Fail(ErrorCode::kProtocolError);
  payload.remove_suffix(pad);
  const bool ended = frame_.has(kFlagEndStream);
  if (frame_.has(kFlagEndHeaders)) return Decode(id, ended, payload);
  block_stream_ = id;
  block_ended_ = ended;
  block_frames_ = 1;
  block_.Append(payload);
  OnPartialBlock(true);
}

void Connection::OnContinuation(std::string_view payload) {
  if (++block_frames_ > kMostBlockFrames || block_.size() + payload.size() > kMostBlock)
    return FailFlood(Flood::kHeaderBlock);
  block_.Append(payload);
  if (!frame_.has(kFlagEndHeaders)) return;
  const uint32_t id = block_stream_;
  block_stream_ = 0;
  OnPartialBlock(false);
  Decode(id, block_ended_, block_.view());
  block_.Clear();
}

// Decodes the block even if nobody needs it, because the decoder's table depends on it.
void Connection::Decode(uint32_t id, bool ended, std::string_view block) {
  Stream* stream = Find(id);
  const Block use = OnBlock(id, stream, ended);
  if (over_) return;
  if (use.stray) Charge(noise_, 1, Flood::kStrayHeaders);
  if (over_) return;
  decoder_.Start(block);
  size_t decoded = 0;
  for (;;) {
    std::string_view name, value;
    const HpackDecoder::Step step = decoder_.Next(&name, &value);
    if (step == HpackDecoder::Step::kError) return Fail(ErrorCode::kCompressionError);
    if (step == HpackDecoder::Step::kEnd) break;
    decoded += name.size() + value.size() + 32;
    if (decoded > kMostDecoded) return FailFlood(Flood::kHeaderBomb);
    if (use.builder != nullptr) use.builder->Add(name, value, decoder_.sensitive());
  }
  if (use.builder == nullptr) return;
  useful_ = true;
  OnBlockEnd(id, use, ended);
}

void Connection::OnPriority(std::string_view payload) {
  if (frame_.stream == 0) return Fail(ErrorCode::kProtocolError);
  if (payload.size() != 5) return Fail(ErrorCode::kFrameSizeError);
  if ((Read32(payload.data()) & kMaxStreamId) == frame_.stream) return Fail(ErrorCode::kProtocolError);
  // Priority has no meaning any more (RFC 9113 section 5.3).
  Charge(noise_, 1, Flood::kPriority);
}

void Connection::OnRstStream(std::string_view payload) {
  if (frame_.stream == 0 || IsIdle(frame_.stream)) return Fail(ErrorCode::kProtocolError);
  if (payload.size() != 4) return Fail(ErrorCode::kFrameSizeError);
  Http2Counters::Count(counted().resets_received, Read32(payload.data()));
  Stream* const stream = Find(frame_.stream);
  // Not charged to a backend for a request of ours: each of its resets needs a request of ours first.
  if (stream == nullptr || side_ == Side::kServer) Charge(resets_, 1, Flood::kResets);
  if (over_ || stream == nullptr || stream->reset_) return;
  if (side_ == Side::kClient && stream->remote_ended_) {
    // The response is complete; the backend does not need the rest of the request (RFC 9113 section 8.1).
    stream->local_ended_ = true;
    return stream->out_.Clear();
  }
  stream->MarkReset(static_cast<ErrorCode>(Read32(payload.data())));
  MakeCurrent(*stream);
  // Told now, because the stream counts as closed for the next frame already.
  TellCurrent();
}

void Connection::OnSettings(std::string_view payload) {
  if (frame_.stream != 0) return Fail(ErrorCode::kProtocolError);
  if (frame_.has(kFlagAck)) {
    if (!payload.empty()) return Fail(ErrorCode::kFrameSizeError);
    return Charge(noise_, 1, Flood::kSettings);
  }
  if (payload.size() % 6 != 0) return Fail(ErrorCode::kFrameSizeError);
  if (settled_) Charge(noise_, 10 + static_cast<uint32_t>(payload.size() / 60), Flood::kSettings);
  if (over_) return;
  settled_ = true;
  for (; !payload.empty(); payload.remove_prefix(6)) {
    if (!Apply(static_cast<Setting>(Read16(payload.data())), Read32(payload.data() + 2))) return;
  }
  AddFrame(frames_, 0, FrameType::kSettings, kFlagAck, 0);
  MarkDirty();
  OnSettled();
}

bool Connection::Apply(Setting setting, uint32_t value) {
  switch (setting) {
    case Setting::kHeaderTableSize:
      encoder_.SetTableSize(value);
      return true;
    case Setting::kEnablePush:
      if (value > 1 || (value == 1 && side_ == Side::kClient)) return Fail(ErrorCode::kProtocolError), false;
      return true;
    case Setting::kMaxConcurrentStreams:
      peer_max_streams_ = value;
      return true;
    case Setting::kInitialWindowSize:
      return ApplyInitialWindow(value);
    case Setting::kMaxFrameSize:
      if (value < kMaxFrameBytes || value > 0xffffff) return Fail(ErrorCode::kProtocolError), false;
      return true;
    case Setting::kEnableConnectProtocol:
      if (value > 1) return Fail(ErrorCode::kProtocolError), false;
      if (value == 1) peer_connects_ = true;
      return true;
    case Setting::kMaxHeaderListSize:
      return true;
  }
  return true;
}

bool Connection::ApplyInitialWindow(uint32_t value) {
  if (value > kMaxWindow) return Fail(ErrorCode::kFlowControlError), false;
  const int64_t change = static_cast<int64_t>(value) - initial_send_window_;
  initial_send_window_ = value;
  for (const Slot& slot : streams_) {
    slot.stream->send_window_ += change;
    if (slot.stream->send_window_ > kMaxWindow) return Fail(ErrorCode::kFlowControlError), false;
  }
  pump_ = pump_ || change > 0;
  return true;
}

void Connection::OnPing(std::string_view payload) {
  if (frame_.stream != 0) return Fail(ErrorCode::kProtocolError);
  if (payload.size() != 8) return Fail(ErrorCode::kFrameSizeError);
  Charge(noise_, 1, Flood::kPing);
  if (frame_.has(kFlagAck)) return;
  if (over_) return;
  std::memcpy(AddFrame(frames_, 8, FrameType::kPing, kFlagAck, 0), payload.data(), 8);
  MarkDirty();
}

void Connection::OnWindowUpdate(std::string_view payload) {
  if (payload.size() != 4) return Fail(ErrorCode::kFrameSizeError);
  const uint32_t gain = Read32(payload.data()) & kMaxStreamId;
  // Small window updates make us send small frames.
  if (gain < 1024) Charge(noise_, 1, Flood::kWindowUpdate);
  if (over_) return;
  if (frame_.stream == 0) {
    if (gain == 0) return Fail(ErrorCode::kProtocolError);
    send_window_ += gain;
    if (send_window_ > kMaxWindow) return Fail(ErrorCode::kFlowControlError);
    pump_ = pump_ || !waiting_.empty();
    return;
  }
  if (IsIdle(frame_.stream)) return Fail(ErrorCode::kProtocolError);
  Stream* const stream = Find(frame_.stream);
  if (stream == nullptr || stream->reset_) return;
  if (gain == 0) return FailStream(frame_.stream, stream, ErrorCode::kProtocolError, "window");
  stream->send_window_ += gain;
  if (stream->send_window_ > kMaxWindow)
    return FailStream(frame_.stream, stream, ErrorCode::kFlowControlError, "window");
  pump_ = pump_ || !stream->out_.empty();
}

}  // namespace sideroute::http2
