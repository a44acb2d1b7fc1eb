#include "binding/tracer_binding.h"

#include <string>
#include <utility>

#include "binding/access_log_binding.h"
#include "binding/napi_util.h"

namespace sideroute {

namespace {

constexpr napi_type_tag kTracerTag = {0x8b47d10e63fa925c, 0x1e5c70b92d84f6a3};
constexpr int64_t kMaxBufferBytes = 64 * 1024 * 1024;

using Handle = std::shared_ptr<SpanWriter>;

Handle* Unwrap(napi_env env, napi_value object) {
  bool ours = false;
  void* data = nullptr;
  napi_check_object_type_tag(env, object, &kTracerTag, &ours);
  return ours && napi_unwrap(env, object, &data) == napi_ok ? static_cast<Handle*>(data) : nullptr;
}

// Null with an exception pending if `this` is not one of our objects.
SpanWriter* From(napi_env env, napi_callback_info info) {
  napi_value self;
  napi_get_cb_info(env, info, nullptr, nullptr, &self, nullptr);
  Handle* handle = Unwrap(env, self);
  if (handle != nullptr) return handle->get();
  napi_throw_type_error(env, "ERR_INVALID_THIS", "not a tracer");
  return nullptr;
}

napi_value Take(napi_env env, napi_callback_info info) {
  SpanWriter* tracer = From(env, info);
  if (tracer == nullptr) return nullptr;
  const std::string lines = tracer->Take();
  napi_value result;
  napi_create_string_latin1(env, lines.data(), lines.size(), &result);
  return result;
}

napi_value Dropped(napi_env env, napi_callback_info info) {
  SpanWriter* tracer = From(env, info);
  return tracer == nullptr ? nullptr : MakeNumber(env, static_cast<double>(tracer->dropped()));
}

}  // namespace

// createTracer({accessLog, rate, bufferBytes})
napi_value CreateTracer(napi_env env, napi_callback_info info) {
  napi_value options, value;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  std::shared_ptr<AccessLog> log;
  int64_t buffer_bytes = 0;
  double rate = -1;
  if (!ReadAccessLog(env, options, &log) || !ReadProperty(env, options, "rate", "options", &value) ||
      !ReadIntegerProperty(env, options, "bufferBytes", "options", 0, kMaxBufferBytes, &buffer_bytes)) {
    return nullptr;
  }
  if (log == nullptr) {
    ThrowInvalid(env, "options.accessLog must be an access log");
    return nullptr;
  }
  if (napi_get_value_double(env, value, &rate) != napi_ok || !(rate >= 0 && rate <= 1)) {
    ThrowInvalid(env, "options.rate must be a number from 0 to 1");
    return nullptr;
  }
  auto* handle =
      new Handle(std::make_shared<SpanWriter>(std::move(log), rate, static_cast<size_t>(buffer_bytes)));
  const napi_property_descriptor members[] = {
      {"take", nullptr, Take, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"dropped", nullptr, Dropped, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_value object;
  napi_create_object(env, &object);
  napi_type_tag_object(env, object, &kTracerTag);
  napi_define_properties(env, object, std::size(members), members);
  napi_wrap(
      env, object, handle, [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); }, nullptr,
      nullptr);
  return object;
}

bool ReadTracer(napi_env env, napi_value options, std::shared_ptr<SpanWriter>* tracer) {
  napi_value value;
  if (!ReadProperty(env, options, "tracer", "options", &value)) return false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_undefined || type == napi_null) return true;
  Handle* handle = type == napi_object ? Unwrap(env, value) : nullptr;
  if (handle == nullptr) return ThrowInvalid(env, "options.tracer must be a tracer");
  *tracer = *handle;
  return true;
}

}  // namespace sideroute
