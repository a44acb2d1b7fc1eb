#include "binding/memory_guard_binding.h"

#include <memory>
#include <string>

#include "binding/instance.h"
#include "binding/napi_util.h"

namespace sideroute {

namespace {

// A value of null leaves `path` empty.
bool ReadPath(napi_env env, napi_value options, const char* name, std::string* path) {
  napi_value value;
  if (!ReadProperty(env, options, name, "options", &value)) return false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_null || ReadString(env, value, "options." + std::string(name), path);
}

// Calls back at the end of a turn; what the callback throws is an uncaught exception.
void Tell(napi_env env, napi_ref reference, bool overloaded) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, receiver, argument;
  napi_get_reference_value(env, reference, &callback);
  napi_create_object(env, &receiver);
  napi_get_boolean(env, overloaded, &argument);
  if (napi_make_callback(env, nullptr, receiver, callback, 1, &argument, nullptr) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    napi_value exception;
    if (pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok)
      napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

}  // namespace

napi_value GuardMemory(napi_env env, Instance& instance, napi_value options) {
  MemoryGuard::Limit limit;
  int64_t bytes = 0;
  napi_value sockets, callback;
  if (!ReadIntegerProperty(env, options, "bytes", "options", 1, int64_t{1} << 53, &bytes) ||
      !ReadPath(env, options, "usage", &limit.usage_path) ||
      !ReadPath(env, options, "statistics", &limit.statistics_path) ||
      !ReadProperty(env, options, "countsSockets", "options", &sockets) ||
      !ReadProperty(env, options, "onOverload", "options", &callback)) {
    return nullptr;
  }
  napi_valuetype type = napi_undefined;
  napi_typeof(env, callback, &type);
  if (type != napi_function) {
    ThrowInvalid(env, "options.onOverload must be a function");
    return nullptr;
  }
  limit.bytes = static_cast<uint64_t>(bytes);
  napi_get_value_bool(env, sockets, &limit.counts_sockets);
  const std::string* path = nullptr;
  if (const int error = instance.memory.Start(limit, &path); error != 0) {
    return ThrowSystemError(env, error, "open", *path);
  }
  napi_ref created;
  napi_create_reference(env, callback, 1, &created);
  // Deleted with the last copy of the callback, at the latest when the environment ends.
  const auto release = [env](napi_ref reference) { napi_delete_reference(env, reference); };
  const std::shared_ptr<napi_ref__> reference(created, release);
  instance.on_overload = [env, reference](bool overloaded) { Tell(env, reference.get(), overloaded); };
  return nullptr;
}

napi_value DescribeMemory(napi_env env, Instance& instance) {
  constexpr const char* kLevels[] = {"calm", "tight", "refusing", "closing"};
  const MemoryGuard::Counters counters = instance.memory.Look();
  napi_value result;
  napi_create_object(env, &result);
  const auto set = [&](const char* name, uint64_t value) {
    SetProperty(env, result, name, MakeNumber(env, static_cast<double>(value)));
  };
  set("limitBytes", counters.limit);
  set("usageBytes", counters.usage);
  set("overloads", counters.overloads);
  set("closed", counters.closed);
  SetProperty(env, result, "level", MakeString(env, kLevels[static_cast<size_t>(counters.level)]));
  return result;
}

}  // namespace sideroute
