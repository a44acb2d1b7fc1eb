// Many HTTP/2 calls, some of which both sides cancel, reset and refuse at random, while they also break or
// drain whole connections. Nothing is left behind, nothing that must not be is executed twice, and a peer
// that obeys the rules notices nothing.
//
// Each run makes a few thousand calls; SIDEROUTE_STRESS_CALLS sets their number, SIDEROUTE_STRESS_SEED
// repeats a failed run.
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "engine_stage.h"
#include "http2/hpack.h"
#include "http2_frames.h"

namespace sideroute::test {
namespace {

using http2::FrameType;

constexpr size_t kCallsOfPiece = 1'000;
constexpr size_t kCallers = 5;
constexpr size_t kMostOpen = 12;

struct Dice {
  uint64_t state;
  uint32_t Below(uint32_t bound) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state >> 33) % bound;
  }
  bool Percent(uint32_t percent) { return Below(100) < percent; }
};

struct Call {
  bool repeatable = false;
  // The call belongs to the caller that obeys the rules.
  bool quiet = false;
  uint32_t reached = 0;
  // How often a backend has promised that it did not execute the call.
  uint32_t disclaimed = 0;
};

// Common to both ends: received frames, and windows that are given back.
struct Peer {
  explicit Peer(End& at) : end(&at) {}

  void Send(const std::string& bytes) {
    if (!gone && (end->ended() || end->SendSome(bytes) != bytes.size())) gone = true;
  }
  std::vector<Frame> Take() {
    std::vector<Frame> frames = FramesOf(end->received);
    size_t used = 0;
    if (end->received.starts_with(http2::kPreface)) used += http2::kPreface.size();
    for (const Frame& frame : frames) used += http2::kFrameHeaderBytes + frame.payload.size();
    if (!frames.empty()) end->received.erase(0, used);
    return frames;
  }
  void Credit(const Frame& data) {
    if (data.payload.empty()) return;
    const auto bytes = static_cast<uint32_t>(data.payload.size());
    Send(MakeFrame(FrameType::kWindowUpdate, 0, 0, Number(bytes)) +
         MakeFrame(FrameType::kWindowUpdate, 0, data.header.stream, Number(bytes)));
  }
  // The value of a field, or an empty string.
  std::string Decode(const Frame& headers, std::string_view wanted) {
    std::string found;
    decoder.Start(headers.payload);
    std::string_view name, value;
    while (decoder.Next(&name, &value) == http2::HpackDecoder::Step::kField) {
      if (name == wanted) found = value;
    }
    return found;
  }

  End* end;
  http2::HpackDecoder decoder;
  bool gone = false;
};

struct Backend : Peer {
  using Peer::Peer;
  struct Begun {
    size_t call;
    bool answers = false;
  };
  std::map<uint32_t, Begun> streams;
  uint32_t last = http2::kMaxStreamId;
};

struct Caller : Peer {
  using Peer::Peer;
  std::map<uint32_t, size_t> streams;
  std::map<uint32_t, bool> uploads;
  uint32_t next = 1;
};

class Piece {
 public:
  Piece(uint64_t seed, size_t count) : dice_{seed}, count_(count) {
    EngineSettings settings;
    stage_ = std::make_unique<Stage>(settings);
    stage_->engine->backends().Find(0)->SetProtocol(Protocol::kHttp2);
  }

  void Run() {
    for (size_t i = 0; i <= kCallers; ++i) Connect(i);
    for (int round = 0; round < 100'000 && (calls_.size() < count_ || AnyOpen()); ++round) {
      for (size_t i = 0; i <= kCallers; ++i) Act(i);
      stage_->Pass(1);
      while (End* end = stage_->AcceptedAlready()) {
        backends_.push_back(std::make_unique<Backend>(*end));
        backends_.back()->Send(MakeFrame(FrameType::kSettings, 0, 0));
      }
      for (const auto& backend : backends_) Serve(*backend);
      stage_->Pass(1);
      for (size_t i = 0; i <= kCallers; ++i) Hear(i);
    }
    CHECK(!AnyOpen());
    CheckEnd();
  }

 private:
  bool drains() const { return calls_.size() >= count_; }
  bool AnyOpen() const {
    for (const auto& caller : callers_) {
      if (!caller->streams.empty()) return true;
    }
    return false;
  }

  void Connect(size_t i) {
    if (callers_.size() <= i) callers_.resize(i + 1);
    callers_[i] = std::make_unique<Caller>(stage_->Connect(true));
    callers_[i]->Send(Hello());
  }

