#include "binding/http_engine_binding.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "binding/access_log_binding.h"
#include "binding/http_engine_options.h"
#include "binding/instance.h"
#include "binding/napi_util.h"
#include "binding/state_value.h"
#include "binding/tracer_binding.h"
#include "engine/engine_state.h"
#include "http/scan.h"

namespace sideroute {

namespace {

constexpr napi_type_tag kEngineTag = {0x51c4e0b7f3a24d98, 0xa07d2f6be81c3945};

// The first number of an outcome record that does not belong to a request with a series.
constexpr double kRefusedRecord = -1;
constexpr double kMirrorRecord = -2;

napi_value MakeLatin1(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_latin1(env, text.data(), text.size(), &value);
  return value;
}

}  // namespace

HttpEngineBinding::HttpEngineBinding(napi_env env, Instance& instance, const EngineSettings& settings)
    : env_(env),
      instance_(instance),
      reactor_(instance.reactor.get()),
      engine_(std::make_unique<HttpEngine>(*instance.reactor, instance.own_dials, instance.descriptors,
                                           instance.memory, *this, instance.linger_deadlines,
                                           instance.lingering, settings)) {
  outcome_deadlines_.emplace(*reactor_, settings.outcome_delay_ms);
}

HttpEngineBinding::~HttpEngineBinding() {
  EndOuterStreams();
  engine_.reset();
  for (napi_ref reference : {self_, decide_, on_outcomes_, arrays_}) {
    if (reference != nullptr) napi_delete_reference(env_, reference);
  }
}

void HttpEngineBinding::EndOuterStreams() {
  if (outer_ != nullptr) outer_->End();
  outer_ = nullptr;
}

void HttpEngineBinding::Shutdown() {
  Unlink();
  // JavaScript does not run any more.
  Release(&on_outcomes_);
  EndOuterStreams();
  engine_.reset();
  outcomes_due_.Cancel();
  outcome_deadlines_.reset();
  reactor_ = nullptr;
}

napi_value HttpEngineBinding::Create(napi_env env, Instance& instance, napi_value options) {
  EngineSettings settings;
  std::shared_ptr<AccessLog> log;
  std::shared_ptr<SpanWriter> tracer;
  if (!ReadEngineSettings(env, options, &settings) || !ReadAccessLog(env, options, &log) ||
      !ReadTracer(env, options, &tracer)) {
    return nullptr;
  }
  if (instance.share) settings.shared_reserves = &Process::Get().reserves;
  std::unique_ptr<HttpEngineBinding> binding(new HttpEngineBinding(env, instance, settings));
  if (instance.share) binding->memos_.SetMaxBytes(DecisionMemos::kMaxBytes / instance.share->workers());
  binding->engine_->SetCrowded(instance.crowded);
  binding->engine_->SetAccessLog(std::move(log));
  binding->engine_->SetTracer(std::move(tracer));
  if (!binding->TakeCallbacks(options) || !binding->ReadReplies(options)) return nullptr;
  instance.engines.PushBack(binding.get());
  return binding.release()->Wrap();
}

bool HttpEngineBinding::TakeCallbacks(napi_value options) {
  if (!ReadFunction(env_, options, "decide", "options", &decide_) ||
      !ReadFunction(env_, options, "onOutcomes", "options", &on_outcomes_)) {
    return false;
  }

  napi_value pair, buffer, view;
  void* memory = nullptr;
  napi_create_array_with_length(env_, 2, &pair);
  napi_create_arraybuffer(env_, sizeof(Decision), &memory, &buffer);
  decision_ = static_cast<int32_t*>(memory);
  napi_create_typedarray(env_, napi_int32_array, sizeof(Decision) / sizeof(int32_t), buffer, 0, &view);
  napi_set_element(env_, pair, 0, view);
  const size_t numbers = kOutcomes * kOutcomeNumbers;
  napi_create_arraybuffer(env_, numbers * sizeof(double), &memory, &buffer);
  outcomes_ = static_cast<double*>(memory);
  napi_create_typedarray(env_, napi_float64_array, numbers, buffer, 0, &view);
  napi_set_element(env_, pair, 1, view);
  napi_create_reference(env_, pair, 1, &arrays_);
  return true;
}

// options.replies: [{name, status, reason, head, body, grpc?, grpcStatus?}], at least one for each Reason, by
// name.
bool HttpEngineBinding::ReadReplies(napi_value options) {
  napi_value list;
  uint32_t count = 0;
  if (!ReadProperty(env_, options, "replies", "options", &list) ||
      !ReadArray(env_, list, "options.replies", &count)) {
    return false;
  }
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element, value;
    napi_get_element(env_, list, i, &element);
    const std::string path = "options.replies[" + std::to_string(i) + "]";
    std::string name;
    LocalReply reply;
    if (!ReadProperty(env_, element, "name", path, &value) ||
        !ReadString(env_, value, path + ".name", &name) || !ReadLocalReply(env_, element, path, &reply)) {
      return false;
    }
    const int32_t index = engine_->AddReply(std::move(reply));
    for (size_t reason = 0; reason < kReasonCount; ++reason) {
      if (kReasonNames[reason] != name) continue;
      engine_->SetReasonReply(static_cast<Reason>(reason), index);
      found |= 1u << reason;
    }
  }
  for (size_t reason = 0; reason < kReasonCount; ++reason) {
    if ((found >> reason & 1) == 0) {
      return ThrowInvalid(env_, "options.replies lacks " + std::string(kReasonNames[reason]));
    }
  }
  return true;
}

