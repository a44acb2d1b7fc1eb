#include "binding/acceptor_binding.h"

#include <string>
#include <utility>

#include "binding/access_log_binding.h"
#include "binding/instance.h"
#include "binding/napi_util.h"
#include "binding/state_value.h"
#include "net/socket.h"

namespace sideroute {

namespace {

// Marks our objects, so that calling a method on another object is an error and not a wild pointer.
constexpr napi_type_tag kAcceptorTag = {0x8d0f3f1c5a6b4e27, 0xb1c49a7e02d85f63};

constexpr int64_t kMaxTimeoutMs = 24 * 60 * 60 * 1000;

const char* VerdictName(HeadVerdict verdict) {
  switch (verdict) {
    case HeadVerdict::kAdmit:
      return "admit";
    case HeadVerdict::kRefuse:
      return "refuse";
    case HeadVerdict::kInvalid:
      break;
  }
  return "invalid";
}

bool IsFunction(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_function;
}

bool ReadLimits(napi_env env, napi_value options, AcceptorLimits* limits) {
  int64_t detect = 0, connect = 0, connections = 0, head = 0, fields = 0;
  if (!ReadIntegerProperty(env, options, "detectTimeoutMs", "options", 1, kMaxTimeoutMs, &detect) ||
      !ReadIntegerProperty(env, options, "connectTimeoutMs", "options", 1, kMaxTimeoutMs, &connect) ||
      !ReadIntegerProperty(env, options, "maxConnections", "options", 1, 1'000'000, &connections) ||
      !ReadIntegerProperty(env, options, "maxHeadBytes", "options", 256, 1024 * 1024, &head) ||
      !ReadIntegerProperty(env, options, "maxHeaderFields", "options", 1, 10'000, &fields)) {
    return false;
  }
  limits->detect_timeout_ms = static_cast<uint64_t>(detect);
  limits->connect_timeout_ms = static_cast<uint64_t>(connect);
  limits->max_connections = static_cast<size_t>(connections);
  limits->head.max_head_bytes = static_cast<size_t>(head);
  limits->head.max_fields = static_cast<size_t>(fields);
  return true;
}

bool CheckCallback(napi_env env, napi_value options, const char* name) {
  napi_value callback;
  if (!ReadProperty(env, options, name, "options", &callback)) return false;
  return IsFunction(env, callback) ||
         ThrowInvalid(env, "options." + std::string(name) + " must be a function");
}

// options.portSharing; if it is missing, no other socket listens on the port.
bool ReadPortSharing(napi_env env, napi_value options, PortSharing* sharing) {
  napi_value value;
  napi_valuetype type = napi_undefined;
  std::string name;
  if (!ReadProperty(env, options, "portSharing", "options", &value)) return false;
  napi_typeof(env, value, &type);
  if (type == napi_undefined) return true;
  if (!ReadString(env, value, "options.portSharing", &name)) return false;
  *sharing = name == "first" ? PortSharing::kFirst : PortSharing::kJoin;
  return name == "first" || name == "join" ||
         ThrowInvalid(env, "options.portSharing must be 'first' or 'join', not '" + name + "'");
}

bool BindAll(napi_env env, napi_value options, Acceptor& acceptor) {
  napi_value listen;
  uint32_t count = 0;
  PortSharing sharing = PortSharing::kNone;
  if (!ReadProperty(env, options, "listen", "options", &listen) ||
      !ReadArray(env, listen, "options.listen", &count) || !ReadPortSharing(env, options, &sharing)) {
    return false;
  }
  if (count == 0) return ThrowInvalid(env, "options.listen must name at least one address");
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    NetAddress address;
    napi_get_element(env, listen, i, &element);
    if (!ReadAddress(env, element, "options.listen[" + std::to_string(i) + "]", &address)) return false;
    const char* syscall = "bind";
    if (const int error = acceptor.Bind(address, &syscall, sharing); error != 0) {
      ThrowSystemError(env, error, syscall, address.HostText() + " port " + std::to_string(address.port()));
      return false;
    }
  }
  return true;
}

napi_value MakeListening(napi_env env, const Acceptor& acceptor) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t index = 0;
  for (const auto& listener : acceptor.listeners()) {
    napi_value entry;
    napi_create_object(env, &entry);
    SetProperty(env, entry, "address", MakeString(env, listener->address().HostText().c_str()));
    SetProperty(env, entry, "port", MakeNumber(env, listener->address().port()));
    napi_set_element(env, list, index++, entry);
  }
  return list;
}

bool ReadFrontend(napi_env env, napi_value element, const std::string& path, FrontendTable* table) {
  NetAddress address;
  int64_t id = 0;
  napi_value value;
  std::string mode;
  if (!ReadAddress(env, element, path, &address) ||
      !ReadIntegerProperty(env, element, "id", path, 0, (int64_t{1} << 53) - 1, &id) ||
      !ReadProperty(env, element, "mode", path, &value) || !ReadString(env, value, path + ".mode", &mode)) {
    return false;
  }
  if (mode != "http" && mode != "opaque") {
    return ThrowInvalid(env, path + ".mode must be 'http' or 'opaque', not '" + mode + "'");
  }
  if (table->Add(address, {id, mode == "http" ? FrontendMode::kHttp : FrontendMode::kOpaque})) return true;
  return ThrowInvalid(env,
                      path + " repeats " + address.HostText() + " port " + std::to_string(address.port()));
}

// Calls options[name](argv...) as Node calls back from its loop: microtasks run afterwards. If the call
// fails, `exception` is what it threw.
bool Call(napi_env env, napi_value options, const char* name, size_t argc, const napi_value* argv,
          napi_value* exception) {
  napi_value callback;
  *exception = nullptr;
  if (napi_get_named_property(env, options, name, &callback) == napi_ok &&
      napi_make_callback(env, nullptr, options, callback, argc, argv, nullptr) == napi_ok) {
    return true;
  }
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  // There is none while a worker is being terminated; then nobody can be told.
  if (pending) napi_get_and_clear_last_exception(env, exception);
  return false;
}

// Passes the exception to options.onError if there is one, else raises an uncaught exception: it is never
// lost and never aborts.
void Report(napi_env env, napi_value options, napi_value exception) {
  if (exception == nullptr) return;
  napi_value handler;
  if (napi_get_named_property(env, options, "onError", &handler) == napi_ok && IsFunction(env, handler)) {
    napi_value second;
    if (Call(env, options, "onError", 1, &exception, &second)) return;
    if (second == nullptr) return;
    exception = second;
  }
  napi_fatal_exception(env, exception);
}

}  // namespace

