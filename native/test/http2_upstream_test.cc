// HTTP/2 to a backend: what it promises not to have executed is sent again, what it resets reaches the caller
// with the error code, and a backend that violates the protocol affects only its own requests.
#include <string>
#include <vector>

#include "check.h"
#include "engine_stage.h"
#include "http2_frames.h"
#include "http2_pair.h"

namespace sideroute::test {
namespace {

using http2::ErrorCode;
using http2::FrameType;

TEST("many requests share a connection, and their responses come back in whatever order") {
  Both both;
  both.caller.Send(Get(1) + Post(3) + Data(3, "body", true) + Get(5));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 5));
  CHECK(both.Has(backend, FrameType::kData, 3));
  backend.Send(Answer(5) + Answer(1) + Answer(3, false) + Data(3, "ok", true));
  for (uint32_t id : {1u, 3u, 5u}) CHECK(both.Has(both.caller, FrameType::kHeaders, id));
  CHECK(both.Has(both.caller, FrameType::kData, 3));
  CHECK(both.stage.Reports(3));
  CHECK_EQ(both.stage.engine->counters().upstream_connects, 1u);
  CHECK_EQ(both.stage.engine->counters().requests_open, 0u);
}

TEST("what the backend refuses before it has done anything is sent again, whatever the method") {
  Both both;
  both.caller.Send(Post(1) + Data(1, "body", true));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kData, 1));
  backend.Send(MakeFrame(FrameType::kRstStream, 0, 1, Number(7)));
  CHECK(both.Has(backend, FrameType::kData, 3));
  CHECK_EQ(LastOf(FramesOf(backend.received), FrameType::kData).payload, "body");
  backend.Send(Answer(3));
  CHECK(both.Has(both.caller, FrameType::kHeaders, 1));
  CHECK(both.stage.Reports(1));
  CHECK_EQ(both.stage.Last().status, 200);
}

TEST(
    "of a connection that goes away what it does not serve is sent on another, and what it serves ends "
    "there") {
  Both both;
  both.caller.Send(Get(1) + Post(3) + Data(3, "body", true));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kData, 3));
  backend.Send(MakeFrame(FrameType::kGoaway, 0, 0, Number(1) + Number(0)));
  End& other = both.Backend();
  CHECK(both.Has(other, FrameType::kData, 1));
  other.Send(Answer(1));
  backend.Send(Answer(1));
  CHECK(both.Has(both.caller, FrameType::kHeaders, 1));
  CHECK(both.Has(both.caller, FrameType::kHeaders, 3));
  CHECK(both.stage.Reports(2));
  // The connection closes with its last stream.
  CHECK(both.stage.Ends(backend));
  CHECK(!other.ended());
}

TEST("a reset of the backend reaches the caller with its code, and one of the caller the backend") {
  Both both;
  both.caller.Send(Get(1) + Get(3));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 3));
  backend.Send(Answer(1, false) + Data(1, "begun"));
  CHECK(both.Has(both.caller, FrameType::kData, 1));
  backend.Send(MakeFrame(FrameType::kRstStream, 0, 1, Number(11)));
  CHECK(both.CodeOf(both.caller, FrameType::kRstStream, 1) == ErrorCode::kEnhanceYourCalm);
  both.caller.Send(MakeFrame(FrameType::kRstStream, 0, 3, Number(8)));
  CHECK(both.CodeOf(backend, FrameType::kRstStream, 3) == ErrorCode::kCancel);
  CHECK(both.stage.Reports(2));
  CHECK_EQ(both.stage.engine->counters().upstream_open, 1u);
}

