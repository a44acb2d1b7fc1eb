// The JavaScript side of HttpEngine: the objects that createHttpEngine of src/addon/http-engine.ts returns.
//
// Each request crosses to JavaScript twice. `decide` is called with the few strings that routing looks at,
// and answers by writing integers to a shared Int32Array. Outcomes are written to a shared Float64Array and
// handed over once per turn.
#ifndef SIDEROUTE_BINDING_HTTP_ENGINE_BINDING_H_
#define SIDEROUTE_BINDING_HTTP_ENGINE_BINDING_H_

#include <node_api.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "binding/outer_streams.h"
#include "engine/http_engine.h"
#include "exchange/decision_memo.h"
#include "http/engine_types.h"
#include "net/intrusive_list.h"
#include "net/reactor.h"

namespace sideroute {

struct Instance;

class HttpEngineBinding final : public Disposable, public ListNode<HttpEngineBinding>, public EngineHost {
 public:
  static napi_value Create(napi_env env, Instance& instance, napi_value options);

  ~HttpEngineBinding() override;
  // The environment ends.
  void Shutdown();
  HttpEngine* engine() const { return engine_.get(); }
  // Null if `value` is not such an object.
  static HttpEngineBinding* From(napi_env env, napi_value value);

 private:
  // Maximum number of fields passed to `decide` with each request of a frontend.
  static constexpr size_t kMaxInterest = 8;
  static constexpr size_t kOutcomes = 1024;
  static constexpr size_t kOutcomeNumbers = 5;
  using Record = std::array<double, kOutcomeNumbers>;

  // What `decide` looks at in a request of a frontend.
  struct Interest {
    std::vector<std::string> names;
    bool query = true;
  };

  HttpEngineBinding(napi_env env, Instance& instance, const EngineSettings& settings);

  bool Answer(int32_t frontend_id, const http::RequestHead& head, Decision* decision);
  bool DecideInScope(int32_t frontend, const http::RequestHead& head);
  bool WriteQuestion(int32_t frontend, const http::RequestHead& head);
  bool Decide(int32_t frontend_id, const http::RequestHead& head, Decision* decision) override;
  void OnOutcome(const OutcomeRecord& outcome) override;
  void OnMirror(int32_t series, MirrorResult result) override;
  void OnRefused(int32_t frontend, int32_t reason) override;
  void OnTurnEnd() override;
  void Put(double first, double second, double third, double fourth, double fifth);
  // Whether outcomes wait so that they can be reported together with later ones.
  bool OutcomesMayWait();
  void HandOver();
  // The first `count` records are new.
  void CallBack(size_t count);
  void Release(napi_ref* reference);

  bool ReadReplies(napi_value options);
  bool TakeCallbacks(napi_value options);
  napi_value Wrap();
  // Null if there is no such field.
  napi_value MakeField(const http::RequestHead& head, std::string_view lower_name);

  static HttpEngineBinding* From(napi_env env, napi_callback_info info, size_t argc, napi_value* argv);
  static napi_value Adopt(napi_env env, napi_callback_info info);
  static napi_value SetBackend(napi_env env, napi_callback_info info);
  static napi_value DropBackend(napi_env env, napi_callback_info info);
  static napi_value SetInterest(napi_env env, napi_callback_info info);
  static napi_value AddReply(napi_env env, napi_callback_info info);
  static napi_value AddPlan(napi_env env, napi_callback_info info);
  static napi_value AddPolicy(napi_env env, napi_callback_info info);
  static napi_value AddMirrors(napi_env env, napi_callback_info info);
  static napi_value SetFields(napi_env env, napi_callback_info info);
  static napi_value Forget(napi_env env, napi_callback_info info);
  static napi_value Header(napi_env env, napi_callback_info info);
  static napi_value Counters(napi_env env, napi_callback_info info);
  static napi_value CountersOfHttp2(napi_env env, napi_callback_info info);
  static napi_value Upstreams(napi_env env, napi_callback_info info);
  static napi_value DownstreamConnections(napi_env env, napi_callback_info info);
  static napi_value UpstreamConnections(napi_env env, napi_callback_info info);
  static napi_value Carry(napi_env env, napi_callback_info info);
  static napi_value Drain(napi_env env, napi_callback_info info);
  static napi_value Close(napi_env env, napi_callback_info info);

  void EndOuterStreams();

  napi_env const env_;
  Instance& instance_;
  Reactor* reactor_;
  std::unique_ptr<HttpEngine> engine_;
  // Null: no carrier uses this engine.
  OuterStreamsBinding* outer_ = nullptr;
  // The request that `decide` is called for; used by `header`.
  const http::RequestHead* current_ = nullptr;
  bool called_ = false;
  bool closed_ = false;
  // Indexed by frontend.
  std::vector<Interest> interest_;
  // Only for frontends whose interest is known.
  DecisionMemos memos_;
  // Everything that `decide` looks at in the current request.
  std::string question_;

  napi_ref self_ = nullptr;
  napi_ref decide_ = nullptr;
  napi_ref on_outcomes_ = nullptr;
  napi_ref arrays_ = nullptr;
  // Memory of the two shared arrays; arrays_ keeps them alive.
  int32_t* decision_ = nullptr;
  double* outcomes_ = nullptr;
  size_t outcome_count_ = 0;
  uint64_t handed_over_ms_ = 0;
  // Its expiry makes a turn, and so ends the wait if there is no other event.
  struct OutcomesDue final : Deadline {
    void OnDeadline() override {}
  };
  std::optional<DeadlineQueue> outcome_deadlines_;
  OutcomesDue outcomes_due_;
  // JavaScript is reading the array.
  bool handing_over_ = false;
  // Records of this turn that do not fit in the array, handed over at its end. There may be as many as there
  // were requests, mirrors and connections, each of which held more memory than the 40 bytes of its record.
  std::vector<Record> surplus_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_HTTP_ENGINE_BINDING_H_