napi_value HttpEngineBinding::Wrap() {
  napi_value arrays, decision, outcomes;
  napi_get_reference_value(env_, arrays_, &arrays);
  napi_get_element(env_, arrays, 0, &decision);
  napi_get_element(env_, arrays, 1, &outcomes);
  const napi_property_descriptor members[] = {
      {"decision", nullptr, nullptr, nullptr, nullptr, decision, napi_enumerable, nullptr},
      {"outcomes", nullptr, nullptr, nullptr, nullptr, outcomes, napi_enumerable, nullptr},
      {"adopt", nullptr, Adopt, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setBackend", nullptr, SetBackend, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"dropBackend", nullptr, DropBackend, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setInterest", nullptr, SetInterest, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addReply", nullptr, AddReply, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addPlan", nullptr, AddPlan, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addPolicy", nullptr, AddPolicy, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addMirrors", nullptr, AddMirrors, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setFields", nullptr, SetFields, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"forget", nullptr, Forget, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"header", nullptr, Header, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"counters", nullptr, Counters, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"http2Counters", nullptr, CountersOfHttp2, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"upstreams", nullptr, Upstreams, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"downstreamConnections", nullptr, DownstreamConnections, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"upstreamConnections", nullptr, UpstreamConnections, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"carry", nullptr, Carry, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"drain", nullptr, Drain, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_value object;
  napi_create_object(env_, &object);
  napi_type_tag_object(env_, object, &kEngineTag);
  napi_define_properties(env_, object, std::size(members), members);
  const auto finalize = [](napi_env, void* data, void*) {
    auto* self = static_cast<HttpEngineBinding*>(data);
    if (self->reactor_ != nullptr) return self->reactor_->Dispose(std::unique_ptr<Disposable>(self));
    delete self;
  };
  napi_wrap(env_, object, this, finalize, nullptr, nullptr);
  napi_create_reference(env_, object, 1, &self_);
  return object;
}

bool HttpEngineBinding::Decide(int32_t frontend, const http::RequestHead& head, Decision* decision) {
  if (!Answer(frontend, head, decision)) return false;
  if (outer_ != nullptr) outer_->Restrict(decision);
  return true;
}

// Hot path. Makes strings only for what routing looks at.
bool HttpEngineBinding::Answer(int32_t frontend_id, const http::RequestHead& head, Decision* decision) {
  const auto frontend = static_cast<size_t>(frontend_id);
  bool memorable = memos_.Worthwhile(frontend);
  if (memorable) {
    memorable = WriteQuestion(frontend_id, head);
    if (!memorable) {
      memos_.Skip(frontend);
    } else if (const Decision* known = memos_.Find(frontend, question_)) {
      *decision = *known;
      engine_->decided_fields().clear();
      return true;
    }
  }
  // One scope for all decisions of a turn, because each scope costs an allocation.
  if (decide_ == nullptr || !instance_.OpenTurnScope(env_)) return false;
  current_ = &head;
  called_ = true;
  instance_.reactor->NoteJavaScript();
  engine_->decided_fields().clear();
  const bool decided = DecideInScope(frontend_id, head);
  current_ = nullptr;
  engine_->ForgetMoment();
  if (!decided) return false;
  std::memcpy(static_cast<void*>(decision), decision_, sizeof *decision);
  if (memorable && decision->repeatable == 1) memos_.Keep(frontend, question_, *decision);
  return true;
}

// No part of a request head contains a NUL or 0x01 (http1/head). NUL ends a part, 0x01 begins each value of a
// field, so that different questions have different texts. Returns false if the question is too long.
bool HttpEngineBinding::WriteQuestion(int32_t frontend, const http::RequestHead& head) {
  const auto add = [this](char first, std::string_view bytes) {
    if (question_.size() + bytes.size() >= DecisionMemos::kMaxQuestion) return false;
    question_.append(1, first).append(bytes);
    return true;
  };
  const http::Target& target = head.target;
  const Interest& interest = interest_[static_cast<size_t>(frontend)];
  question_.clear();
  // The target form is included because `*` and an empty path are shown differently.
  if (!add(static_cast<char>(target.form), head.method.In(head.data)) ||
      !add('\0', target.path.In(head.data)) || (interest.query && !add('\0', target.query.In(head.data)))) {
    return false;
  }
  for (const std::string& name : interest.names) {
    question_.push_back('\0');
    if (target.form == http::TargetForm::kAbsolute && name == "host") {
      if (!add('\1', target.authority.In(head.data))) return false;
      continue;
    }
    for (const http::Field& field : head.fields) {
      if (http::NamesEqual(field.Name(head.data), name) && !add('\1', field.Value(head.data))) return false;
    }
  }
  return true;
}

bool HttpEngineBinding::DecideInScope(int32_t frontend, const http::RequestHead& head) {
  const http::Target& target = head.target;
  napi_value receiver, decide;
  napi_get_undefined(env_, &receiver);
  napi_get_reference_value(env_, decide_, &decide);
  std::array<napi_value, 4 + kMaxInterest> arguments;
  napi_create_int32(env_, frontend, &arguments[0]);
  if (head.method_id == http::MethodId::kOther) {
    arguments[1] = MakeLatin1(env_, head.method.In(head.data));
  } else {
    napi_create_int32(env_, static_cast<int32_t>(head.method_id), &arguments[1]);
  }
  std::string_view path = target.path.In(head.data);
  if (path.empty()) path = target.form == http::TargetForm::kAsterisk ? "*" : "/";
  arguments[2] = MakeLatin1(env_, path);
  arguments[3] = MakeLatin1(env_, target.query.In(head.data));
  size_t count = 4;
  if (static_cast<size_t>(frontend) < interest_.size()) {
    for (const std::string& name : interest_[static_cast<size_t>(frontend)].names) {
      arguments[count++] = MakeField(head, name);
    }
  }
  if (napi_call_function(env_, receiver, decide, count, arguments.data(), nullptr) == napi_ok) return true;
  napi_value exception;
  napi_get_and_clear_last_exception(env_, &exception);
  return false;
}

// Repeated fields are joined with commas; the authority of an absolute-form target replaces Host.
napi_value HttpEngineBinding::MakeField(const http::RequestHead& head, std::string_view lower_name) {
  if (head.target.form == http::TargetForm::kAbsolute && lower_name == "host") {
    return MakeLatin1(env_, head.target.authority.In(head.data));
  }
  const http::Field* first = nullptr;
  std::string joined;
  for (const http::Field& field : head.fields) {
    if (!http::NamesEqual(field.Name(head.data), lower_name)) continue;
    if (first == nullptr) {
      first = &field;
      continue;
    }
    if (joined.empty()) joined = first->Value(head.data);
    joined.append(",").append(field.Value(head.data));
  }
  napi_value value = nullptr;
  if (first == nullptr) {
    napi_get_null(env_, &value);
    return value;
  }
  return MakeLatin1(env_, joined.empty() ? first->Value(head.data) : joined);
}

void HttpEngineBinding::OnOutcome(const OutcomeRecord& outcome) {
  const double more = outcome.retries + 65'536.0 * static_cast<double>(outcome.denial) +
                      1'048'576.0 * (outcome.grpc_status + 1);
  Put(outcome.series, outcome.status, outcome.reason, outcome.duration_ms, more);
}

void HttpEngineBinding::OnMirror(int32_t series, MirrorResult result) {
  Put(kMirrorRecord, series, static_cast<double>(result), 0, 0);
}

void HttpEngineBinding::OnRefused(int32_t frontend, int32_t reason) {
  Put(kRefusedRecord, frontend, reason, 0, 0);
}

void HttpEngineBinding::Put(double first, double second, double third, double fourth, double fifth) {
  const Record record{first, second, third, fourth, fifth};
  // JavaScript must not run within a step of a request: it could remove objects that the step still uses.
  if (outcome_count_ == kOutcomes || handing_over_) return surplus_.push_back(record);
  std::memcpy(outcomes_ + outcome_count_++ * kOutcomeNumbers, record.data(), sizeof record);
}

void HttpEngineBinding::OnTurnEnd() {
  // The engine was closed by a callback about this turn, which is handled to its end first.
  if (handing_over_) return;
  instance_.CloseTurnScope(env_);
  // A call from JavaScript ends its turn itself.
  if (outer_ != nullptr && outer_->entered()) called_ = false;
  if (called_ || (outcome_count_ > 0 && !OutcomesMayWait())) HandOver();
  if (!closed_ || self_ == nullptr || engine_->connections() > 0 || engine_->carries()) return;
  // From here on the JavaScript object decides how long this object lives, and its callbacks know that.
  for (napi_ref* reference : {&decide_, &on_outcomes_, &self_}) Release(reference);
  if (outer_ != nullptr) outer_->LetGo();
}

void HttpEngineBinding::Release(napi_ref* reference) {
  if (*reference != nullptr) napi_delete_reference(env_, *reference);
  *reference = nullptr;
}

// Hot path. Each call of JavaScript costs a good part of a request, however few outcomes it reports.
bool HttpEngineBinding::OutcomesMayWait() {
  const uint32_t delay_ms = engine_->settings().outcome_delay_ms;
  if (delay_ms == 0 || closed_ || outcome_count_ >= kOutcomes / 2) return false;
  if (outcomes_due_.pending()) return true;
  if (reactor_->NowMs() - handed_over_ms_ >= delay_ms) return false;
  outcome_deadlines_->Add(&outcomes_due_);
  return true;
}

void HttpEngineBinding::HandOver() {
  called_ = false;
  outcomes_due_.Cancel();
  handed_over_ms_ = reactor_->NowMs();
  size_t told = 0;
  do {
    handing_over_ = true;
    CallBack(outcome_count_);
    handing_over_ = false;
    outcome_count_ = std::min(kOutcomes, surplus_.size() - told);
    if (outcome_count_ == 0) break;
    std::memcpy(outcomes_, surplus_[told].data(), outcome_count_ * sizeof(Record));
    told += outcome_count_;
  } while (true);
  // In most turns there are none.
  if (told > 0) std::vector<Record>().swap(surplus_);
}

// Calls back as Node does from its loop, so that what `decide` has left to process.nextTick runs too.
void HttpEngineBinding::CallBack(size_t count) {
  napi_handle_scope scope;
  if (on_outcomes_ == nullptr || self_ == nullptr || napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value self, callback, number;
  napi_get_reference_value(env_, self_, &self);
  napi_get_reference_value(env_, on_outcomes_, &callback);
  napi_create_uint32(env_, static_cast<uint32_t>(count), &number);
  instance_.reactor->NoteJavaScript();
  if (napi_make_callback(env_, nullptr, self, callback, 1, &number, nullptr) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env_, &pending);
    napi_value exception;
    if (pending && napi_get_and_clear_last_exception(env_, &exception) == napi_ok)
      napi_fatal_exception(env_, exception);
  }
  napi_close_handle_scope(env_, scope);
}

HttpEngineBinding* HttpEngineBinding::From(napi_env env, napi_value value) {
  bool ours = false;
  void* data = nullptr;
  napi_check_object_type_tag(env, value, &kEngineTag, &ours);
  return ours && napi_unwrap(env, value, &data) == napi_ok ? static_cast<HttpEngineBinding*>(data) : nullptr;
}

HttpEngineBinding* HttpEngineBinding::From(napi_env env, napi_callback_info info, size_t argc,
                                           napi_value* argv) {
  napi_value self;
  napi_get_cb_info(env, info, &argc, argv, &self, nullptr);
  HttpEngineBinding* binding = From(env, self);
  if (binding == nullptr) {
    napi_throw_type_error(env, "ERR_INVALID_THIS", "not an HTTP engine");
    return nullptr;
  }
  return binding->engine_ == nullptr ? nullptr : binding;
}

// adopt(fd, frontend, address, port, duplicate, http2)
napi_value HttpEngineBinding::Adopt(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  HttpEngineBinding* self = From(env, info, 6, arguments);
  int64_t fd = 0, frontend = 0, port = 0;
  std::string address;
  bool duplicate = false, http2 = false;
  if (self == nullptr || !ReadInteger(env, arguments[0], "fd", 0, INT32_MAX, &fd)) return nullptr;
  napi_get_value_bool(env, arguments[4], &duplicate);
  napi_get_value_bool(env, arguments[5], &http2);
  struct stat status {};
  const int number = static_cast<int>(fd);
  const std::string what = "fd " + std::to_string(number);
  if (fstat(number, &status) != 0) return ThrowSystemError(env, -errno, "fstat", what);
  if (!S_ISSOCK(status.st_mode)) return ThrowSystemError(env, -ENOTSOCK, "fstat", what);
  // From here on the last holder closes it, never the caller.
  UniqueFd owned(duplicate ? fcntl(number, F_DUPFD_CLOEXEC, 0) : number);
  if (!owned) return ThrowSystemError(env, -errno, "fcntl", what);
  if (!ReadInteger(env, arguments[1], "frontend", 0, INT32_MAX, &frontend) ||
      !ReadString(env, arguments[2], "address", &address) ||
      !ReadInteger(env, arguments[3], "port", 0, 65535, &port)) {
    return nullptr;
  }
  const auto original = NetAddress::Parse(address, static_cast<uint16_t>(port));
  if (!original) {
    ThrowInvalid(env, "address is no IPv4 or IPv6 address: '" + address + "'");
    return nullptr;
  }
  const int error = self->engine_->Adopt(std::move(owned), static_cast<int32_t>(frontend), *original, http2);
  if (error != 0) return ThrowSystemError(env, error, "epoll_ctl", what);
  return nullptr;
}

// setBackend(id, addresses, port, protocol)
napi_value HttpEngineBinding::SetBackend(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  HttpEngineBinding* self = From(env, info, 4, arguments);
  int64_t id = 0, port = 0;
  std::vector<NetAddress> addresses;
  std::string name;
  if (self == nullptr || !ReadInteger(env, arguments[0], "id", 0, 1'000'000, &id) ||
      !ReadInteger(env, arguments[2], "port", 0, 65535, &port) ||
      !ReadAddresses(env, arguments[1], static_cast<uint16_t>(port), &addresses) ||
      !ReadString(env, arguments[3], "protocol", &name)) {
    return nullptr;
  }
  std::optional<Protocol> protocol;
  if (name == "http1") protocol = Protocol::kHttp1;
  if (name == "http2") protocol = Protocol::kHttp2;
  if (!name.empty() && !protocol) {
    ThrowInvalid(env, "protocol is none: '" + name + "'");
    return nullptr;
  }
  self->engine_->backends().Set(static_cast<uint32_t>(id), addresses);
  self->engine_->backends().Find(static_cast<int32_t>(id))->SetProtocol(protocol);
  return nullptr;
}

// dropBackend(id)
napi_value HttpEngineBinding::DropBackend(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  int64_t id = 0;
  if (self == nullptr || !ReadInteger(env, argument, "id", 0, 1'000'000, &id)) return nullptr;
  napi_value dropped = nullptr;
  napi_get_boolean(env, self->engine_->backends().Drop(static_cast<int32_t>(id)), &dropped);
  return dropped;
}

// setInterest(frontend, names, query)
napi_value HttpEngineBinding::SetInterest(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  HttpEngineBinding* self = From(env, info, 3, arguments);
  int64_t frontend = 0;
  Interest interest;
  if (self == nullptr || !ReadInteger(env, arguments[0], "frontend", 0, 1'000'000, &frontend) ||
      !ReadNames(env, arguments[1], kMaxInterest, &interest.names)) {
    return nullptr;
  }
  napi_get_value_bool(env, arguments[2], &interest.query);
  const auto index = static_cast<size_t>(frontend);
  if (index >= self->interest_.size()) self->interest_.resize(index + 1);
  self->interest_[index] = std::move(interest);
  self->memos_.Open(index);
  return nullptr;
}

// forget(interestStays): the earlier answers of `decide` may not hold any more.
napi_value HttpEngineBinding::Forget(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  bool interest_stays = false;
  if (self == nullptr) return nullptr;
  napi_get_value_bool(env, argument, &interest_stays);
  self->memos_.Forget(interest_stays);
  if (!interest_stays) self->engine_->ForgetTable();
  return nullptr;
}

napi_value HttpEngineBinding::AddReply(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  LocalReply reply;
  if (self == nullptr || !ReadLocalReply(env, argument, "reply", &reply)) return nullptr;
  return MakeNumber(env, self->engine_->AddReply(std::move(reply)));
}

napi_value HttpEngineBinding::AddPlan(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  HeaderPlan plan;
  if (self == nullptr || !ReadHeaderPlan(env, argument, &plan)) return nullptr;
  return MakeNumber(env, self->engine_->plans().Add(std::move(plan)));
}

napi_value HttpEngineBinding::AddPolicy(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  Policy policy;
  if (self == nullptr || !ReadPolicy(env, argument, &policy)) return nullptr;
  return MakeNumber(env, self->engine_->policies().Add(policy));
}

napi_value HttpEngineBinding::AddMirrors(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  MirrorGroup mirrors;
  if (self == nullptr || !ReadMirrors(env, argument, self->engine_->plans(), &mirrors)) return nullptr;
  return MakeNumber(env, self->engine_->mirror_groups().Add(std::move(mirrors)));
}

// setFields(lines), only while `decide` runs.
napi_value HttpEngineBinding::SetFields(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  std::string lines;
  if (self == nullptr || !ReadFieldLines(env, argument, &lines)) return nullptr;
  if (self->current_ != nullptr) self->engine_->decided_fields() = std::move(lines);
  return nullptr;
}

// header(lowerCaseName), only while `decide` runs.
napi_value HttpEngineBinding::Header(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  std::string name;
  if (self == nullptr || !ReadString(env, argument, "name", &name)) return nullptr;
  napi_value none;
  napi_get_null(env, &none);
  return self->current_ == nullptr ? none : self->MakeField(*self->current_, name);
}

napi_value HttpEngineBinding::Counters(napi_env env, napi_callback_info info) {
  HttpEngineBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  // A reader of the counters should also have the outcomes that belong to them.
  if (self->outcome_count_ > 0 && !self->handing_over_ && !self->reactor_->dispatching()) self->HandOver();
  napi_value counters = MakeEngineCounters(env, *self->engine_);
  SetProperty(env, counters, "memoEntries", MakeNumber(env, static_cast<double>(self->memos_.entries())));
  SetProperty(env, counters, "memoBytes", MakeNumber(env, static_cast<double>(self->memos_.bytes())));
  return counters;
}

// As numbers in the order of Http2Counters: first those of the downstream side, then those of the upstream
// side.
napi_value HttpEngineBinding::CountersOfHttp2(napi_env env, napi_callback_info info) {
  HttpEngineBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  const EngineCounters& counters = self->engine_->counters();
  constexpr size_t kNumbers = sizeof(Http2Counters) / sizeof(uint64_t);
  napi_value buffer, view;
  void* memory = nullptr;
  napi_create_arraybuffer(env, 2 * kNumbers * sizeof(double), &memory, &buffer);
  napi_create_typedarray(env, napi_float64_array, 2 * kNumbers, buffer, 0, &view);
  auto* to = static_cast<double*>(memory);
  for (const Http2Counters* side : {&counters.http2_downstream, &counters.http2_upstream}) {
    std::array<uint64_t, kNumbers> numbers;
    std::memcpy(numbers.data(), side, sizeof numbers);
    to = std::copy(numbers.begin(), numbers.end(), to);
  }
  return view;
}

napi_value HttpEngineBinding::Upstreams(napi_env env, napi_callback_info info) {
  HttpEngineBinding* self = From(env, info, 0, nullptr);
  return self == nullptr ? nullptr : MakeStateRecords(env, DescribeUpstreams(*self->engine_));
}

// downstreamConnections(after, max)
napi_value HttpEngineBinding::DownstreamConnections(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StateRange range;
  HttpEngineBinding* self = From(env, info, 2, arguments);
  if (self == nullptr || !ReadStateRange(env, arguments, &range)) return nullptr;
  return MakeStateRecords(env, DescribeDownstreamConnections(*self->engine_, range));
}

// upstreamConnections(after, max)
napi_value HttpEngineBinding::UpstreamConnections(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  StateRange range;
  HttpEngineBinding* self = From(env, info, 2, arguments);
  if (self == nullptr || !ReadStateRange(env, arguments, &range)) return nullptr;
  return MakeStateRecords(env, DescribeUpstreamConnections(*self->engine_, range));
}

// carry({send, resume, reset}), once.
napi_value HttpEngineBinding::Carry(napi_env env, napi_callback_info info) {
  napi_value argument;
  HttpEngineBinding* self = From(env, info, 1, &argument);
  if (self == nullptr) return nullptr;
  if (self->outer_ != nullptr || self->self_ == nullptr) {
    ThrowInvalid(env, "there is a carrier already, or the engine is closed");
    return nullptr;
  }
  std::unique_ptr<OuterStreamsBinding> outer =
      OuterStreamsBinding::Create(env, *self->engine_, *self->reactor_, argument);
  if (outer == nullptr) return nullptr;
  self->outer_ = outer.get();
  self->instance_.outer_streams.push_back(std::move(outer));
  return self->outer_->MakeObject();
}

napi_value HttpEngineBinding::Drain(napi_env env, napi_callback_info info) {
  if (HttpEngineBinding* self = From(env, info, 0, nullptr)) self->engine_->Drain();
  return nullptr;
}

napi_value HttpEngineBinding::Close(napi_env env, napi_callback_info info) {
  HttpEngineBinding* self = From(env, info, 0, nullptr);
  if (self == nullptr) return nullptr;
  self->engine_->Close();
  self->closed_ = true;
  // Reports the outcomes of what was just closed.
  if (!self->reactor_->dispatching()) self->OnTurnEnd();
  return nullptr;
}

}  // namespace sideroute
