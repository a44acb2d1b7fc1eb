// An engine survives whatever an application or a backend sends over HTTP/2, sends valid frames itself, and
// keeps nothing afterwards.
//
// The first byte of the input says which side sends the rest, and how it is split. The whole engine runs,
// between sockets on loopback (../test/engine_stage.h).
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../test/check.h"
#include "../test/engine_stage.h"
#include "../test/http2_frames.h"
#include "oracle.h"

namespace sideroute::test {

// The harness of the unit tests, which the stage needs.
void Report(bool, std::string_view, std::string_view) {}
void Fail(const char*, int, std::string_view) { std::abort(); }

namespace {

using http2::FrameType;

constexpr uint8_t kFromBackend = 1;
constexpr uint8_t kForwarded = 2;
constexpr uint8_t kHttp2Backend = 4;

// The engine must send whole frames, none of them too long.
void CheckFrames(std::string_view said) {
  if (said.starts_with(http2::kPreface)) said.remove_prefix(http2::kPreface.size());
  while (said.size() >= http2::kFrameHeaderBytes) {
    const http2::FrameHeader header = http2::ReadFrameHeader(said.data());
    fuzz::Require(header.length <= http2::kMaxFrameBytes, "a frame has a length that any peer takes");
    fuzz::Require(header.type <= FrameType::kContinuation, "a frame is of a known kind");
    said.remove_prefix(std::min(said.size(), http2::kFrameHeaderBytes + header.length));
  }
}

void SendIn(End& end, std::string_view bytes, size_t cut, Stage& stage) {
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    if (!end.ended()) end.SendSome(part);
    stage.Pass(1);
    end.Look();
  }
}

void Run(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  const size_t cut = std::min<size_t>(input.size(), choice >> 3);
  const bool from_backend = (choice & kFromBackend) != 0;
  EngineSettings settings;
  settings.upstream_spread = 1;
  Stage stage(settings);
  const bool http2 = from_backend || (choice & kHttp2Backend) != 0;
  stage.engine->backends().Find(0)->SetProtocol(http2 ? Protocol::kHttp2 : Protocol::kHttp1);
  if (!from_backend && (choice & kForwarded) == 0) {
    stage.host.decision.kind = DecisionKind::kLocal;
    stage.host.decision.reply = 0;
  }
  End& caller = stage.Connect(true);
  if (from_backend) {
    caller.Send(Hello() + Get(1) + Post(3) + Data(3, "body"));
    End& backend = stage.Accepted();
    backend.Send(MakeFrame(FrameType::kSettings, 0, 0));
    SendIn(backend, input, cut, stage);
    CheckFrames(backend.received);
  } else {
    SendIn(caller, Hello() + std::string(input), cut, stage);
  }
  caller.Look();
  CheckFrames(caller.received);
  stage.engine->Drain();
  stage.Pass(1'100);
  caller.Reset();
  stage.Pass(3'700'000);
  fuzz::Require(stage.engine->counters().requests_open == 0, "no request is left");
  fuzz::Require(stage.engine->connections() == 0, "no connection is left");
}

}  // namespace
}  // namespace sideroute::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sideroute::test::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
