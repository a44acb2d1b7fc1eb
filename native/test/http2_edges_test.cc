// HTTP/2 where two things meet: an end and what comes before it, a connection that is established and what
// was written before, a protocol and one that it must not become.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.h"
#include "engine_stage.h"
#include "http2_frames.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;
using Fields = std::vector<std::pair<std::string, std::string>>;

EngineSettings One() {
  EngineSettings settings;
  settings.upstream_spread = 1;
  settings.header_timeout_ms = 5'000;
  settings.downstream_idle_ms = 7'000;
  return settings;
}

// An HTTP/2 client, and a backend of either version.
struct Sides {
  explicit Sides(Protocol protocol, const EngineSettings& settings = One())
      : stage(settings), caller(stage.Connect(true)) {
    stage.engine->backends().Find(0)->SetProtocol(protocol);
    caller.Send(Hello());
  }

  // The next connection to the backend, which sends its SETTINGS.
  End& Backend() {
    End& backend = stage.Accepted();
    backend.Send(MakeFrame(FrameType::kSettings, 0, 0));
    return backend;
  }
  size_t Count(const End& end, FrameType type, uint32_t stream) {
    size_t there = 0;
    for (const Frame& frame : FramesOf(end.received))
      there += frame.header.type == type && frame.header.stream == stream ? 1 : 0;
    return there;
  }
  bool Has(End& end, FrameType type, uint32_t stream, size_t count = 1) {
    return stage.Until([&] { return Count(end, type, stream) >= count; });
  }
  // Sends in pieces, as the kernel takes them. Stops if the other end has left.
  void SendAll(End& end, std::string_view bytes) {
    CHECK(stage.Until([&] {
      while (!bytes.empty() && !end.ended()) {
        const size_t sent = end.SendSome(bytes);
        if (sent == 0) return false;
        bytes.remove_prefix(sent);
      }
      return true;
    }));
  }

  Stage stage;
  End& caller;
};

TEST("a response is passed on whole though its connection fails with the next frame") {
  Sides sides(Protocol::kHttp2);
  sides.caller.Send(Get(1));
  End& backend = sides.Backend();
  CHECK(sides.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Headers(1, false, {{":status", "200"}}) + Data(1, "all of it", true) +
               MakeFrame(FrameType::kPushPromise, http2::kFlagEndHeaders, 1, Number(2) + "\x82"));
  CHECK(sides.Has(sides.caller, FrameType::kData, 1));
  CHECK_EQ(LastOf(FramesOf(sides.caller.received), FrameType::kData).payload, "all of it");
  CHECK(sides.stage.Reports(1));
  CHECK_EQ(sides.stage.LastReason(), "");
  CHECK(sides.stage.Ends(backend));
}

