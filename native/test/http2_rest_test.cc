// A local reply to an HTTP/2 request whose body has not arrived yet. Clients are about to send it, and some
// of them (curl before 8, for example) treat a response before the end of the body, or the reset after it, as
// an error.
#include <string>
#include <utility>
#include <vector>

#include "http2_pair.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;

struct Answered : Both {
  Answered() {
    stage.host.decision.kind = DecisionKind::kLocal;
    stage.host.decision.reply = 0;
  }

  void Ask(uint32_t stream) {
    caller.Send(Headers(stream, false,
                        {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}));
    CHECK(this->stage.Until([&] { return this->stage.host.asked == static_cast<int>(stream + 1) / 2; }));
  }
  size_t Count(FrameType type) { return CountOf(FramesOf(caller.received), type); }
};

TEST("a response made here waits for the end of its request, and no stream is reset") {
  for (const std::string& end : {Data(1, "hello", true), Data(1, {}, true), Headers(1, true, {{"a", "b"}})}) {
    Answered sides;
    sides.Ask(1);
    sides.stage.Pass(100);
    sides.caller.Send(Data(1, "some of it"));
    sides.stage.Pass(50);
    CHECK_EQ(sides.Count(FrameType::kHeaders), 0u);
    sides.caller.Send(end);
    CHECK(sides.Has(sides.caller, FrameType::kHeaders, 1));
    CHECK(sides.stage.Reports(1));
    CHECK_EQ(sides.stage.engine->counters().http2_downstream.streams_open, 0u);
    CHECK_EQ(sides.Count(FrameType::kRstStream), 0u);
  }
}

TEST("a request that goes on for long is answered before its end, and told that the rest is not wanted") {
  Answered sides;
  sides.Ask(1);
  sides.stage.Pass(190);
  CHECK_EQ(sides.Count(FrameType::kHeaders), 0u);
  sides.stage.Pass(30);
  CHECK(sides.Has(sides.caller, FrameType::kHeaders, 1));
  CHECK(sides.CodeOf(sides.caller, FrameType::kRstStream, 1) == ErrorCode::kNoError);
}

TEST("one that sends much that nobody wants is answered at once") {
  Answered sides;
  sides.Ask(1);
  for (int i = 0; i < 17; ++i) {
    CHECK_EQ(sides.Count(FrameType::kRstStream), 0u);
    sides.caller.Send(Data(1, std::string(16 * 1024, 'x')));
    sides.stage.Pass(0);
  }
  CHECK(sides.Has(sides.caller, FrameType::kHeaders, 1));
  CHECK(sides.CodeOf(sides.caller, FrameType::kRstStream, 1) == ErrorCode::kNoError);
}

TEST("what waits for the end of its request is answered when its connection has to go") {
  Answered sides;
  sides.Ask(1);
  CHECK_EQ(sides.Count(FrameType::kHeaders), 0u);
  sides.stage.engine->downstreams().Front()->Abandon();
  CHECK(sides.Has(sides.caller, FrameType::kHeaders, 1));
}

}  // namespace
}  // namespace sideroute::test