  // The last caller is the quiet one.
  void Act(size_t i) {
    if (callers_[i]->gone || callers_[i]->end->ended()) {
      CHECK(i != kCallers);
      Connect(i);
    }
    Caller& caller = *callers_[i];
    const bool quiet = i == kCallers;
    const bool begins =
        quiet ? caller.streams.empty() && dice_.Percent(50) : caller.streams.size() < kMostOpen;
    if (!drains() && begins) Begin(caller, quiet);
    if (quiet) return;
    std::vector<uint32_t> done;
    for (auto& [id, goes_on] : caller.uploads) {
      const bool last = drains() || dice_.Percent(40);
      caller.Send(Data(id, std::string(dice_.Below(2'000), 'u'), last));
      if (last) done.push_back(id);
    }
    for (const uint32_t id : done) caller.uploads.erase(id);
    done.clear();
    for (const auto& [id, call] : caller.streams) {
      if (dice_.Percent(4)) done.push_back(id);
    }
    for (const uint32_t id : done) {
      caller.Send(MakeFrame(FrameType::kRstStream, 0, id, Number(8)));
      caller.streams.erase(id);
      caller.uploads.erase(id);
    }
    if (drains()) return;
    if (dice_.Below(300) == 0) {
      caller.end->Reset();
      Connect(i);
    } else if (dice_.Below(300) == 0) {
      caller.Send(MakeFrame(FrameType::kGoaway, 0, 0, Number(0) + Number(0)));
    }
  }

  void Begin(Caller& caller, bool quiet) {
    Call call;
    call.quiet = quiet;
    call.repeatable = dice_.Percent(50);
    const uint32_t id = caller.next;
    caller.next += 2;
    const bool body = !call.repeatable && dice_.Percent(60) && !quiet;
    caller.streams.emplace(id, calls_.size());
    caller.Send(Headers(id, !body,
                        {{":method", call.repeatable ? "GET" : "POST"},
                         {":scheme", "http"},
                         {":path", "/" + std::to_string(calls_.size())},
                         {":authority", "a"}}));
    if (body) caller.uploads.emplace(id, true);
    calls_.push_back(call);
  }

  void Serve(Backend& backend) {
    if (backend.gone) return;
    for (const Frame& frame : backend.Take()) Note(backend, frame);
    if (backend.end->ended()) {
      backend.gone = true;
      return;
    }
    std::vector<uint32_t> over;
    for (auto& [id, begun] : backend.streams) {
      if (Answer(backend, id, begun)) over.push_back(id);
    }
    for (const uint32_t id : over) backend.streams.erase(id);
    if (drains()) return;
    if (dice_.Below(200) == 0 && backend.last == http2::kMaxStreamId) GoAway(backend);
    // A request of the quiet caller may be on its way to this backend.
    if (!callers_[kCallers]->streams.empty() || dice_.Below(200) != 0) return;
    backend.gone = true;
    if (dice_.Percent(50)) {
      backend.end->Reset();
    } else {
      backend.end->Finish();
    }
  }

  void Note(Backend& backend, const Frame& frame) {
    const uint32_t id = frame.header.stream;
    if (frame.header.type == FrameType::kRstStream) backend.streams.erase(id);
    if (frame.header.type == FrameType::kData) backend.Credit(frame);
    if (frame.header.type != FrameType::kHeaders) return;
    const std::string path = backend.Decode(frame, ":path");
    CHECK(path.size() > 1);
    const size_t call = std::strtoul(path.c_str() + 1, nullptr, 10);
    ++calls_[call].reached;
    if (id > backend.last) {
      ++calls_[call].disclaimed;
    } else {
      backend.streams.emplace(id, Backend::Begun{call});
    }
  }

  // Returns true if nothing more is to be sent for the stream.
  bool Answer(Backend& backend, uint32_t id, Backend::Begun& begun) {
    const std::string head = Headers(id, false, {{":status", "200"}});
    if (begun.answers) {
      if (!drains() && dice_.Percent(50)) return false;
      if (!drains() && dice_.Percent(20)) {
        backend.Send(MakeFrame(FrameType::kRstStream, 0, id, Number(2)));
      } else if (dice_.Percent(30)) {
        backend.Send(Headers(id, true, {{"grpc-status", "0"}}));
      } else {
        backend.Send(Data(id, std::string(dice_.Below(3'000), 'd'), true));
      }
      return true;
    }
    if (drains() || calls_[begun.call].quiet) {
      backend.Send(head + Data(id, "ok", true));
      return true;
    }
    const uint32_t choice = dice_.Below(100);
    if (choice < 30) {
      backend.Send(head + Data(id, std::string(dice_.Below(3'000), 'd'), true));
      return true;
    }
    if (choice < 50) {
      backend.Send(head + Data(id, "begun"));
      begun.answers = true;
      return false;
    }
    if (choice < 56) {
      backend.Send(MakeFrame(FrameType::kRstStream, 0, id, Number(7)));
      ++calls_[begun.call].disclaimed;
      return true;
    }
    if (choice < 62) {
      backend.Send(MakeFrame(FrameType::kRstStream, 0, id, Number(choice % 2 == 0 ? 8 : 2)));
      return true;
    }
    return false;
  }

  // The backend finishes what it has begun, up to some stream.
  void GoAway(Backend& backend) {
    uint32_t last = 0;
    for (const auto& [id, begun] : backend.streams) {
      if (last == 0 || begun.answers || calls_[begun.call].quiet || dice_.Percent(50)) last = id;
    }
    backend.last = last;
    backend.Send(MakeFrame(FrameType::kGoaway, 0, 0, Number(last) + Number(0)));
    std::erase_if(backend.streams, [&](const auto& each) {
      if (each.first <= last) return false;
      ++calls_[each.second.call].disclaimed;
      return true;
    });
  }

  void Hear(size_t i) {
    Caller& caller = *callers_[i];
    const bool quiet = i == kCallers;
    for (const Frame& frame : caller.Take()) {
      const uint32_t id = frame.header.stream;
      const bool last = frame.header.has(http2::kFlagEndStream);
      if (frame.header.type == FrameType::kHeaders) {
        const std::string status = caller.Decode(frame, ":status");
        if (quiet) CHECK_EQ(status, "200");
        if (last) caller.streams.erase(id);
      }
      if (frame.header.type == FrameType::kData) {
        caller.Credit(frame);
        if (last) caller.streams.erase(id);
        if (quiet && last) ++quiet_answered_;
      }
      if (frame.header.type == FrameType::kRstStream) {
        CHECK(!quiet);
        caller.streams.erase(id);
        caller.uploads.erase(id);
      }
      // Its traffic must not count as a flood.
      CHECK(frame.header.type != FrameType::kGoaway);
    }
  }

  void CheckEnd() {
    for (const auto& caller : callers_) caller->end->Reset();
    // Unused connections to backends are closed.
    stage_->Pass(100);
    for (const auto& backend : backends_) {
      if (!backend->gone) Serve(*backend);
    }
    stage_->Pass(60'000);
    const EngineCounters& counters = stage_->engine->counters();
    CHECK_EQ(stage_->host.outcomes.size(), static_cast<size_t>(stage_->host.asked));
    CHECK(stage_->host.asked > 0 && quiet_answered_ > 0);
    CHECK_EQ(counters.requests_open, 0u);
    CHECK_EQ(counters.downstream_open, 0u);
    CHECK_EQ(counters.upstream_open, 0u);
    CHECK_EQ(counters.upstream_idle, 0u);
    CHECK_EQ(stage_->engine->connections(), 0u);
    for (const Http2Counters* side : {&counters.http2_downstream, &counters.http2_upstream}) {
      CHECK_EQ(side->connections_open, 0u);
      CHECK_EQ(side->streams_open, 0u);
      for (const uint64_t floods : side->floods) CHECK_EQ(floods, 0u);
    }
    // The memory kept for the next head is allowed.
    CHECK(stage_->engine->buffered_bytes() < 64 * 1024);
    for (size_t i = 0; i < calls_.size(); ++i) {
      const Call& call = calls_[i];
      const uint32_t executed = call.reached - call.disclaimed;
      // A repeatable request may be executed once more if its connection broke before a response.
      const bool fine = executed <= (call.repeatable ? 2u : 1u) && (!call.quiet || executed >= 1);
      if (!fine) {
        Report(false, "call " + std::to_string(i),
               "executed " + std::to_string(executed) + " times" + (call.repeatable ? ", repeatable" : ""));
      }
    }
  }

  Dice dice_;
  const size_t count_;
  std::unique_ptr<Stage> stage_;
  std::vector<Call> calls_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<std::unique_ptr<Backend>> backends_;
  size_t quiet_answered_ = 0;
};

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(
    "calls that are cancelled, reset and sent away at random leave nothing behind, and none is executed "
    "twice") {
  const uint64_t calls = Setting("SIDEROUTE_STRESS_CALLS", 3'000);
  const uint64_t first = Setting("SIDEROUTE_STRESS_SEED", 1);
  for (uint64_t done = 0, seed = first; done < calls; done += kCallsOfPiece, ++seed) {
    const size_t descriptors = CountDescriptors();
    {
      Piece piece(seed, kCallsOfPiece);
      piece.Run();
    }
    const bool closed = CountDescriptors() == descriptors;
    Report(closed, "stress: SIDEROUTE_STRESS_SEED=" + std::to_string(seed), "descriptors are left open");
  }
}

}  // namespace
}  // namespace sideroute::test
