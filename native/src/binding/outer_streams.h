// The JavaScript face of outer streams: the objects that `carry` of an engine returns, and the carrier that
// JavaScript is. src/addon/outer-streams.ts has its types.
//
// One call per head, per piece of a body and per part of a response. A head comes as one string. What is to
// be sent lies in one array that both sides share, and is the carrier's until `send` returns. JavaScript
// names streams by numbers of its own, and each number is one object for as long as the engine lives.
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
  // Null with an exception pending. Ended before the engine; kept to the end of the environment, as
  // JavaScript may keep functions of it.
  static std::unique_ptr<OuterStreamsBinding> Create(napi_env env, HttpEngine& engine, Reactor& reactor,
                                                     napi_value callbacks);
  ~OuterStreamsBinding();
  napi_value MakeObject();
  // There is nothing more to carry.
  void End();
  // The same for JavaScript: what it is told by is not kept any more, so that it can be collected.
  void LetGo();

  // What is decided is for one of these, which cannot do all of it.
  void Restrict(Decision* decision);
  // A call from JavaScript is under way, and with it JavaScript's own end of a turn.
  bool entered() const { return entered_; }

 private:
  OuterStreamsBinding(napi_env env, HttpEngine& engine, Reactor& reactor);

  // What Start answers beside the number of a reason, from 1.
  static constexpr int32_t kBegun = 0;
  static constexpr int32_t kPaused = -1;
  static constexpr int32_t kInexact = -2;

  bool Send(OuterStream& stream, const OuterPart& part) override;
  void Resume(OuterStream& stream) override { Tell(resume_, stream); }
  void Reset(OuterStream& stream) override { Tell(reset_, stream); }
  void Tell(napi_ref callback, OuterStream& stream);
  // A callback has thrown, which it must not.
  void Fail(OuterStream& stream);

  // What the characters of a head are.
  enum Text : int32_t { kDecoded, kBytes, kLossy };

  int32_t Begin(uint32_t number, uint32_t caller, napi_value head, Text text, std::string_view body,
                bool last);
  // The head as bytes, in head_; kBegun, or why not.
  int32_t ReadHead(napi_value head, Text text, size_t* length);
  // Null when there is none, or it is over.
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
  // Keeps the memory of outbox_.
  napi_ref outbox_array_ = nullptr;
  char* outbox_ = nullptr;
  bool ended_ = false;
  bool entered_ = false;
  // Whose head is being decided about.
  OuterStream* starting_ = nullptr;
  std::vector<char> head_;
  // By the number that JavaScript gives them.
  std::vector<Caller> callers_;
  std::vector<std::unique_ptr<OuterStream>> streams_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_OUTER_STREAMS_H_
