// The JavaScript side of an Acceptor: the objects that createAcceptor of src/addon/binding.ts returns.
#ifndef SIDEROUTE_BINDING_ACCEPTOR_BINDING_H_
#define SIDEROUTE_BINDING_ACCEPTOR_BINDING_H_

#include <node_api.h>

#include <cstdint>
#include <memory>

#include "accept/acceptor.h"
#include "net/intrusive_list.h"
#include "net/reactor.h"
#include "net/unique_fd.h"

namespace sideroute {

class HttpEngineBinding;
struct Instance;

// Owned by the JavaScript object, which is held by a strong reference until close().
class AcceptorBinding final : public Disposable, public ListNode<AcceptorBinding>, public AcceptorHost {
 public:
  // Implements createAcceptor(options): returns the object, or null with an exception pending.
  static napi_value Create(napi_env env, Instance& instance, napi_value options);

  // The connections that the acceptor holds.
  size_t connections() const { return acceptor_ == nullptr ? 0 : acceptor_->connections(); }
  size_t held_bytes() const { return acceptor_ == nullptr ? 0 : acceptor_->held_bytes(); }
  void SetWindow(size_t bytes) {
    if (acceptor_ != nullptr) acceptor_->SetWindow(bytes);
  }
  size_t CloseLargest(MemoryHolders::Demand& demand) {
    return acceptor_ == nullptr ? 0 : acceptor_->CloseLargest(demand);
  }

  ~AcceptorBinding() override;
  // The environment ends: closes everything, and uses neither the environment nor the reactor afterwards.
  void Shutdown();

 private:
  AcceptorBinding(napi_env env, Instance& instance, const AcceptorLimits& limits);

  bool ReadEngine(napi_value options);
  napi_value Wrap();
  void Release();

  void OnHttp(UniqueFd fd, int64_t frontend, const NetAddress& destination, HeadFinding finding) override;
  void OnRequest(Arrival arrival) override;
  void OnDropped(ConnectionReason reason, const NetAddress& destination, int error) override;
  void OnPaused(AcceptLimit limit) override;

  static AcceptorBinding* From(napi_env env, napi_callback_info info, size_t argc, napi_value* argv);
  static napi_value Take(napi_env env, napi_callback_info info);
  static napi_value SetElsewhere(napi_env env, napi_callback_info info);
  static napi_value SetFrontends(napi_env env, napi_callback_info info);
  static napi_value Counters(napi_env env, napi_callback_info info);
  static napi_value Detections(napi_env env, napi_callback_info info);
  static napi_value Tunnels(napi_env env, napi_callback_info info);
  static napi_value CloseSomeIdle(napi_env env, napi_callback_info info);
  static napi_value StopAccepting(napi_env env, napi_callback_info info);
  static napi_value Close(napi_env env, napi_callback_info info);

  napi_env const env_;
  Instance& instance_;
  Reactor* reactor_;
  std::unique_ptr<Acceptor> acceptor_;
  // The connection that onHttp is told about, until it takes it.
  UniqueFd at_hand_;
  // The engine that carries requests; onHttp is not called then. Kept alive by the reference. Null: there is
  // none.
  HttpEngineBinding* engine_ = nullptr;
  napi_ref engine_reference_ = nullptr;
  napi_ref self_ = nullptr;
  // {onHttp, onDropped, onError}: one reference instead of three.
  napi_ref options_ = nullptr;
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_ACCEPTOR_BINDING_H_
