// Whether an HTTP/2 backend is still there, and whether it accepts an extended CONNECT: the engine asks or
// waits for both, but not for ever.
#include <string>

#include "check.h"
#include "http2_pair.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;

constexpr uint64_t kAfterMs = 30'000;
constexpr uint64_t kTimeoutMs = 20'000;
constexpr uint64_t kAgainMs = 305'000;
// The timers read the clock once per turn.
constexpr uint64_t kSlackMs = 100;

std::string PingAck() { return MakeFrame(FrameType::kPing, http2::kFlagAck, 0, std::string(8, '\0')); }

size_t PingsOf(End& end) { return CountOf(FramesOf(end.received), FrameType::kPing); }

std::string WebSocket(uint32_t stream) {
  return Headers(stream, false,
                 {{":method", "CONNECT"},
                  {":protocol", "websocket"},
                  {":scheme", "http"},
                  {":path", "/chat"},
                  {":authority", "a"}});
}

TEST("a backend that has vanished while a request waits is asked once, and given up") {
  Both both;
  both.caller.Send(Get(1));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  both.stage.Pass(kAfterMs - kSlackMs);
  backend.Look();
  CHECK_EQ(PingsOf(backend), 0u);
  both.stage.Pass(2 * kSlackMs);
  CHECK(both.Has(backend, FrameType::kPing, 0));
  both.stage.Pass(kTimeoutMs - 2 * kSlackMs);
  CHECK(both.stage.host.outcomes.empty());
  both.stage.Pass(3 * kSlackMs);
  CHECK(both.stage.Reports(1));
  CHECK_EQ(both.stage.Last().status, 502);
  CHECK_EQ(both.stage.LastReason(), "upstream_reset");
  CHECK(both.stage.Ends(backend));
  const Http2Counters& counted = both.stage.engine->counters().http2_upstream;
  CHECK_EQ(counted.unanswered_pings, 1u);
  CHECK_EQ(counted.streams_open, 0u);
  // Later requests go to another connection.
  both.caller.Send(Get(3));
  End& other = both.Backend();
  CHECK(both.Has(other, FrameType::kHeaders, 1));
  other.Send(Answer(1));
  CHECK(both.stage.Reports(2));
  CHECK_EQ(both.stage.Last().status, 200);
}

TEST("a backend that is there and slow is asked no more often than servers of gRPC allow") {
  Both both;
  both.caller.Send(Get(1));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  both.stage.Pass(kAfterMs + kSlackMs);
  CHECK(both.Has(backend, FrameType::kPing, 0));
  backend.Send(PingAck());
  for (uint64_t ms = 0; ms < kAgainMs - 5'000; ms += 5'000) {
    both.stage.Pass(5'000);
    backend.Look();
    CHECK_EQ(PingsOf(backend), 1u);
  }
  both.stage.Pass(kTimeoutMs);
  CHECK(both.Has(backend, FrameType::kPing, 0, 2));
  backend.Send(PingAck());
  // A frame for a request restarts the interval.
  backend.Send(Answer(1, false) + Data(1, "begun"));
  CHECK(both.Has(both.caller, FrameType::kData, 1));
  both.stage.Pass(kAfterMs + kSlackMs);
  CHECK(both.Has(backend, FrameType::kPing, 0, 3));
  CHECK(both.stage.host.outcomes.empty());
  CHECK_EQ(both.stage.engine->counters().http2_upstream.unanswered_pings, 0u);
}

TEST("a backend that goes on talking is asked nothing, and neither is one that nobody waits for") {
  Both both;
  both.caller.Send(Get(1));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Answer(1, false));
  for (int i = 0; i < 20; ++i) {
    backend.Send(Data(1, "x"));
    both.stage.Pass(20'000);
    backend.Look();
  }
  CHECK_EQ(PingsOf(backend), 0u);
  backend.Send(Data(1, "", true));
  CHECK(both.stage.Reports(1));
  both.stage.Pass(100'000);
  CHECK(both.stage.Ends(backend));
  CHECK_EQ(PingsOf(backend), 0u);
  CHECK_EQ(both.stage.engine->counters().http2_upstream.connections_open, 0u);
}

TEST("an extended CONNECT waits for the backend to say that it takes one") {
  Both both;
  both.caller.Send(WebSocket(1) + Get(3));
  End& backend = both.stage.Accepted();
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  CHECK_EQ(CountOf(FramesOf(backend.received), FrameType::kHeaders), 1u);
  backend.Send(MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\x8\0\0\0\1", 6)));
  CHECK(both.Has(backend, FrameType::kHeaders, 3));
  backend.Send(Answer(3, false) + Data(3, "hello"));
  CHECK(both.Has(both.caller, FrameType::kData, 1));
  CHECK_EQ(both.stage.engine->counters().relays_open, 1u);
  both.caller.Send(Data(1, "and back"));
  CHECK(both.Has(backend, FrameType::kData, 3));
}

TEST("where the backend takes no extended CONNECT, or says nothing, the caller is told so") {
  for (const bool says : {true, false}) {
    Both both;
    both.caller.Send(WebSocket(1));
    End& backend = both.stage.Accepted();
    if (says) {
      backend.Send(MakeFrame(FrameType::kSettings, 0, 0));
    } else {
      both.stage.Pass(2'900);
      CHECK(both.stage.host.outcomes.empty());
      both.stage.Pass(200);
    }
    CHECK(both.stage.Reports(1));
    CHECK_EQ(both.stage.Last().status, 502);
    CHECK_EQ(both.stage.LastReason(), "upstream_protocol");
    CHECK(both.Has(both.caller, FrameType::kHeaders, 1));
    CHECK_EQ(CountOf(FramesOf(backend.received), FrameType::kHeaders), 0u);
    if (!says) continue;
    // By now it is known, if the connection is still there for others.
    both.caller.Send(Get(3));
    CHECK(both.stage.Until([&] { return both.stage.host.asked == 2; }));
    End& after = backend.ended() ? both.Backend() : backend;
    CHECK(both.Has(after, FrameType::kHeaders, 1));
    both.caller.Send(WebSocket(5));
    both.stage.Pass(10);
    CHECK(both.stage.Reports(2));
    CHECK_EQ(both.stage.Last().status, 502);
    after.Send(Answer(1));
    CHECK(both.stage.Reports(3));
    CHECK_EQ(both.stage.Last().status, 200);
  }
}

TEST("an extended CONNECT that waits goes elsewhere when the backend goes away") {
  Both both;
  both.caller.Send(WebSocket(1));
  End& backend = both.stage.Accepted();
  backend.Finish();
  End& other = both.stage.Accepted();
  other.Send(MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\x8\0\0\0\1", 6)));
  CHECK(both.Has(other, FrameType::kHeaders, 1));
  both.caller.Send(MakeFrame(FrameType::kRstStream, 0, 1, Number(8)));
  CHECK(both.CodeOf(other, FrameType::kRstStream, 1) == ErrorCode::kCancel);
}

}  // namespace
}  // namespace sideroute::test
