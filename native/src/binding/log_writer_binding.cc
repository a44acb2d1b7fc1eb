#include "binding/log_writer_binding.h"

#include <fcntl.h>

#include <bit>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "binding/napi_util.h"
#include "binding/wrapped_type.h"
#include "log/log_writer.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxBufferBytes = 64 * 1024 * 1024;
constexpr int64_t kMaxCloseMs = 60'000;

struct Handle {
  std::unique_ptr<LogWriter> writer;
  // Reuses its memory from line to line.
  std::string line;
};

constexpr WrappedType<Handle> kType = {{0x6d1f04b98a27ce35, 0xb7e92c5d3018f46a}, "a log writer"};

// write(line)
napi_value Write(napi_env env, napi_callback_info info) {
  napi_value argument;
  Handle* handle = kType.This(env, info, 1, &argument);
  if (handle != nullptr && ReadString(env, argument, "line", &handle->line))
    handle->writer->Append(handle->line);
  return nullptr;
}

napi_value Counters(napi_env env, napi_callback_info info) {
  Handle* handle = kType.This(env, info);
  if (handle == nullptr) return nullptr;
  napi_value result;
  napi_create_object(env, &result);
  SetProperty(env, result, "lines", MakeNumber(env, static_cast<double>(handle->writer->written())));
  SetProperty(env, result, "dropped", MakeNumber(env, static_cast<double>(handle->writer->dropped())));
  return result;
}

// close(timeoutMs)
napi_value Close(napi_env env, napi_callback_info info) {
  napi_value argument;
  Handle* handle = kType.This(env, info, 1, &argument);
  int64_t timeout_ms = 0;
  if (handle != nullptr && ReadInteger(env, argument, "timeoutMs", 0, kMaxCloseMs, &timeout_ms))
    handle->writer->Stop(static_cast<uint32_t>(timeout_ms));
  return nullptr;
}

}  // namespace

// createLogWriter({fd, bufferBytes, loss})
napi_value CreateLogWriter(napi_env env, napi_callback_info info) {
  napi_value options, loss;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  int64_t fd = 0, buffer_bytes = 0;
  LogKind kind{"log", {}};
  if (!ReadIntegerProperty(env, options, "fd", "options", 0, INT32_MAX, &fd) ||
      !ReadIntegerProperty(env, options, "bufferBytes", "options", 4096, kMaxBufferBytes, &buffer_bytes) ||
      !ReadProperty(env, options, "loss", "options", &loss) ||
      !ReadString(env, loss, "options.loss", &kind.loss)) {
    return nullptr;
  }
  UniqueFd copy(fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 3));
  if (!copy) return ThrowSystemError(env, -errno, "fcntl", "fd " + std::to_string(fd));
  int error = 0;
  const size_t size = std::bit_ceil(static_cast<size_t>(buffer_bytes));
  auto handle = std::make_unique<Handle>();
  handle->writer = LogWriter::Start(std::move(copy), size, std::move(kind), &error);
  if (handle->writer == nullptr) return ThrowSystemError(env, error, "pthread_create", "for the log");

  const napi_property_descriptor members[] = {
      {"write", nullptr, Write, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"counters", nullptr, Counters, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return kType.Make(env, std::move(handle), members);
}

}  // namespace sideroute
