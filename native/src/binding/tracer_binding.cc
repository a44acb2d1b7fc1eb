#include "binding/tracer_binding.h"

#include <memory>
#include <string>
#include <utility>

#include "binding/access_log_binding.h"
#include "binding/napi_util.h"
#include "binding/wrapped_type.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxBufferBytes = 64 * 1024 * 1024;

constexpr WrappedType<std::shared_ptr<SpanWriter>> kType = {{0x8b47d10e63fa925c, 0x1e5c70b92d84f6a3},
                                                            "a tracer"};

napi_value Take(napi_env env, napi_callback_info info) {
  const auto* tracer = kType.This(env, info);
  if (tracer == nullptr) return nullptr;
  const std::string lines = (*tracer)->Take();
  napi_value result;
  napi_create_string_latin1(env, lines.data(), lines.size(), &result);
  return result;
}

napi_value Dropped(napi_env env, napi_callback_info info) {
  const auto* tracer = kType.This(env, info);
  return tracer == nullptr ? nullptr : MakeNumber(env, static_cast<double>((*tracer)->dropped()));
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
  auto tracer = std::make_unique<std::shared_ptr<SpanWriter>>(
      std::make_shared<SpanWriter>(std::move(log), rate, static_cast<size_t>(buffer_bytes)));
  const napi_property_descriptor members[] = {
      {"take", nullptr, Take, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"dropped", nullptr, Dropped, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return kType.Make(env, std::move(tracer), members);
}

bool ReadTracer(napi_env env, napi_value options, std::shared_ptr<SpanWriter>* tracer) {
  std::shared_ptr<SpanWriter>* held = nullptr;
  if (!kType.ReadOption(env, options, "tracer", &held)) return false;
  if (held != nullptr) *tracer = *held;
  return true;
}

}  // namespace sideroute
