#include "binding/outer_streams.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "binding/napi_util.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxNumber = 1'000'000;
// Room for a head, and after it for a piece of a body; a larger part gets an array of its own.
constexpr size_t kBodyOffset = 64 * 1024;
constexpr size_t kOutboxBytes = kBodyOffset + 80 * 1024;
// What uWebSockets.js may have removed from a head and JavaScript puts back: a space after each colon, the
// version.
constexpr size_t kHeadSlack = 4 * 1024;

int32_t Integer(napi_env env, napi_value value) {
  int32_t number = -1;
  napi_get_value_int32(env, value, &number);
  return number;
}

// The bytes of an ArrayBuffer; empty for any other value.
std::string_view Bytes(napi_env env, napi_value value) {
  bool is_buffer = false;
  void* data = nullptr;
  size_t length = 0;
  napi_is_arraybuffer(env, value, &is_buffer);
  if (is_buffer) napi_get_arraybuffer_info(env, value, &data, &length);
  return {static_cast<const char*>(data), length};
}

}  // namespace

OuterStreamsBinding::OuterStreamsBinding(napi_env env, HttpEngine& engine, Reactor& reactor)
    : env_(env),
      engine_(&engine),
      reactor_(reactor),
      head_(engine.settings().request_limits.max_head_bytes + kHeadSlack) {}

OuterStreamsBinding::~OuterStreamsBinding() = default;

// JavaScript may be gone already, so it is not called.
void OuterStreamsBinding::End() {
  ended_ = true;
  for (const auto& stream : streams_) {
    if (stream != nullptr) stream->Cut(Reason::kShutdown);
  }
  streams_.clear();
  head_ = std::vector<char>();
  callers_.clear();
  engine_ = nullptr;
  LetGo();
}

void OuterStreamsBinding::LetGo() {
  for (napi_ref* reference : {&send_, &resume_, &reset_, &outbox_array_}) {
    if (*reference != nullptr) napi_delete_reference(env_, *reference);
    *reference = nullptr;
  }
}

std::unique_ptr<OuterStreamsBinding> OuterStreamsBinding::Create(napi_env env, HttpEngine& engine,
                                                                 Reactor& reactor, napi_value callbacks) {
  std::unique_ptr<OuterStreamsBinding> binding(new OuterStreamsBinding(env, engine, reactor));
  if (!ReadFunction(env, callbacks, "send", "carrier", &binding->send_) ||
      !ReadFunction(env, callbacks, "resume", "carrier", &binding->resume_) ||
      !ReadFunction(env, callbacks, "reset", "carrier", &binding->reset_)) {
    binding->End();
    return nullptr;
  }
  napi_value buffer, view;
  void* memory = nullptr;
  napi_create_arraybuffer(env, kOutboxBytes, &memory, &buffer);
  napi_create_typedarray(env, napi_uint8_array, kOutboxBytes, buffer, 0, &view);
  napi_create_reference(env, view, 1, &binding->outbox_array_);
  binding->outbox_ = static_cast<char*>(memory);
  return binding;
}

napi_value OuterStreamsBinding::MakeObject() {
  napi_value outbox;
  napi_get_reference_value(env_, outbox_array_, &outbox);
  const auto method = [this](const char* name, napi_callback callback) {
    return napi_property_descriptor{name,    nullptr, callback,        nullptr,
                                    nullptr, nullptr, napi_enumerable, this};
  };
  const napi_property_descriptor members[] = {
      {"outbox", nullptr, nullptr, nullptr, nullptr, outbox, napi_enumerable, nullptr},
      method("setCaller", SetCaller),
      method("start", StartRequest),
      method("body", Body),
      method("room", Room),
      method("gone", Gone),
      method("cut", Cut),
  };
  napi_value object;
  napi_create_object(env_, &object);
  napi_define_properties(env_, object, std::size(members), members);
  return object;
}

void OuterStreamsBinding::Restrict(Decision* decision) {
  // Other streams may be decided in the same turn.
  if (starting_ == nullptr || !starting_->starting() || decision->plan < 0) return;
  const Shared<HeaderPlan> plan = engine_->plans().Find(decision->plan);
  if (!plan || !plan->response.Touches("date")) return;
  // Closes the connection, so that the client's next one can go to an engine that is able to do it.
  starting_->CloseAfterwards();
  const int32_t series = decision->series;
  *decision = Decision{};
  decision->series = series;
  decision->reply = engine_->reason_reply(Reason::kNotImplemented);
  engine_->decided_fields().clear();
}

