// HTTP/2 from applications that obey the rules and from others that do not: their cost is limited, and they
// are told why they are cut off.
#include <string>
#include <vector>

#include "check.h"
#include "engine_stage.h"
#include "http2_frames.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

EngineSettings Quick() {
  EngineSettings settings;
  settings.header_timeout_ms = 5'000;
  settings.downstream_idle_ms = 7'000;
  return settings;
}

// A client that has sent its preface, in front of an HTTP/1.1 backend.
struct Caller {
  explicit Caller(Stage& on) : stage(on), end(on.Connect(true)) {
    stage.engine->backends().Find(0)->SetProtocol(Protocol::kHttp1);
    end.Send(Hello());
  }

  // Sends in pieces, as the kernel takes them. Stops if the other end has left.
  void SendAll(std::string_view bytes) {
    CHECK(stage.Until([&] {
      while (!bytes.empty() && !end.ended()) {
        const size_t sent = end.SendSome(bytes);
        if (sent == 0) return false;
        bytes.remove_prefix(sent);
      }
      return true;
    }));
  }
  bool Gets(FrameType type) {
    return stage.Until([&] { return CountOf(FramesOf(end.received), type) > 0; });
  }
  ErrorCode CodeOf(FrameType type) {
    if (!Gets(type)) return ErrorCode::kNoError;
    return LastOf(FramesOf(end.received), type).code();
  }
  size_t Count(FrameType type) { return CountOf(FramesOf(end.received), type); }

  Stage& stage;
  End& end;
};

std::string Repeat(const std::string& bytes, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += bytes;
  return all;
}

TEST("a request and its response pass, and the connection serves the next one") {
  Stage stage;
  Caller caller(stage);
  caller.end.Send(Get(1, "/a"));
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  CHECK_EQ(upstream.received, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n");
  upstream.Send(kOk);
  CHECK(caller.Gets(FrameType::kData));
  CHECK_EQ(LastOf(FramesOf(caller.end.received), FrameType::kData).payload, "ok");
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.Last().status, 200);
  caller.end.Send(Get(3, "/b"));
  CHECK(stage.Receives(upstream, "/b HTTP/1.1\r\nhost: a\r\n\r\n"));
  upstream.Send(kOk);
  CHECK(stage.Reports(2));
  CHECK_EQ(stage.engine->counters().requests_open, 0u);
}

struct Case {
  const char* title;
  std::string bytes;
  ErrorCode code;
};