AcceptorBinding::AcceptorBinding(napi_env env, Instance& instance, const AcceptorLimits& limits)
    : env_(env),
      instance_(instance),
      reactor_(instance.reactor.get()),
      acceptor_(std::make_unique<Acceptor>(*reactor_, instance.own_dials, instance, instance.descriptors,
                                           instance.memory, *this, limits)) {}

AcceptorBinding::~AcceptorBinding() {
  for (napi_ref reference : {options_, self_, engine_reference_}) {
    if (reference != nullptr) napi_delete_reference(env_, reference);
  }
}

void AcceptorBinding::Shutdown() {
  Unlink();
  acceptor_.reset();
  reactor_ = nullptr;
}

napi_value AcceptorBinding::Create(napi_env env, Instance& instance, napi_value options) {
  AcceptorLimits limits{};
  std::shared_ptr<AccessLog> log;
  if (!ReadLimits(env, options, &limits) || !CheckCallback(env, options, "onDropped") ||
      !ReadAccessLog(env, options, &log)) {
    return nullptr;
  }
  std::unique_ptr<AcceptorBinding> binding(new AcceptorBinding(env, instance, limits));
  if (!binding->ReadEngine(options)) return nullptr;
  binding->acceptor_->SetAccessLog(std::move(log));
  if (!BindAll(env, options, *binding->acceptor_)) return nullptr;
  if (const int error = binding->acceptor_->Start(); error != 0) {
    return ThrowSystemError(env, error, "epoll_ctl", "while listening");
  }
  napi_create_reference(env, options, 1, &binding->options_);
  instance.acceptors.PushBack(binding.get());
  return binding.release()->Wrap();
}

// options.engine, which replaces onHttp.
bool AcceptorBinding::ReadEngine(napi_value options) {
  napi_value engine;
  napi_valuetype type = napi_undefined;
  if (napi_get_named_property(env_, options, "engine", &engine) != napi_ok) return false;
  napi_typeof(env_, engine, &type);
  if (type == napi_undefined) return CheckCallback(env_, options, "onHttp");
  if (type == napi_object) engine_ = HttpEngineBinding::From(env_, engine);
  if (engine_ == nullptr) return ThrowInvalid(env_, "options.engine must be an HTTP engine");
  napi_create_reference(env_, engine, 1, &engine_reference_);
  acceptor_->TakeRequests();
  return true;
}

