// Replaces ../../src/upstream/attempt.h, because it comes first in the include path: attempts answer an
// exchange with what the test has put into the Backend. There are no connections.
#ifndef SIDEROUTE_UPSTREAM_ATTEMPT_H_
#define SIDEROUTE_UPSTREAM_ATTEMPT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "http/engine_context.h"
#include "http/stream.h"
#include "net/net_address.h"
#include "scripted_upstream.h"
#include "upstream/attempt_user.h"
#include "upstream/retry_budget.h"

namespace sideroute {

class Backend;

class Attempt final {
 public:
  enum class State : uint8_t { kNone, kQueued, kPausing, kConnecting, kConnected };
  enum class Result : uint8_t { kLent, kLater, kNone };
  struct Options {
    bool may_reuse = true;
    bool repeatable = false;
    bool may_queue = true;
    bool may_displace = true;
    bool caller_ended = false;
    Protocol protocol = Protocol::kHttp1;
  };

  Attempt(EngineContext&, AttemptUser& user) : user_(user) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  Result Begin(Backend& backend, const Options& options);
  Result BeginIdle(Backend& backend, const Options& options);
  NoStream why() const { return why_; }
  State state() const { return state_; }
  UpstreamStream* stream() const { return stream_; }
  NetAddress address() const { return {}; }
  void OnCallerEnd() { caller_ended = true; }
  void MakeDisplaceable() { displaceable = true; }
  void KeepInPlace() { displaceable = false; }
  void Release() { Give(test::Fate::kReleased); }
  void Reset(StreamError why = StreamError::kCancelled) {
    if (stream_ != nullptr) stream_->told = why;
    Give(test::Fate::kReset);
  }
  void Close() { Give(test::Fate::kClosed); }

  // The script of later events.
  void Lend(bool stands);
  void Fail(NoStream why);
  void Connect();
  AttemptUser& user() { return user_; }
  bool caller_ended = false;
  bool displaceable = false;

 private:
  Result Take(bool stands, Executed executed);
  void Give(test::Fate fate);

  AttemptUser& user_;
  Backend* backend_ = nullptr;
  test::ScriptedUpstream* stream_ = nullptr;
  State state_ = State::kNone;
  NoStream why_ = NoStream::kOverflow;
};

class Backend {
 public:
  explicit Backend(int32_t id) : id_(id) {}
  int32_t id() const { return id_; }
  RetryBudget& budget() { return budget_; }
  bool refusing() const { return refuses; }
  void AddExchange(int change) { exchanges += change; }
  size_t mirrors() const { return static_cast<size_t>(mirrors_); }
  size_t max_mirrors() const { return most_mirrors; }
  void AddMirror(int change) { mirrors_ += change; }

  enum class Answer : uint8_t {
    kStands,
    kUsedBefore,
    // On a connection whose peer may say that nothing was executed.
    kRefusable,
    kConnecting,
    kLater,
    kRefused,
    kTimedOut,
    kOverflow,
    kNoAddress
  };
  // Answers to attempts, in order; after the last one every attempt gets an established connection.
  std::deque<Answer> script;
  // An idle connection is available for a request with its body at hand.
  bool has_idle = false;
  std::vector<Attempt::Options> asked;
  std::vector<std::unique_ptr<test::ScriptedUpstream>> streams;
  // The last attempt that asked.
  Attempt* attempt = nullptr;
  bool refuses = false;
  int exchanges = 0;
  size_t most_mirrors = 4;

 private:
  const int32_t id_;
  int mirrors_ = 0;
  RetryBudget budget_{20, 10};
};

inline Attempt::Result Attempt::Take(bool stands, Executed executed) {
  stream_ =
      backend_->streams.emplace_back(std::make_unique<test::ScriptedUpstream>(*this, stands, executed)).get();
  state_ = stands ? State::kConnected : State::kConnecting;
  return Result::kLent;
}

inline Attempt::Result Attempt::Begin(Backend& backend, const Options& options) {
  backend_ = &backend;
  backend.attempt = this;
  backend.asked.push_back(options);
  auto answer = Backend::Answer::kStands;
  if (!backend.script.empty()) {
    answer = backend.script.front();
    backend.script.pop_front();
  }
  switch (answer) {
    case Backend::Answer::kStands:
      return Take(true, Executed::kPossibly);
    case Backend::Answer::kUsedBefore:
      return Take(true, Executed::kUnlikely);
    case Backend::Answer::kRefusable:
      Take(true, Executed::kPossibly);
      stream_->MayRefuse();
      return Result::kLent;
    case Backend::Answer::kConnecting:
      return Take(false, Executed::kPossibly);
    case Backend::Answer::kLater:
      state_ = State::kQueued;
      return Result::kLater;
    case Backend::Answer::kRefused:
      why_ = NoStream::kRefused;
      return Result::kNone;
    case Backend::Answer::kTimedOut:
      why_ = NoStream::kTimedOut;
      return Result::kNone;
    case Backend::Answer::kOverflow:
      why_ = NoStream::kOverflow;
      return Result::kNone;
    case Backend::Answer::kNoAddress:
      why_ = NoStream::kNoAddress;
      return Result::kNone;
  }
  return Result::kNone;
}

inline Attempt::Result Attempt::BeginIdle(Backend& backend, const Options& options) {
  if (!backend.has_idle) return Result::kNone;
  backend_ = &backend;
  backend.attempt = this;
  backend.asked.push_back(options);
  return Take(true, Executed::kUnlikely);
}

inline void Attempt::Give(test::Fate fate) {
  if (stream_ != nullptr) stream_->fate = fate;
  stream_ = nullptr;
  state_ = State::kNone;
}

inline void Attempt::Lend(bool stands) {
  Take(stands, Executed::kPossibly);
  user_.OnStreamLent();
}

inline void Attempt::Fail(NoStream why) {
  Give(test::Fate::kReset);
  user_.OnNoStream(why);
}

inline void Attempt::Connect() {
  state_ = State::kConnected;
  stream_->Stand();
  user_.OnConnected();
  // As StreamUser::OnConnected promises.
  if (stream_ != nullptr) user_.OnStreamEvent();
}

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_ATTEMPT_H_