std::vector<Case> Floods() {
  const std::string opened = Post(1);
  std::string resets, streams;
  for (uint32_t id = 1; id < 4'000; id += 2)
    resets += Get(id) + MakeFrame(FrameType::kRstStream, 0, id, Number(8));
  // A table entry that is named once more by each byte.
  std::string bomb = "\x40" + Block({{"x", std::string(4'000, 'a')}}).substr(1);
  bomb += std::string(12'000, '\xbe');
  return {
      {"streams that are opened and reset", resets, ErrorCode::kEnhanceYourCalm},
      {"CONTINUATION without an end",
       MakeFrame(FrameType::kHeaders, 0, 1) + Repeat(MakeFrame(FrameType::kContinuation, 0, 1), 100),
       ErrorCode::kEnhanceYourCalm},
      {"a header block without an end",
       MakeFrame(FrameType::kHeaders, 0, 1) +
           Repeat(MakeFrame(FrameType::kContinuation, 0, 1, std::string(16'000, 'a')), 20),
       ErrorCode::kEnhanceYourCalm},
      {"a header block that unpacks to more than it may",
       MakeFrame(FrameType::kHeaders, http2::kFlagEndHeaders, 1, bomb), ErrorCode::kEnhanceYourCalm},
      {"SETTINGS", Repeat(MakeFrame(FrameType::kSettings, 0, 0), 1'000), ErrorCode::kEnhanceYourCalm},
      {"SETTINGS that answer none of ours",
       Repeat(MakeFrame(FrameType::kSettings, http2::kFlagAck, 0), 5'000), ErrorCode::kEnhanceYourCalm},
      {"PING", Repeat(MakeFrame(FrameType::kPing, 0, 0, "12345678"), 5'000), ErrorCode::kEnhanceYourCalm},
      {"PING that answers none of ours",
       Repeat(MakeFrame(FrameType::kPing, http2::kFlagAck, 0, "12345678"), 5'000),
       ErrorCode::kEnhanceYourCalm},
      {"GOAWAY", Repeat(MakeFrame(FrameType::kGoaway, 0, 0, Number(0) + Number(0)), 500),
       ErrorCode::kEnhanceYourCalm},
      {"heads for a stream that we have reset", Headers(1, true, {{"a", "b"}}) + Repeat(Get(1), 5'000),
       ErrorCode::kEnhanceYourCalm},
      {"DATA without data", opened + Repeat(Data(1, ""), 5'000), ErrorCode::kEnhanceYourCalm},
      {"PRIORITY", Repeat(MakeFrame(FrameType::kPriority, 0, 1, std::string(5, '\0')), 5'000),
       ErrorCode::kEnhanceYourCalm},
      {"frames of no known kind", Repeat(MakeFrame(static_cast<FrameType>(77), 0, 0, "x"), 5'000),
       ErrorCode::kEnhanceYourCalm},
      {"windows that open by one byte", Repeat(MakeFrame(FrameType::kWindowUpdate, 0, 0, Number(1)), 5'000),
       ErrorCode::kEnhanceYourCalm},
      {"a window that opens beyond what there is",
       Repeat(MakeFrame(FrameType::kWindowUpdate, 0, 0, Number(0x7fffffff)), 2),
       ErrorCode::kFlowControlError},
      {"a first window beyond what there is",
       MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)),
       ErrorCode::kFlowControlError},
      {"a frame that is too long", MakeFrame(FrameType::kData, 0, 1, std::string(16'385, 'a')),
       ErrorCode::kFrameSizeError},
      {"a header block that is none", MakeFrame(FrameType::kHeaders, http2::kFlagEndHeaders, 1, "\xff\xff"),
       ErrorCode::kCompressionError},
      {"a push", MakeFrame(FrameType::kPushPromise, http2::kFlagEndHeaders, 1, std::string(4, '\0')),
       ErrorCode::kProtocolError},
  };
}

TEST("who floods a connection is told to be calm, and the connection ends") {
  for (const Case& flood : Floods()) {
    Stage stage;
    Caller caller(stage);
    caller.SendAll(flood.bytes);
    const ErrorCode code = caller.CodeOf(FrameType::kGoaway);
    const bool ends = stage.Ends(caller.end);
    Report(code == flood.code && ends, std::string("flood: ") + flood.title,
           "GOAWAY with " + std::to_string(static_cast<int>(code)) + (ends ? "" : ", and no end"));
    CHECK_EQ(stage.engine->counters().requests_open, 0u);
    CHECK_EQ(stage.engine->connections(), 0u);
    CHECK(!stage.host.refused.empty());
    const bool calm = code == ErrorCode::kEnhanceYourCalm;
    CHECK_EQ(kReasonNames[static_cast<size_t>(stage.host.refused.back())],
             calm ? "http2_flood" : "bad_request");
    const Http2Counters& counted = stage.engine->counters().http2_downstream;
    uint64_t floods = 0;
    for (const uint64_t each : counted.floods) floods += each;
    CHECK_EQ(floods, calm ? 1u : 0u);
    CHECK_EQ(counted.goaways_sent[static_cast<size_t>(code)], 1u);
    CHECK_EQ(counted.connections, 1u);
    CHECK_EQ(counted.connections_open, 0u);
    CHECK_EQ(counted.streams_open, 0u);
  }
}

TEST("requests on a connection that ends for what its caller did say so, and their backend is told") {
  Stage stage;
  Caller caller(stage);
  caller.end.Send(Get(1));
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  caller.SendAll(Repeat(MakeFrame(FrameType::kPing, 0, 0, "12345678"), 5'000));
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "http2_flood");
  CHECK(stage.Ends(upstream));
  CHECK_EQ(stage.engine->counters().http2_downstream.floods[static_cast<size_t>(Flood::kPing)], 1u);
}

TEST("a stream that is broken when its connection fails is gone with it") {
  Stage stage;
  Caller caller(stage);
  // A second HEADERS frame that does not end the stream, and an unexpected CONTINUATION.
  caller.end.Send(Post(1) + Post(1) + MakeFrame(FrameType::kContinuation, 0, 1));
  CHECK(caller.CodeOf(FrameType::kGoaway) == ErrorCode::kProtocolError);
  CHECK(stage.Ends(caller.end));
  CHECK_EQ(stage.host.asked, 0);
}

TEST("a request that is taken back in the same breath reaches nobody") {
  Stage stage;
  Caller caller(stage);
  caller.end.Send(Get(1) + MakeFrame(FrameType::kRstStream, 0, 1, Number(8)) +
                  MakeFrame(FrameType::kPing, 0, 0, "12345678"));
  CHECK(caller.Gets(FrameType::kPing));
  CHECK_EQ(stage.host.asked, 0);
  CHECK_EQ(stage.engine->counters().upstream_connects, 0u);
}

TEST("a malformed request is reset, and the connection goes on") {
  const auto with = [](const Fields& more) {
    Fields fields{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  };
  const std::pair<const char*, Fields> kRequests[] = {
      {"no method", {{":scheme", "http"}, {":path", "/"}, {":authority", "a"}}},
      {"no path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}},
      {"an empty path", {{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a"}}},
      {"a path that is none", {{":method", "GET"}, {":scheme", "http"}, {":path", "a"}, {":authority", "a"}}},
      {"a blank in the path",
       {{":method", "GET"}, {":scheme", "http"}, {":path", "/ HTTP/1.1"}, {":authority", "a"}}},
      {"a line end in the path",
       {{":method", "GET"}, {":scheme", "http"}, {":path", "/\r\nx: y"}, {":authority", "a"}}},
      {"nobody it is for", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
      {"an authority that is none",
       {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a b"}}},
      {"a Host that differs", with({{"host", "b"}})},
      {"a pseudo-header twice", with({{":path", "/"}})},
      {"a pseudo-header behind a field", with({{"a", "b"}, {":path", "/"}})},
      {"a pseudo-header of responses", with({{":status", "200"}})},
      {"a pseudo-header that nobody knows", with({{":what", "ever"}})},
      {"a name in upper case", with({{"A", "b"}})},
      {"a name with a line end", with({{"a\r\nb", "c"}})},
      {"an empty name", with({{"", "c"}})},
      {"a value with a line end", with({{"a", "b\r\nc: d"}})},
      {"a value with a NUL", with({{"a", std::string("b\0c", 3)}})},
      {"a value with a blank in front", with({{"a", " b"}})},
      {"Connection", with({{"connection", "close"}})},
      {"Transfer-Encoding", with({{"transfer-encoding", "chunked"}})},
      {"Upgrade", with({{"upgrade", "h2c"}})},
      {"TE with more than trailers", with({{"te", "gzip"}})},
      {"a length and no body", with({{"content-length", "2"}})},
      {"two lengths", with({{"content-length", "0"}, {"content-length", "0"}})},
      {"a length that is none", with({{"content-length", "+1"}})},
      {"CONNECT with a path", {{":method", "CONNECT"}, {":path", "/"}, {":authority", "a:1"}}},
      {"a protocol without CONNECT", with({{":protocol", "websocket"}})},
  };
  for (const auto& [title, fields] : kRequests) {
    Stage stage;
    Caller caller(stage);
    caller.end.Send(Headers(1, true, fields));
    const ErrorCode code = caller.CodeOf(FrameType::kRstStream);
    Report(code == ErrorCode::kProtocolError && stage.host.asked == 0, std::string("malformed: ") + title,
           "reset with " + std::to_string(static_cast<int>(code)));
    CHECK_EQ(stage.host.refused.size(), 1u);
    caller.end.Send(Get(3));
    CHECK(stage.Until([&] { return stage.host.asked == 1; }));
  }
}

TEST("a body that is not as long as announced is a fault of its request") {
  for (const char* body : {"a", "abc"}) {
    for (const bool at_once : {true, false}) {
      Stage stage;
      Caller caller(stage);
      const std::string head = Headers(1, false,
                                       {{":method", "POST"},
                                        {":scheme", "http"},
                                        {":path", "/"},
                                        {":authority", "a"},
                                        {"content-length", "2"}});
      if (at_once) {
        caller.end.Send(head + Data(1, body, true));
      } else {
        caller.end.Send(head);
        CHECK(stage.Until([&] { return stage.host.asked == 1; }));
        caller.end.Send(Data(1, body, true));
      }
      CHECK(caller.CodeOf(FrameType::kRstStream) == ErrorCode::kProtocolError);
      if (at_once) {
        CHECK_EQ(stage.host.refused.size(), 1u);
      } else {
        CHECK(stage.Reports(1));
        CHECK_EQ(stage.LastReason(), "bad_request");
      }
    }
  }
}

TEST("a head beyond a limit is answered, and the connection goes on") {
  const std::pair<Fields, const char*> kHeads[] = {
      {{{":method", "GET"},
        {":scheme", "http"},
        {":path", "/" + std::string(9'000, 'a')},
        {":authority", "a"}},
       "uri_limit"},
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, "header_limit"}};
  for (auto [fields, reason] : kHeads) {
    if (fields.size() == 4 && fields[2].second.size() == 1) {
      for (int i = 0; i < 300; ++i) fields.emplace_back("a", "b");
    }
    Stage stage;
    Caller caller(stage);
    caller.end.Send(Headers(1, true, fields));
    CHECK(caller.Gets(FrameType::kHeaders));
    CHECK_EQ(stage.host.refused.size(), 1u);
    CHECK_EQ(kReasonNames[static_cast<size_t>(stage.host.refused[0])], reason);
    caller.end.Send(Get(3));
    CHECK(stage.Until([&] { return stage.host.asked == 1; }));
  }
}

TEST("streams beyond the number that was allowed are refused, and may be sent again") {
  Stage stage;
  Caller caller(stage);
  std::string streams;
  for (uint32_t id = 1; id <= 501; id += 2) streams += Get(id);
  caller.SendAll(streams);
  CHECK(caller.CodeOf(FrameType::kRstStream) == ErrorCode::kRefusedStream);
  CHECK_EQ(caller.Count(FrameType::kRstStream), 1u);
  CHECK_EQ(LastOf(FramesOf(caller.end.received), FrameType::kRstStream).header.stream, 501u);
  CHECK_EQ(stage.engine->counters().requests_open, 250u);
}

TEST("a header block that does not come to its end has its time, and so has a preface") {
  for (const bool greeted : {true, false}) {
    Stage stage(Quick());
    End& end = stage.Connect(true);
    end.Send(greeted ? Hello() + MakeFrame(FrameType::kHeaders, 0, 1, "\x82") : "PRI * HT");
    stage.Pass(4'990);
    CHECK(!end.ended());
    stage.Pass(20);
    CHECK(stage.Ends(end));
    CHECK(CountOf(FramesOf(end.received), FrameType::kGoaway) > 0);
    CHECK_EQ(stage.host.refused.size(), 1u);
  }
}

TEST("an idle connection has its time, and is told that it ends") {
  Stage stage(Quick());
  Caller caller(stage);
  caller.end.Send(MakeFrame(FrameType::kPing, 0, 0, "12345678"));
  CHECK(caller.Gets(FrameType::kPing));
  stage.Pass(6'900);
  CHECK(!caller.end.ended());
  stage.Pass(200);
  CHECK(stage.Ends(caller.end));
  CHECK(caller.CodeOf(FrameType::kGoaway) == ErrorCode::kNoError);
}

TEST("a drain says first that it comes, then which streams are served, and ends with the last of them") {
  Stage stage;
  Caller caller(stage);
  caller.end.Send(Get(1));
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  stage.engine->Drain();
  CHECK(caller.Gets(FrameType::kGoaway));
  CHECK_EQ(http2::Read32(LastOf(FramesOf(caller.end.received), FrameType::kGoaway).payload.data()),
           http2::kMaxStreamId);
  // This request was on its way when the GOAWAY was sent.
  caller.end.Send(Get(3));
  End& second = stage.Accepted();
  CHECK(stage.Receives(second, "\r\n\r\n"));
  stage.Pass(1'100);
  CHECK(stage.Until([&] { return caller.Count(FrameType::kGoaway) == 2; }));
  CHECK_EQ(http2::Read32(LastOf(FramesOf(caller.end.received), FrameType::kGoaway).payload.data()), 3u);
  caller.end.Send(Post(5) + Data(5, "nobody reads it"));
  upstream.Send(kOk);
  second.Send(kOk);
  CHECK(stage.Ends(caller.end));
  CHECK_EQ(stage.host.asked, 2);
  CHECK_EQ(caller.Count(FrameType::kData), 2u);
}

TEST("what streams keep that stand still is bounded, for one and for all of a connection") {
  Stage stage;
  Caller caller(stage);
  std::string heads;
  for (uint32_t id = 1; id <= 399; id += 2) {
    // Nobody reads the body.
    heads += Headers(id, false,
                     {{":method", "POST"},
                      {":scheme", "http"},
                      {":path", "/"},
                      {":authority", "a"},
                      {"expect", "100-continue"}});
  }
  caller.SendAll(heads);
  // As much as the windows allow.
  int64_t window = 65'535;
  size_t credited = 0, sent = 0;
  for (uint32_t id = 1; id <= 399; id += 2) {
    for (int i = 0; i < 3; ++i) {
      size_t gained = 0;
      stage.Pass(0);
      for (const Frame& frame : FramesOf(caller.end.received)) {
        if (frame.header.type == FrameType::kWindowUpdate && frame.header.stream == 0)
          gained += http2::Read32(frame.payload.data());
      }
      window += static_cast<int64_t>(gained - credited);
      credited = gained;
      if (window < 16'384) break;
      caller.SendAll(Data(id, std::string(16'384, 'x')));
      window -= 16'384;
      sent += 16'384;
    }
  }
  CHECK(sent > 4u * 1024 * 1024);
  CHECK(sent < 6u * 1024 * 1024);
  size_t held = 0;
  for (const DownstreamConnection* each = stage.engine->downstreams().Front(); each != nullptr;
       each = stage.engine->downstreams().After(each)) {
    held += each->HeldBytes(false);
  }
  CHECK(held < 16u * 1024 * 1024);
}

}  // namespace
}  // namespace sideroute::test