napi_value AcceptorBinding::Wrap() {
  const napi_property_descriptor members[] = {
      {"listening", nullptr, nullptr, nullptr, nullptr, MakeListening(env_, *acceptor_), napi_enumerable,
       nullptr},
      {"take", nullptr, Take, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setElsewhere", nullptr, SetElsewhere, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setFrontends", nullptr, SetFrontends, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"counters", nullptr, Counters, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"detections", nullptr, Detections, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"tunnels", nullptr, Tunnels, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"closeSomeIdle", nullptr, CloseSomeIdle, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"stopAccepting", nullptr, StopAccepting, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_value object;
  napi_create_object(env_, &object);
  napi_type_tag_object(env_, object, &kAcceptorTag);
  napi_define_properties(env_, object, std::size(members), members);
  const auto finalize = [](napi_env, void* data, void*) {
    auto* self = static_cast<AcceptorBinding*>(data);
    // A callback of this acceptor may be on the stack.
    if (self->reactor_ != nullptr) return self->reactor_->Dispose(std::unique_ptr<Disposable>(self));
    delete self;
  };
  napi_wrap(env_, object, this, finalize, nullptr, nullptr);
  napi_create_reference(env_, object, 1, &self_);
  return object;
}

// From here on the JavaScript object decides how long this object lives, and its callbacks know that. Nothing
// is left to report.
void AcceptorBinding::Release() {
  for (napi_ref* reference : {&self_, &options_}) {
    if (*reference != nullptr) napi_delete_reference(env_, *reference);
    *reference = nullptr;
  }
}

void AcceptorBinding::OnHttp(UniqueFd fd, int64_t frontend, const NetAddress& destination,
                             HeadFinding finding) {
  napi_env const env = env_;
  napi_handle_scope scope;
  if (options_ == nullptr || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value options;
  napi_get_reference_value(env, options_, &options);
  napi_value connection;
  napi_create_object(env, &connection);
  SetProperty(env, connection, "frontend", MakeNumber(env, static_cast<double>(frontend)));
  SetProperty(env, connection, "address", MakeString(env, destination.HostText().c_str()));
  SetProperty(env, connection, "port", MakeNumber(env, destination.port()));
  SetProperty(env, connection, "verdict", MakeString(env, VerdictName(finding.verdict)));
  napi_value reason = nullptr;
  if (finding.reason == nullptr) {
    napi_get_null(env, &reason);
  } else {
    reason = MakeString(env, finding.reason);
  }
  SetProperty(env, connection, "reason", reason);
  napi_value http2 = nullptr;
  napi_get_boolean(env, finding.http2, &http2);
  SetProperty(env, connection, "http2", http2);
  at_hand_ = std::move(fd);
  napi_value exception;
  instance_.reactor->NoteJavaScript();
  const bool called = Call(env, options, "onHttp", 1, &connection, &exception);
  if (at_hand_) {
    ResetOnClose(at_hand_.get());
    at_hand_.Reset();
  }
  if (!called) Report(env, options, exception);
  napi_close_handle_scope(env, scope);
}

void AcceptorBinding::OnRequest(Arrival arrival) {
  if (HttpEngine* engine = engine_->engine(); engine != nullptr) return engine->Take(std::move(arrival));
  reactor_->Forget(&arrival.watcher);
  ResetOnClose(arrival.fd.get());
}

// take(): the descriptor of the current connection, which belongs to the caller from here on. It is the only
// way out, so there is one owner at any time, whatever the receiver throws before or after.
napi_value AcceptorBinding::Take(napi_env env, napi_callback_info info) {
  AcceptorBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  if (self->at_hand_) return MakeNumber(env, self->at_hand_.Release());
  napi_throw_error(env, "ERR_TAKEN", "no connection is at hand: taken already, or after onHttp");
  return nullptr;
}

void AcceptorBinding::OnDropped(ConnectionReason reason, const NetAddress& destination, int error) {
  napi_env const env = env_;
  napi_handle_scope scope;
  if (options_ == nullptr || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value options;
  napi_get_reference_value(env, options_, &options);
  const napi_value arguments[] = {
      MakeString(env, kConnectionReasonNames[static_cast<size_t>(reason)]),
      MakeString(env, destination.HostText().c_str()),
      MakeNumber(env, destination.port()),
      MakeErrorName(env, error),
  };
  napi_value exception;
  instance_.reactor->NoteJavaScript();
  if (!Call(env, options, "onDropped", std::size(arguments), arguments, &exception)) {
    Report(env, options, exception);
  }
  napi_close_handle_scope(env, scope);
}

void AcceptorBinding::OnPaused(AcceptLimit limit) {
  napi_env const env = env_;
  napi_handle_scope scope;
  if (options_ == nullptr || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value options, callback;
  napi_get_reference_value(env, options_, &options);
  if (napi_get_named_property(env, options, "onPaused", &callback) == napi_ok && IsFunction(env, callback)) {
    const napi_value name = MakeString(env, kAcceptLimitNames[static_cast<size_t>(limit)]);
    napi_value exception;
    instance_.reactor->NoteJavaScript();
    if (!Call(env, options, "onPaused", 1, &name, &exception)) Report(env, options, exception);
  }
  napi_close_handle_scope(env, scope);
}

AcceptorBinding* AcceptorBinding::From(napi_env env, napi_callback_info info, size_t argc, napi_value* argv) {
  napi_value self;
  napi_get_cb_info(env, info, &argc, argv, &self, nullptr);
  bool ours = false;
  void* data = nullptr;
  napi_check_object_type_tag(env, self, &kAcceptorTag, &ours);
  if (!ours || napi_unwrap(env, self, &data) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_THIS", "not an acceptor");
    return nullptr;
  }
  auto* binding = static_cast<AcceptorBinding*>(data);
  return binding->acceptor_ == nullptr ? nullptr : binding;
}

// setElsewhere(count): the number of downstream connections that JavaScript holds.
napi_value AcceptorBinding::SetElsewhere(napi_env env, napi_callback_info info) {
  napi_value argument;
  AcceptorBinding* self = From(env, info, 1, &argument);
  int64_t count = 0;
  if (self == nullptr || !ReadInteger(env, argument, "count", 0, INT32_MAX, &count)) return nullptr;
  self->instance_.elsewhere = static_cast<size_t>(count);
  return nullptr;
}

napi_value AcceptorBinding::SetFrontends(napi_env env, napi_callback_info info) {
  napi_value frontends;
  AcceptorBinding* self = From(env, info, 1, &frontends);
  uint32_t count = 0;
  if (self == nullptr || !ReadArray(env, frontends, "frontends", &count)) return nullptr;
  FrontendTable table;
  for (uint32_t i = 0; i < count; ++i) {
    // A scope per element, because a large table must not fill the caller's handle scope.
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value element;
    napi_get_element(env, frontends, i, &element);
    const bool read = ReadFrontend(env, element, "frontends[" + std::to_string(i) + "]", &table);
    napi_close_handle_scope(env, scope);
    if (!read) return nullptr;
  }
  self->acceptor_->SetFrontends(std::move(table));
  return nullptr;
}

napi_value AcceptorBinding::Counters(napi_env env, napi_callback_info info) {
  AcceptorBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  const AcceptorCounters counters = self->acceptor_->Counters();
  napi_value connections;
  napi_create_object(env, &connections);
  for (size_t i = 0; i < kConnectionReasonNames.size(); ++i) {
    SetProperty(env, connections, kConnectionReasonNames[i],
                MakeNumber(env, static_cast<double>(counters.connections[i])));
  }
  napi_value result;
  napi_create_object(env, &result);
  const auto set = [&](const char* name, uint64_t value) {
    SetProperty(env, result, name, MakeNumber(env, static_cast<double>(value)));
  };
  set("accepted", counters.accepted);
  SetProperty(env, result, "connections", connections);
  set("handedOver", counters.handed_over);
  set("tunnelsOpen", counters.tunnels_open);
  set("detectingOpen", counters.detecting_open);
  set("bytesUpstream", counters.bytes.upstream);
  set("bytesDownstream", counters.bytes.downstream);
  set("maxConnections", self->acceptor_->max_connections());
  napi_value pauses;
  napi_create_object(env, &pauses);
  for (size_t i = 0; i < kAcceptLimitNames.size(); ++i) {
    SetProperty(env, pauses, kAcceptLimitNames[i],
                MakeNumber(env, static_cast<double>(counters.accept_pauses[i])));
  }
  SetProperty(env, result, "acceptPauses", pauses);
  return result;
}

// detections(after, max)
napi_value AcceptorBinding::Detections(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StateRange range;
  AcceptorBinding* self = From(env, info, 2, arguments);
  if (self == nullptr || !ReadStateRange(env, arguments, &range)) return nullptr;
  return MakeStateRecords(env, self->acceptor_->DescribeDetections(range));
}

// tunnels(after, max)
napi_value AcceptorBinding::Tunnels(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StateRange range;
  AcceptorBinding* self = From(env, info, 2, arguments);
  if (self == nullptr || !ReadStateRange(env, arguments, &range)) return nullptr;
  return MakeStateRecords(env, self->acceptor_->DescribeTunnels(range));
}

napi_value AcceptorBinding::CloseSomeIdle(napi_env env, napi_callback_info info) {
  AcceptorBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  if (self->reactor_->dispatching()) {
    self->acceptor_->CloseSomeIdle();
  } else {
    self->reactor_->Enter([self] { self->acceptor_->CloseSomeIdle(); });
  }
  return nullptr;
}

napi_value AcceptorBinding::StopAccepting(napi_env env, napi_callback_info info) {
  if (AcceptorBinding* self = From(env, info, 0, nullptr)) self->acceptor_->StopAccepting();
  return nullptr;
}

napi_value AcceptorBinding::Close(napi_env env, napi_callback_info info) {
  if (AcceptorBinding* self = From(env, info, 0, nullptr)) {
    self->acceptor_->Close();
    self->Release();
  }
  return nullptr;
}

}  // namespace sideroute