TEST("a response that is all here is passed on, whatever becomes of its connection") {
  Both both;
  both.caller.Send(MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\4\0\0\0\4", 6)) + Get(1));
  End& backend = both.Backend();
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  // More than the caller's window of four bytes.
  backend.Send(Answer(1, false) + Data(1, std::string(15'000, 'x')) + Data(1, std::string(15'000, 'x')));
  CHECK(both.Has(both.caller, FrameType::kData, 1));
  backend.Send(Data(1, "the end.", true));
  backend.Finish();
  both.caller.Send(MakeFrame(FrameType::kWindowUpdate, 0, 1, Number(100'000)));
  CHECK(both.stage.Reports(1));
  CHECK_EQ(both.stage.LastReason(), "");
  const std::vector<Frame> frames = FramesOf(both.caller.received);
  CHECK(LastOf(frames, FrameType::kData).payload.ends_with("the end."));
  CHECK(LastOf(frames, FrameType::kData).header.has(http2::kFlagEndStream));
}

TEST("no more streams are begun than the backend allows; others take another connection") {
  Both both;
  both.caller.Send(Get(1));
  End& backend = both.stage.Accepted();
  backend.Send(MakeFrame(FrameType::kSettings, 0, 0, std::string("\0\3\0\0\0\2", 6)));
  CHECK(both.Has(backend, FrameType::kHeaders, 1));
  CHECK(both.Has(backend, FrameType::kSettings, 0, 2));
  both.caller.Send(Get(3) + Get(5));
  CHECK(both.Has(backend, FrameType::kHeaders, 3));
  End& other = both.Backend();
  CHECK(both.Has(other, FrameType::kHeaders, 1));
  for (const Frame& frame : FramesOf(backend.received)) CHECK(frame.header.stream != 5);
}

TEST("a connection that cannot be made costs its requests no more than one of HTTP/1.1") {
  Both both;
  both.stage.Refuse();
  both.caller.Send(Get(1));
  for (int i = 0; i < 60 && both.stage.host.outcomes.empty(); ++i) both.stage.Pass(100);
  CHECK(both.stage.Reports(1));
  CHECK_EQ(both.stage.LastReason(), "connect_failure");
  CHECK(both.Has(both.caller, FrameType::kHeaders, 1));
}

TEST("a backend that breaks the rules costs its own requests, and no more") {
  struct Case {
    const char* title;
    std::string bytes;
    bool ends;
  };
  const std::string headers = Headers(1, false, {{":status", "200"}});
  std::string pings;
  for (int i = 0; i < 5'000; ++i) pings += MakeFrame(FrameType::kPing, 0, 0, "12345678");
  const Case kCases[] = {
      {"a status that is none", Headers(1, true, {{":status", "20"}}), false},
      {"no status", Headers(1, true, {{"a", "b"}}), false},
      {"101", Headers(1, false, {{":status", "101"}}), false},
      {"an interim response that ends", Headers(1, true, {{":status", "103"}}), false},
      {"Connection", Headers(1, true, {{":status", "200"}, {"connection", "close"}}), false},
      {"a line end in a value", Headers(1, true, {{":status", "200"}, {"a", "b\r\nc: d"}}), false},
      {"a body where there is none",
       Headers(1, false, {{":status", "204"}}) + Data(1, "HTTP/1.1 200 OK", true), false},
      {"a length and no body", Headers(1, true, {{":status", "200"}, {"content-length", "2"}}), false},
      {"a push", MakeFrame(FrameType::kPushPromise, http2::kFlagEndHeaders, 1, Number(2) + "\x82"), true},
      {"a stream that nobody began", Headers(7, true, {{":status", "200"}}), true},
      {"PING", pings, true},
      {"bytes of HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
  };
  for (const Case& row : kCases) {
    Both both;
    both.caller.Send(Get(1));
    End& backend = both.Backend();
    CHECK(both.Has(backend, FrameType::kHeaders, 1));
    for (std::string_view rest = row.bytes; !rest.empty() && !backend.ended();) {
      rest.remove_prefix(backend.SendSome(rest));
      both.stage.Until([] { return true; });
      backend.Look();
    }
    const bool told = both.stage.Reports(1);
    const bool ends = !row.ends || both.stage.Ends(backend);
    const uint16_t status = both.stage.Last().status;
    Report(told && ends && status == 502, std::string("backend: ") + row.title,
           "status " + std::to_string(status) + (ends ? "" : ", and no end"));
    CHECK(!both.caller.ended());
    CHECK_EQ(both.stage.engine->counters().upstream_open, row.ends ? 0u : 1u);
  }
}

}  // namespace
}  // namespace sideroute::test