// Hot path.
bool OuterStreamsBinding::Send(OuterStream& stream, const OuterPart& part) {
  napi_handle_scope scope;
  if (send_ == nullptr || napi_open_handle_scope(env_, &scope) != napi_ok) return true;
  napi_value receiver, callback, result;
  std::array<napi_value, 6> arguments;
  size_t count = 5;
  char* head = outbox_;
  char* body = outbox_ + kBodyOffset;
  if (part.head.size() > kBodyOffset || part.body.size() > kOutboxBytes - kBodyOffset) {
    const size_t size = part.head.size() + part.body.size();
    void* memory = nullptr;
    napi_value buffer;
    napi_create_arraybuffer(env_, size, &memory, &buffer);
    napi_create_typedarray(env_, napi_uint8_array, size, buffer, 0, &arguments[count++]);
    // The environment is about to end.
    if (memory == nullptr) {
      Fail(stream);
      napi_close_handle_scope(env_, scope);
      return true;
    }
    head = static_cast<char*>(memory);
    body = head + part.head.size();
  }
  std::copy(part.head.begin(), part.head.end(), head);
  std::copy(part.body.begin(), part.body.end(), body);
  napi_get_undefined(env_, &receiver);
  napi_get_reference_value(env_, send_, &callback);
  napi_create_uint32(env_, stream.number(), &arguments[0]);
  napi_create_uint32(env_, (part.last ? 1u : 0u) | (part.close ? 2u : 0u), &arguments[1]);
  napi_create_uint32(env_, static_cast<uint32_t>(part.head.size()), &arguments[2]);
  napi_create_uint32(env_, static_cast<uint32_t>(part.body.size()), &arguments[3]);
  napi_create_int64(env_, part.length, &arguments[4]);
  bool taken = true;
  reactor_.NoteJavaScript();
  if (napi_call_function(env_, receiver, callback, count, arguments.data(), &result) != napi_ok) {
    Fail(stream);
  } else {
    napi_get_value_bool(env_, result, &taken);
  }
  napi_close_handle_scope(env_, scope);
  return taken;
}

void OuterStreamsBinding::Tell(napi_ref reference, OuterStream& stream) {
  napi_handle_scope scope;
  if (reference == nullptr || napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value receiver, callback, number;
  napi_get_undefined(env_, &receiver);
  napi_get_reference_value(env_, reference, &callback);
  napi_create_uint32(env_, stream.number(), &number);
  reactor_.NoteJavaScript();
  if (napi_call_function(env_, receiver, callback, 1, &number, nullptr) != napi_ok) Fail(stream);
  napi_close_handle_scope(env_, scope);
}

void OuterStreamsBinding::Fail(OuterStream& stream) {
  napi_value exception;
  napi_get_and_clear_last_exception(env_, &exception);
  stream.OnGone();
}

// The methods can be called on any object, because their data comes with the function and not with `this`.
OuterStreamsBinding* OuterStreamsBinding::From(napi_env env, napi_callback_info info, size_t argc,
                                               napi_value* argv) {
  void* data = nullptr;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &data);
  auto* const self = static_cast<OuterStreamsBinding*>(data);
  if (!self->ended_) return self;
  napi_throw_error(env, "ERR_CLOSED", "the engine is gone");
  return nullptr;
}

OuterStream* OuterStreamsBinding::OpenStream(uint32_t number) const {
  OuterStream* const stream = number < streams_.size() ? streams_[number].get() : nullptr;
  return stream != nullptr && stream->open() ? stream : nullptr;
}

// setCaller(number, frontend, address, port): the origin of requests that are started under that number from
// now on.
napi_value OuterStreamsBinding::SetCaller(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  OuterStreamsBinding* self = From(env, info, 4, arguments);
  int64_t number = 0, frontend = 0, port = 0;
  std::string address;
  if (self == nullptr || !ReadInteger(env, arguments[0], "number", 0, kMaxNumber, &number) ||
      !ReadInteger(env, arguments[1], "frontend", 0, INT32_MAX, &frontend) ||
      !ReadString(env, arguments[2], "address", &address) ||
      !ReadInteger(env, arguments[3], "port", 0, 65535, &port)) {
    return nullptr;
  }
  const auto original = NetAddress::Parse(address, static_cast<uint16_t>(port));
  if (!original) {
    ThrowInvalid(env, "address is no IPv4 or IPv6 address: '" + address + "'");
    return nullptr;
  }
  const auto index = static_cast<size_t>(number);
  if (index >= self->callers_.size()) self->callers_.resize(index + 1);
  self->callers_[index].frontend = static_cast<int32_t>(frontend);
  self->callers_[index].original = *original;
  return nullptr;
}

