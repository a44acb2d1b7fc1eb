// gRPC calls through the engine, on a clock that the test sets: only the caller's timeout ends them, however
// long they are silent.
#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"
#include "engine_stage.h"
#include "http2_frames.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;

constexpr uint64_t kHour = 3'600'000;

// HTTP/2 on both sides, with one connection to the backend.
struct Calls {
  explicit Calls(Protocol protocol = Protocol::kHttp2, const EngineSettings& settings = One())
      : stage(settings), caller(stage.Connect(true)) {
    stage.engine->backends().Find(0)->SetProtocol(protocol);
    caller.Send(Hello());
  }
  static EngineSettings One() {
    EngineSettings settings;
    settings.upstream_spread = 1;
    // The ends in these tests do not answer PINGs.
    settings.ping_after_ms = 1'000 * kHour;
    return settings;
  }

  // The head of a call; without a timeout if `timeout` is empty.
  std::string Call(uint32_t stream, std::string_view timeout, std::string_view type = "application/grpc") {
    std::vector<std::pair<std::string, std::string>> fields{
        {":method", "POST"}, {":scheme", "http"}, {":path", "/s/m"}, {":authority", "a"}};
    fields.emplace_back("content-type", type);
    if (!timeout.empty()) fields.emplace_back("grpc-timeout", timeout);
    return Headers(stream, false, fields);
  }
  End& Backend() {
    End& backend = stage.Accepted();
    backend.Send(MakeFrame(FrameType::kSettings, 0, 0));
    return backend;
  }
  bool Has(End& end, FrameType type, uint32_t stream) {
    return stage.Until([&] { return Count(end, type, stream) > 0; });
  }
  static size_t Count(End& end, FrameType type, uint32_t stream) {
    size_t there = 0;
    for (const Frame& frame : FramesOf(end.received))
      there += frame.header.type == type && frame.header.stream == stream ? 1 : 0;
    return there;
  }
  ErrorCode CodeOf(End& end, uint32_t stream) {
    CHECK(Has(end, FrameType::kRstStream, stream));
    return LastOf(FramesOf(end.received), FrameType::kRstStream).code();
  }
  // Trailers-only: a single HEADERS frame ends the stream.
  void IsTold(uint32_t stream) {
    CHECK(Has(caller, FrameType::kHeaders, stream));
    CHECK_EQ(Count(caller, FrameType::kHeaders, stream), 1u);
    CHECK_EQ(Count(caller, FrameType::kData, stream), 0u);
    CHECK(LastOf(FramesOf(caller.received), FrameType::kHeaders).header.has(http2::kFlagEndStream));
  }

  Stage stage;
  End& caller;
};

TEST("the time that a caller gives ends its call, and the backend hears of it") {
  Calls calls;
  calls.caller.Send(calls.Call(1, "2S"));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 1));
  calls.stage.Pass(1'900);
  CHECK(calls.stage.host.outcomes.empty());
  calls.stage.Pass(200);
  calls.IsTold(1);
  CHECK(calls.CodeOf(backend, 1) == ErrorCode::kCancel);
  CHECK_EQ(calls.stage.LastReason(), "timeout");
  CHECK_EQ(calls.stage.Last().status, 200);
  CHECK_EQ(calls.stage.engine->counters().requests_open, 0u);
}