TEST("who asks and reads no answer is given up, however short the answers are") {
  Sides sides(Protocol::kHttp1);
  sides.stage.host.decision.kind = DecisionKind::kLocal;
  sides.stage.host.decision.reply = 0;
  sides.caller.reads = false;
  // Without a body, so the stream ends with its head.
  std::string some;
  uint32_t id = 1;
  const std::string head =
      Block({{":method", "HEAD"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
  const Http2Counters& counted = sides.stage.engine->counters().http2_downstream;
  for (int i = 0; i < 4'000 && counted.connections_open > 0; ++i) {
    some.clear();
    for (int k = 0; k < 200; ++k, id += 2)
      some += MakeFrame(FrameType::kHeaders, http2::kFlagEndHeaders | http2::kFlagEndStream, id, head);
    CHECK(sides.stage.Until([&] {
      std::string_view rest = some;
      rest.remove_prefix(sides.caller.SendSome(rest));
      some = rest;
      return some.empty() || counted.connections_open == 0;
    }));
  }
  CHECK_EQ(counted.connections_open, 0u);
  CHECK_EQ(counted.floods[static_cast<size_t>(Flood::kBacklog)], 1u);
}

TEST("an extended CONNECT does not become an upgrade to h2c, as none of HTTP/1.1 is passed on") {
  for (const char* protocol : {"h2c", "H2C"}) {
    Sides sides(Protocol::kHttp1);
    sides.caller.Send(Headers(1, false,
                              {{":method", "CONNECT"},
                               {":protocol", protocol},
                               {":scheme", "http"},
                               {":path", "/"},
                               {":authority", "a"}}));
    CHECK(sides.stage.Until([&] {
      return sides.Count(sides.caller, FrameType::kRstStream, 1) > 0 || sides.stage.host.asked > 0;
    }));
    CHECK_EQ(sides.stage.host.asked, 0);
    CHECK(LastOf(FramesOf(sides.caller.received), FrameType::kRstStream).code() == ErrorCode::kProtocolError);
  }
}

TEST("a success of HTTP/1.1 that switches nothing is no consent to an extended CONNECT") {
  Sides sides(Protocol::kHttp1);
  const std::string connect = Headers(1, false,
                                      {{":method", "CONNECT"},
                                       {":protocol", "websocket"},
                                       {":scheme", "http"},
                                       {":path", "/"},
                                       {":authority", "a"}});
  sides.caller.Send(connect);
  End& backend = sides.stage.Accepted();
  CHECK(sides.stage.Receives(backend, "upgrade: websocket"));
  backend.Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(sides.stage.Reports(1));
  CHECK_EQ(sides.stage.Last().status, 502);
  CHECK_EQ(sides.stage.LastReason(), "upstream_protocol");
}

TEST("what a sender wants in no table of HPACK is in none on the next connection") {
  Sides sides(Protocol::kHttp2);
  // A never-indexed literal with a new name, after the fields of a GET.
  const auto literal = [](std::string_view name, std::string_view value) {
    return std::string("\x10") + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
  };
  const auto sensitive = [](const std::string& payload) {
    http2::HpackDecoder decoder;
    decoder.Start(payload);
    std::string names;
    std::string_view name, value;
    while (decoder.Next(&name, &value) == http2::HpackDecoder::Step::kField)
      if (decoder.sensitive()) names += std::string(name) + "=" + std::string(value) + " ";
    return names;
  };
  const std::string get = Get(1).substr(http2::kFrameHeaderBytes);
  const uint8_t flags = http2::kFlagEndHeaders | http2::kFlagEndStream;
  sides.caller.Send(
      MakeFrame(FrameType::kHeaders, flags, 1, get + literal("x-key", "k") + literal("cookie", "c=1")));
  End& backend = sides.Backend();
  CHECK(sides.Has(backend, FrameType::kHeaders, 1));
  CHECK_EQ(sensitive(LastOf(FramesOf(backend.received), FrameType::kHeaders).payload), "x-key=k cookie=c=1 ");
  backend.Send(MakeFrame(FrameType::kHeaders, http2::kFlagEndHeaders, 1,
                         Headers(1, false, {{":status", "200"}}).substr(http2::kFrameHeaderBytes) +
                             literal("x-token", "t")) +
               MakeFrame(FrameType::kHeaders, flags, 1, literal("x-last", "l")));
  CHECK(sides.stage.Reports(1));
  std::string told;
  for (const Frame& frame : FramesOf(sides.caller.received))
    if (frame.header.type == FrameType::kHeaders) told = frame.payload;
  CHECK_EQ(sensitive(told), "x-last=l ");
}

TEST("what a backend resets on purpose is not sent again because its connection was idle") {
  Sides sides(Protocol::kHttp2);
  sides.caller.Send(Get(1));
  End& backend = sides.Backend();
  CHECK(sides.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Headers(1, true, {{":status", "200"}}));
  CHECK(sides.stage.Reports(1));
  sides.caller.Send(Get(3));
  CHECK(sides.Has(backend, FrameType::kHeaders, 3));
  backend.Send(MakeFrame(FrameType::kRstStream, 0, 3, Number(2)));
  CHECK(sides.stage.Reports(2));
  CHECK_EQ(sides.stage.Last().status, 502);
  CHECK_EQ(sides.stage.engine->counters().retries_reset, 0u);
}

TEST("a response that is cut off with its connection is no cancellation") {
  Sides sides(Protocol::kHttp2);
  sides.caller.Send(Get(1));
  End& backend = sides.Backend();
  CHECK(sides.Has(backend, FrameType::kHeaders, 1));
  backend.Send(Headers(1, false, {{":status", "200"}}) + Data(1, "a part"));
  CHECK(sides.Has(sides.caller, FrameType::kData, 1));
  backend.Finish();
  CHECK(sides.Has(sides.caller, FrameType::kRstStream, 1));
  CHECK(LastOf(FramesOf(sides.caller.received), FrameType::kRstStream).code() == ErrorCode::kInternalError);
}

TEST("a header block in parts that nobody wants takes an idle connection none of its time") {
  Sides sides(Protocol::kHttp1);
  sides.caller.Send(Headers(1, true, {{"a", "b"}}));
  CHECK(sides.Has(sides.caller, FrameType::kRstStream, 1));
  const std::string head = Block({{"a", "b"}});
  sides.caller.Send(MakeFrame(FrameType::kHeaders, 0, 1, head) +
                    MakeFrame(FrameType::kContinuation, http2::kFlagEndHeaders, 1) +
                    MakeFrame(FrameType::kPing, 0, 0, "12345678"));
  CHECK(sides.Has(sides.caller, FrameType::kPing, 0));
  sides.stage.Pass(7'500);
  CHECK(sides.stage.Ends(sides.caller));
}

TEST("frames that only pad give their window back, and are no use") {
  Sides sides(Protocol::kHttp1);
  sides.caller.Send(Post(1));
  End& upstream = sides.stage.Accepted();
  CHECK(sides.stage.Receives(upstream, "\r\n\r\n"));
  const std::string padding =
      MakeFrame(FrameType::kData, http2::kFlagPadded, 1, '\xff' + std::string(255, '\0'));
  std::string all;
  for (int i = 0; i < 1'020; ++i) all += padding;
  sides.SendAll(sides.caller, all);
  CHECK(sides.Has(sides.caller, FrameType::kWindowUpdate, 1));
  for (int i = 0; i < 3; ++i) sides.SendAll(sides.caller, all);
  CHECK(sides.Has(sides.caller, FrameType::kGoaway, 0));
  const Http2Counters& counted = sides.stage.engine->counters().http2_downstream;
  CHECK_EQ(counted.floods[static_cast<size_t>(Flood::kEmptyData)], 1u);
}

TEST("requests that came together are served in more than one turn") {
  Sides sides(Protocol::kHttp1);
  sides.stage.host.decision.kind = DecisionKind::kLocal;
  sides.stage.host.decision.reply = 0;
  CHECK(sides.Has(sides.caller, FrameType::kSettings, 0, 2));
  std::string all;
  for (uint32_t id = 1; id < 400; id += 2) all += Get(id);
  sides.caller.Send(all);
  int most = 0;
  CHECK(sides.stage.Until([&, before = 0]() mutable {
    most = std::max(most, sides.stage.host.asked - std::exchange(before, sides.stage.host.asked));
    return sides.stage.host.asked == 200;
  }));
  CHECK(most <= 100);
}

}  // namespace
}  // namespace sideroute::test