// start(number, caller, head, text, body, last)
napi_value OuterStreamsBinding::StartRequest(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  OuterStreamsBinding* self = From(env, info, 6, arguments);
  if (self == nullptr) return nullptr;
  const int32_t number = Integer(env, arguments[0]), caller = Integer(env, arguments[1]);
  if (number < 0 || number > kMaxNumber || caller < 0 ||
      static_cast<size_t>(caller) >= self->callers_.size() || self->reactor_.dispatching()) {
    ThrowInvalid(env, "no stream can be started so");
    return nullptr;
  }
  bool last = true;
  napi_get_value_bool(env, arguments[5], &last);
  self->entered_ = true;
  const int32_t answer =
      self->Begin(static_cast<uint32_t>(number), static_cast<uint32_t>(caller), arguments[2],
                  static_cast<Text>(Integer(env, arguments[3])), Bytes(env, arguments[4]), last);
  self->entered_ = false;
  napi_value result = nullptr;
  napi_create_int32(env, answer, &result);
  return result;
}

int32_t OuterStreamsBinding::Begin(uint32_t number, uint32_t caller, napi_value head, Text text,
                                   std::string_view body, bool last) {
  size_t length = 0;
  if (const int32_t unread = ReadHead(head, text, &length); unread != kBegun) return unread;
  if (number >= streams_.size()) streams_.resize(number + 1);
  if (streams_[number] == nullptr) streams_[number] = engine_->MakeOuterStream(*this, number);
  OuterStream& stream = *streams_[number];
  // The stream still has a request that the carrier has lost track of.
  if (stream.open()) stream.OnGone();
  starting_ = &stream;
  const std::optional<Reason> refused =
      stream.Start(callers_[caller], {{head_.data(), length}, text == kLossy, body, last});
  starting_ = nullptr;
  if (refused) return 1 + engine_->reply_reason(*refused);
  return stream.wants_body() ? kBegun : kPaused;
}

// A string decoded from UTF-8 is exact if it is ASCII. Otherwise the carrier has to check whether the bytes
// were valid, and pass them as a string of bytes.
int32_t OuterStreamsBinding::ReadHead(napi_value head, Text text, size_t* length) {
  size_t bytes = 0;
  if (napi_get_value_string_latin1(env_, head, head_.data(), head_.size(), length) != napi_ok)
    return kInexact;
  if (text != kDecoded) return kBegun;
  napi_get_value_string_utf8(env_, head, nullptr, 0, &bytes);
  return bytes == *length || *length + 1 == head_.size() ? kBegun : kInexact;
}

// body(number, bytes, last): returns false if the carrier has to wait for `resume`.
napi_value OuterStreamsBinding::Body(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  OuterStreamsBinding* self = From(env, info, 3, arguments);
  if (self == nullptr) return nullptr;
  bool last = false, more = true;
  napi_get_value_bool(env, arguments[2], &last);
  OuterStream* const stream = self->OpenStream(static_cast<uint32_t>(Integer(env, arguments[0])));
  if (stream != nullptr) more = stream->OnBody(Bytes(env, arguments[1]), last);
  napi_value result = nullptr;
  napi_get_boolean(env, more, &result);
  return result;
}

// room(number)
napi_value OuterStreamsBinding::Room(napi_env env, napi_callback_info info) {
  napi_value argument;
  OuterStreamsBinding* self = From(env, info, 1, &argument);
  if (self == nullptr) return nullptr;
  if (OuterStream* stream = self->OpenStream(static_cast<uint32_t>(Integer(env, argument)))) stream->OnRoom();
  return nullptr;
}

// gone(number)
napi_value OuterStreamsBinding::Gone(napi_env env, napi_callback_info info) {
  napi_value argument;
  OuterStreamsBinding* self = From(env, info, 1, &argument);
  if (self == nullptr) return nullptr;
  if (OuterStream* stream = self->OpenStream(static_cast<uint32_t>(Integer(env, argument)))) stream->OnGone();
  return nullptr;
}

napi_value OuterStreamsBinding::Cut(napi_env env, napi_callback_info info) {
  if (OuterStreamsBinding* self = From(env, info, 0, nullptr)) self->engine_->CutOuterStreams();
  return nullptr;
}

}  // namespace sideroute
