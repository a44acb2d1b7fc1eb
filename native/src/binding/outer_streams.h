// The JavaScript side of outer streams: the objects that `carry` of an engine returns, and the carrier, which
// is JavaScript itself. Types: src/addon/outer-streams.ts.
//
// There is one call per head, per piece of a body and per part of a response. A head comes as one string.
// Bytes to send are in one array that both sides share, and belong to the carrier until `send` returns.
// JavaScript identifies streams by numbers of its own; each number has one object as long as the engine
// lives.
#ifndef SIDEROUTE_BINDING_OUTER_STREAMS_H_
#define SIDEROUTE_BINDING_OUTER_STREAMS_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/http_engine.h"
#include "http/engine_types.h"

namespace sideroute {

class OuterStreamsBinding final : private OuterCarrier {
 public:
  // Returns null with an exception pending. Ended before the engine, but kept until the end of the
  // environment, because JavaScript may keep its functions.
  static std::unique_ptr<OuterStreamsBinding> Create(napi_env env, HttpEngine& engine, Reactor& reactor,
                                                     napi_value callbacks);
  ~OuterStreamsBinding();
  napi_value MakeObject();
  // The engine ends: no more requests are carried.
  void End();
  // Releases the callbacks, so that JavaScript can collect them.
  void LetGo();

  // Replaces a decision for one of these streams that the carrier cannot carry out.
  void Restrict(Decision* decision);
  // A call from JavaScript is in progress, which ends its turn itself.
  bool entered() const { return entered_; }

 private:
  OuterStreamsBinding(napi_env env, HttpEngine& engine, Reactor& reactor);

  // Results of Start; a positive one is the number of a reason plus 1.
  static constexpr int32_t kBegun = 0;
  static constexpr int32_t kPaused = -1;
  static constexpr int32_t kInexact = -2;

  bool Send(OuterStream& stream, const OuterPart& part) override;
  void Resume(OuterStream& stream) override { Tell(resume_, stream); }
  void Reset(OuterStream& stream) override { Tell(reset_, stream); }
  void Tell(napi_ref callback, OuterStream& stream);
  // A callback has thrown, which it must not do.
  void Fail(OuterStream& stream);

  // What the characters of a head are: decoded UTF-8, bytes, or text that has lost bytes.
  enum Text : int32_t { kDecoded, kBytes, kLossy };

  int32_t Begin(uint32_t number, uint32_t caller, napi_value head, Text text, std::string_view body,
                bool last);
  // Writes the head as bytes to head_; returns kBegun, or the error.
  int32_t ReadHead(napi_value head, Text text, size_t* length);
  // Null if there is no such stream or it has ended.
  OuterStream* OpenStream(uint32_t number) const;

  static OuterStreamsBinding* From(napi_env env, napi_callback_info info, size_t argc, napi_value* argv);
  static napi_value SetCaller(napi_env env, napi_callback_info info);
  static napi_value StartRequest(napi_env env, napi_callback_info info);
  static napi_value Body(napi_env env, napi_callback_info info);
  static napi_value Room(napi_env env, napi_callback_info info);
  static napi_value Gone(napi_env env, napi_callback_info info);
  static napi_value Cut(napi_env env, napi_callback_info info);

  napi_env const env_;
  // Null after End.
  HttpEngine* engine_;
  Reactor& reactor_;
  napi_ref send_ = nullptr;
  napi_ref resume_ = nullptr;
  napi_ref reset_ = nullptr;
  // Keeps the memory of outbox_ alive.
  napi_ref outbox_array_ = nullptr;
  char* outbox_ = nullptr;
  bool ended_ = false;
  bool entered_ = false;
  // The stream whose head is being decided.
  OuterStream* starting_ = nullptr;
  std::vector<char> head_;
  // Indexed by the number that JavaScript uses.
  std::vector<Caller> callers_;
  std::vector<std::unique_ptr<OuterStream>> streams_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_OUTER_STREAMS_H_
