// Reading, and the ends of streams and connections. Meaning of frames: connection_frames.cc; sending:
// connection_send.cc.
#include "http2/connection.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace sideroute::http2 {

namespace {

// Names for the log of the codes that we detect ourselves, indexed by code.
constexpr std::string_view kFaults[] = {"no-error", "protocol-error", "internal-error", "flow-control",
                                        "",         "stream-closed",  "frame-size",     "",
                                        "",         "compression"};

}  // namespace

void Commons::Flush() {
  while (Connection* connection = dirty.Front()) connection->FlushFrames();
}

Connection::Connection(EngineContext& context, Side side)
    : StreamSocket(context.reactor, context.blocks, context.http2->scratch),
      context_(context),
      commons_(*context.http2),
      side_(side),
      preface_left_(side == Side::kServer ? kPreface.size() : 0),
      payload_(context.blocks),
      block_(context.blocks),
      frames_(context.blocks) {
  noise_.Start(now_ms());
  resets_.Start(now_ms());
  ++counted().connections;
  ++counted().connections_open;
}

Connection::~Connection() {
  --counted().connections_open;
  counted().streams_open -= streams_.size();
}

void Connection::Greet(std::span<const std::pair<Setting, uint32_t>> settings) {
  if (side_ == Side::kClient) frames_.Append(kPreface);
  char* at = AddFrame(frames_, (settings.size() + 1) * 6, FrameType::kSettings, 0, 0);
  Write16(at, static_cast<uint16_t>(Setting::kInitialWindowSize));
  Write32(at + 2, static_cast<uint32_t>(kStreamWindow));
  at += 6;
  for (const auto& [setting, value] : settings) {
    Write16(at, static_cast<uint16_t>(setting));
    Write32(at + 2, value);
    at += 6;
  }
  AddWindowUpdate(frames_, 0, static_cast<uint32_t>(kConnectionWindow - kDefaultWindow));
  receive_window_ = kConnectionWindow;
  MarkDirty();
}

size_t Connection::held() const {
  return held_bytes() + frames_.capacity() + payload_.capacity() + block_.capacity();
}

void Connection::OnEvent() {
  if (over_) return;
  if (has_unsent()) {
    StreamSocket::Flush();
    if (!has_unsent()) pump_ = true;
  }
  Read();
  if (over_) return;
  if (gone() || StreamSocket::write_failed()) return PeerGone();
  if (pump_) Pump();
}

// The peer may not read any more. For a backend this does not count as a cancellation.
void Connection::PeerGone() {
  EndStreams(side_ == Side::kClient ? ErrorCode::kInternalError : ErrorCode::kCancel);
  OnOver(false);
}

void Connection::Read() {
  for (;;) {
    Window window;
    switch (Fill(false, &window)) {
      case FillResult::kAgain:
        return;
      case FillResult::kEnd:
      case FillResult::kError:
        return PeerGone();
      case FillResult::kBytes:
        break;
    }
    context_.moment.Begin();
    const bool goes_on = Parse(window);
    context_.moment.End();
    if (!goes_on) return;
  }
}

// Parses bytes that were read elsewhere.
void Connection::Receive(std::span<char> bytes) {
  Window window{bytes.data(), bytes.size(), true};
  Parse(window);
  if (!over_ && pump_) Pump();
}

// Hot path.
bool Connection::Parse(Window& window) {
  heard_ms_ = now_ms();
  char* at = window.data;
  char* const end = at + window.length;
  const char* preface_at = at;
  if (preface_left_ > 0) {
    if (!TakePreface(preface_at, end)) {
      Fail(ErrorCode::kProtocolError);
      return false;
    }
    at = window.data + (preface_at - window.data);
  }
  bool goes_on = true;
  while (at != end && !over_ && goes_on) {
    if (header_have_ < kFrameHeaderBytes) {
      if (header_have_ == 0 && static_cast<size_t>(end - at) >= kFrameHeaderBytes) {
        frame_ = ReadFrameHeader(at);
        at += kFrameHeaderBytes;
        header_have_ = kFrameHeaderBytes;
      } else {
        const size_t part = std::min(static_cast<size_t>(end - at), kFrameHeaderBytes - header_have_);
        std::memcpy(header_.data() + header_have_, at, part);
        header_have_ += part;
        at += part;
        if (header_have_ < kFrameHeaderBytes) break;
        frame_ = ReadFrameHeader(header_.data());
      }
      left_ = frame_.length;
      if (!BeginFrame()) break;
      if (frame_.type == FrameType::kData) BeginData();
      if (over_) break;
    }
    if (frame_.type == FrameType::kData) {
      at = TakeData(at, end);
    } else if (payload_.empty() && static_cast<size_t>(end - at) >= left_) {
      const std::string_view payload(at, left_);
      at += left_;
      left_ = 0;
      OnFrame(payload);
    } else {
      const size_t part = std::min(static_cast<size_t>(end - at), left_);
      payload_.Append(at, part);
      at += part;
      left_ -= part;
      if (left_ == 0) {
        OnFrame(payload_.view());
        payload_.Clear();
      }
    }
    if (left_ == 0) header_have_ = 0;
    // The rest of the window may have to wait for the next turn.
    if (left_ == 0 && at != end && !over_) goes_on = MayGoOn();
  }
  if (over_) return false;
  TellCurrent();
  if (over_) return false;
  Use(window, static_cast<size_t>(at - window.data));
  return goes_on;
}