TEST("of the caller's time and the route's the shorter one ends a call") {
  for (const char* timeout : {"1S", "10S", "99999999H", "bad", ""}) {
    Calls calls;
    Policy policy;
    policy.request_timeout_ms = 5'000;
    calls.stage.SetPolicy(policy);
    calls.caller.Send(calls.Call(1, timeout));
    End& backend = calls.Backend();
    CHECK(calls.Has(backend, FrameType::kHeaders, 1));
    calls.stage.Pass(1'200);
    CHECK_EQ(calls.stage.host.outcomes.size(), timeout == std::string_view("1S") ? 1u : 0u);
    calls.stage.Pass(4'000);
    CHECK_EQ(calls.stage.host.outcomes.size(), 1u);
    CHECK_EQ(calls.stage.LastReason(), "timeout");
  }
}

TEST("a response that has begun is broken off, as a server of gRPC does it") {
  Calls calls;
  calls.caller.Send(calls.Call(1, "2S"));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Headers(1, false, {{":status", "200"}, {"content-type", "application/grpc"}}) +
               Data(1, "half"));
  CHECK(calls.Has(calls.caller, FrameType::kData, 1));
  calls.stage.Pass(2'100);
  CHECK(calls.CodeOf(calls.caller, 1) == ErrorCode::kCancel);
  CHECK(calls.CodeOf(backend, 1) == ErrorCode::kCancel);
  CHECK_EQ(calls.stage.LastReason(), "timeout");
  CHECK_EQ(calls.stage.Last().status, 200);
}

TEST("a call that its backend resets before an answer is reset with the same code") {
  for (const ErrorCode code : {ErrorCode::kCancel, ErrorCode::kEnhanceYourCalm, ErrorCode::kProtocolError}) {
    Calls calls;
    calls.caller.Send(calls.Call(1, "2S"));
    End& backend = calls.Backend();
    CHECK(calls.Has(backend, FrameType::kHeaders, 1));
    backend.Send(MakeFrame(FrameType::kRstStream, 0, 1, Number(static_cast<uint32_t>(code))));
    CHECK(calls.CodeOf(calls.caller, 1) == code);
    CHECK_EQ(calls.Count(calls.caller, FrameType::kHeaders, 1), 0u);
    CHECK_EQ(calls.stage.LastReason(), "upstream_reset");
    // The connection and its other calls go on.
    calls.caller.Send(calls.Call(3, ""));
    CHECK(calls.Has(backend, FrameType::kHeaders, 3));
  }
}

TEST("a call whose backend is gone, or has a fault of its own, may be made again: UNAVAILABLE") {
  for (const bool gone : {true, false}) {
    Calls calls;
    calls.caller.Send(calls.Call(1, ""));
    End& backend = calls.Backend();
    CHECK(calls.Has(backend, FrameType::kHeaders, 1));
    if (gone)
      backend.Reset();
    else
      backend.Send(MakeFrame(FrameType::kRstStream, 0, 1, Number(2)));
    calls.IsTold(1);
    CHECK_EQ(calls.stage.LastReason(), "upstream_reset");
  }
}

TEST("nobody has cancelled a call whose backend is gone in the middle of the response") {
  Calls calls;
  calls.caller.Send(calls.Call(1, ""));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Headers(1, false, {{":status", "200"}, {"content-type", "application/grpc"}}) +
               Data(1, "half"));
  CHECK(calls.Has(calls.caller, FrameType::kData, 1));
  backend.Reset();
  CHECK(calls.CodeOf(calls.caller, 1) == ErrorCode::kInternalError);
  CHECK_EQ(calls.stage.LastReason(), "upstream_reset");
}

TEST("no time at all is exceeded at once, and nobody is sent anything") {
  Calls calls;
  calls.stage.SetMirror();
  calls.caller.Send(calls.Call(1, "0m") + calls.Call(3, "0H"));
  CHECK(calls.stage.Reports(2));
  calls.IsTold(3);
  CHECK_EQ(calls.stage.LastReason(), "timeout");
  CHECK_EQ(calls.stage.engine->counters().upstream_connects, 0u);
  CHECK(calls.stage.host.mirrors.empty());
}

TEST("retries and the wait for a connection are within the time") {
  EngineSettings settings = Calls::One();
  settings.max_upstream_connections = 1;
  settings.queue_timeout_ms = 60'000;
  Calls calls(Protocol::kHttp1, settings);
  calls.caller.Send(calls.Call(1, "") + calls.Call(3, "2S"));
  CHECK(calls.stage.Receives(calls.stage.Accepted(), "\r\n\r\n"));
  CHECK(calls.stage.Until([&] { return calls.stage.Waiting() == 1; }));
  calls.stage.Pass(2'100);
  calls.IsTold(3);
  CHECK_EQ(calls.stage.LastReason(), "timeout");
  CHECK_EQ(calls.stage.Waiting(), 0u);
}

TEST("what is no timeout bounds nothing, and passes as it is; nor does one of another request") {
  Calls calls;
  calls.caller.Send(calls.Call(1, "1s") + calls.Call(3, "100000000m") + calls.Call(5, "1S", "text/plain"));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 5));
  // Other requests have the limit that all requests have.
  calls.stage.Pass(kHour - 60'000);
  CHECK(calls.stage.host.outcomes.empty());
  calls.stage.Pass(120'000);
  CHECK_EQ(calls.stage.host.outcomes.size(), 1u);
}

TEST("a call in which nobody says anything for two days goes on where it was") {
  Calls calls;
  calls.caller.Send(calls.Call(1, "") + Data(1, "first"));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kData, 1));
  backend.Send(Headers(1, false, {{":status", "200"}, {"content-type", "application/grpc"}}) +
               Data(1, "one"));
  CHECK(calls.Has(calls.caller, FrameType::kData, 1));
  for (int hour = 0; hour < 48; ++hour) calls.stage.Pass(kHour);
  calls.caller.Send(Data(1, "second"));
  CHECK(calls.stage.Receives(backend, "second"));
  backend.Send(Data(1, "two"));
  CHECK(calls.stage.Receives(calls.caller, "two"));
  for (int hour = 0; hour < 48; ++hour) calls.stage.Pass(kHour);
  calls.caller.Send(Data(1, "third", true));
  CHECK(calls.stage.Receives(backend, "third"));
  backend.Send(Headers(1, true, {{"grpc-status", "0"}}));
  CHECK(calls.stage.Reports(1));
  CHECK_EQ(calls.stage.LastReason(), "");
  CHECK_EQ(calls.stage.engine->counters().upstream_connects, 1u);
}

TEST("a call before whose response nobody says anything is no other") {
  Calls calls;
  calls.caller.Send(calls.Call(1, ""));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 1));
  for (int hour = 0; hour < 48; ++hour) calls.stage.Pass(kHour);
  backend.Send(Headers(1, true, {{":status", "200"}, {"grpc-status", "0"}}));
  CHECK(calls.stage.Reports(1));
  CHECK_EQ(calls.stage.LastReason(), "");
}

// Its window is full.
TEST("a message that the other side does not take for an hour ends a call") {
  Calls calls;
  calls.caller.Send(calls.Call(1, ""));
  End& backend = calls.Backend();
  CHECK(calls.Has(backend, FrameType::kHeaders, 1));
  std::string messages;
  for (int i = 0; i < 10; ++i) messages += Data(1, std::string(10'000, 'm'));
  calls.caller.Send(messages);
  CHECK(calls.stage.Until([&] {
    size_t bytes = 0;
    for (const Frame& frame : FramesOf(backend.received))
      bytes += frame.header.type == FrameType::kData ? frame.payload.size() : 0;
    return bytes == 65'535;
  }));
  calls.stage.Pass(kHour - 60'000);
  CHECK(calls.stage.host.outcomes.empty());
  calls.stage.Pass(120'000);
  CHECK_EQ(calls.stage.host.outcomes.size(), 1u);
  CHECK_EQ(calls.stage.LastReason(), "timeout");
}

}  // namespace
}  // namespace sideroute::test