bool Connection::TakePreface(const char*& at, const char* end) {
  const size_t part = std::min(static_cast<size_t>(end - at), preface_left_);
  if (std::memcmp(at, kPreface.data() + kPreface.size() - preface_left_, part) != 0) return false;
  preface_left_ -= part;
  at += part;
  return true;
}

void Connection::MakeCurrent(Stream& stream) {
  if (current_ == &stream) return;
  TellCurrent();
  current_ = &stream;
}

void Connection::TellCurrent() {
  Stream* const stream = current_;
  if (stream == nullptr) return;
  current_ = nullptr;
  TellOf(*stream);
}

// The stream may end here, but it stays in memory until the batch ends.
void Connection::TellOf(Stream& stream) {
  Tell(stream);
  stream.KeepSpan();
}

// Streams are few, and the one in question is most likely one of the last.
Stream* Connection::Find(uint32_t id) const {
  for (size_t i = streams_.size(); i-- > 0;) {
    if (streams_[i].id == id) return streams_[i].stream;
  }
  return nullptr;
}

void Connection::Add(Stream& stream) {
  streams_.push_back({stream.id(), &stream});
  ++counted().streams;
  ++counted().streams_open;
}

void Connection::Remove(Stream& stream) {
  const auto slot = std::find_if(streams_.begin(), streams_.end(),
                                 [&stream](const Slot& each) { return each.stream == &stream; });
  if (slot == streams_.end()) return;
  *slot = streams_.back();
  streams_.pop_back();
  --counted().streams_open;
  if (current_ == &stream) current_ = nullptr;
  if (data_stream_ == &stream) data_stream_ = nullptr;
  // Frees what the stream has kept.
  stream.MarkReset(stream.code_);
  context_.Bury(std::unique_ptr<Disposable>(&stream));
  if (!over_) OnStreams();
}

void Connection::TakeTrailers(Stream& stream, const Trailers& trailers) {
  stream.KeepTrailers(trailers);
  if (!stream.EndRemote())
    return FailStream(stream.id(), &stream, ErrorCode::kProtocolError, "content-length");
  MakeCurrent(stream);
}

bool Connection::WasReset(uint32_t id) const {
  return std::find(recently_reset_.begin(), recently_reset_.end(), id) != recently_reset_.end();
}

void Connection::ResetStream(Stream& stream, ErrorCode code) {
  if (stream.reset_ || over_) return;
  ResetUnknown(stream.id(), code);
  stream.MarkReset(code);
}

void Connection::ResetUnknown(uint32_t id, ErrorCode code) {
  AddReset(frames_, id, code);
  Http2Counters::Count(counted().resets_sent, static_cast<uint32_t>(code));
  Ignore(id);
  MarkDirty();
}

void Connection::FailStream(uint32_t id, Stream* stream, ErrorCode code, std::string_view fault) {
  Charge(noise_, 10, Flood::kStreamErrors);
  if (over_) return;
  if (stream == nullptr) return ResetUnknown(id, code);
  stream->fault_ = fault;
  ResetStream(*stream, code);
  MakeCurrent(*stream);
}

// The id in a GOAWAY must never increase (RFC 9113 section 6.8).
void Connection::Goaway(uint32_t last, ErrorCode code) {
  last_promised_ = std::min(last_promised_, last);
  AddGoaway(frames_, last_promised_, code);
  Http2Counters::Count(counted().goaways_sent, static_cast<uint32_t>(code));
  MarkDirty();
}

void Connection::Fail(ErrorCode code) {
  const auto number = static_cast<size_t>(code);
  FailAs(code,
         code == ErrorCode::kNoError || number >= std::size(kFaults) ? std::string_view() : kFaults[number]);
}

void Connection::FailFlood(Flood flood) {
  if (over_) return;
  ++counted().floods[static_cast<size_t>(flood)];
  FailAs(ErrorCode::kEnhanceYourCalm, kFloodFaults[static_cast<size_t>(flood)]);
}

void Connection::FailAs(ErrorCode code, std::string_view fault) {
  if (over_) return;
  if (code != ErrorCode::kNoError) OnFailing(fault);
  Goaway(last_peer_stream_, code);
  FlushFrames();
  EndStreams(code, fault);
  OnOver(true);
}

void Connection::EndStreams(ErrorCode code, std::string_view fault) {
  over_ = true;
  Stream* const untold = std::exchange(current_, nullptr);
  // Streams may end in this loop, but they stay in memory until the batch ends.
  const std::vector<Slot> all = streams_;
  for (const Slot& slot : all) {
    Stream& stream = *slot.stream;
    // A response that has arrived completely can still be read.
    const bool kept = side_ == Side::kClient && stream.remote_ended_ && !stream.reset_;
    const bool told = (kept || stream.reset_) && &stream != untold;
    if (!kept && !stream.reset_) stream.fault_ = fault;
    if (!kept) stream.MarkReset(code);
    if (!told) TellOf(stream);
    // A downstream stream without an exchange has nobody else to remove it.
    if (side_ == Side::kServer) Remove(stream);
  }
}

void Connection::Charge(Allowance& allowance, uint32_t cost, Flood flood) {
  if (!allowance.Take(cost, now_ms())) return FailFlood(flood);
  if (too_much_waits()) FailFlood(Flood::kBacklog);
}

}  // namespace sideroute::http2
