// Entry point of the addon: the exports, the checks at load time, and the lifetime of one environment's
// state.
//
// Exports: abi, connectionsElsewhere, createAccessLog, createLogWriter, createAcceptor, createHttpEngine,
// createTracer, guardMemory, memory, nghttp2, replyAndClose, returnMemory, shareLimits. Their types and
// meaning are in the files of src/addon.
#include <fcntl.h>
#include <node_api.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <uv.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/acceptor_binding.h"
#include "binding/access_log_binding.h"
#include "binding/instance.h"
#include "binding/log_writer_binding.h"
#include "binding/memory_guard_binding.h"
#include "binding/napi_util.h"
#include "binding/spare_memory.h"
#include "binding/tracer_binding.h"
#include "http2/hpack.h"
#include "net/lingering_close.h"

namespace sideroute {

namespace {

// Increased whenever an export changes; src/addon/load.ts refuses any other value.
constexpr int kAbi = 14;
constexpr uint64_t kLingerMs = 2000;
// Beyond this number a response is sent as far as the socket takes it, and the connection is closed at once.
constexpr size_t kMaxLingering = 1024;

Instance* GetInstance(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Instance*>(data);
}

napi_value CreateAcceptor(napi_env env, napi_callback_info info) {
  napi_value options;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  return AcceptorBinding::Create(env, *GetInstance(env), options);
}

napi_value CreateHttpEngine(napi_env env, napi_callback_info info) {
  napi_value options;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  return HttpEngineBinding::Create(env, *GetInstance(env), options);
}

napi_value GuardMemoryOf(napi_env env, napi_callback_info info) {
  napi_value options;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  return GuardMemory(env, *GetInstance(env), options);
}

// shareLimits(workers)
napi_value ShareLimits(napi_env env, napi_callback_info info) {
  constexpr int64_t kMostWorkers = 1024;
  napi_value argument;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr);
  int64_t workers = 0;
  if (!ReadInteger(env, argument, "workers", 1, kMostWorkers, &workers)) return nullptr;
  Instance& instance = *GetInstance(env);
  if (instance.share || !instance.acceptors.empty() || !instance.engines.empty()) {
    napi_throw_error(env, "ERR_SHARED", "limits are shared once, before there is an acceptor or an engine");
    return nullptr;
  }
  instance.Share(static_cast<size_t>(workers));
  return nullptr;
}

napi_value ConnectionsElsewhere(napi_env env, napi_callback_info) {
  const Instance& instance = *GetInstance(env);
  return MakeNumber(env, static_cast<double>(instance.share ? instance.share->connections_elsewhere() : 0));
}

napi_value MemoryOf(napi_env env, napi_callback_info) { return DescribeMemory(env, *GetInstance(env)); }

napi_value ReturnMemoryOf(napi_env env, napi_callback_info) {
  ReturnMemory(*GetInstance(env));
  return nullptr;
}

bool ReadBytes(napi_env env, napi_value value, std::vector<uint8_t>* bytes) {
  bool is_typed_array = false;
  napi_is_typedarray(env, value, &is_typed_array);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (is_typed_array) napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr);
  if (!is_typed_array || type != napi_uint8_array) return ThrowInvalid(env, "response must be a Uint8Array");
  const auto* start = static_cast<const uint8_t*>(data);
  bytes->assign(start, start + length);
  return true;
}

napi_value ReplyAndClose(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  int64_t number = 0;
  std::vector<uint8_t> response;
  if (!ReadInteger(env, arguments[0], "fd", 0, INT32_MAX, &number) ||
      !ReadBytes(env, arguments[1], &response)) {
    return nullptr;
  }
  const int fd = static_cast<int>(number);
  struct stat status {};
  if (fstat(fd, &status) != 0) return ThrowSystemError(env, -errno, "fstat", "fd " + std::to_string(fd));
  if (!S_ISSOCK(status.st_mode)) return ThrowSystemError(env, -ENOTSOCK, "fstat", "fd " + std::to_string(fd));
  UniqueFd owned(fd);
  Instance& instance = *GetInstance(env);
  if (instance.lingering.size() >= kMaxLingering) {
    [[maybe_unused]] const ssize_t sent =
        send(fd, response.data(), response.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return nullptr;
  }
  auto lingering =
      std::make_unique<LingeringClose>(*instance.reactor, instance.linger_deadlines, instance.lingering,
                                       std::move(owned), std::move(response));
  LingeringClose* started = lingering.get();
  instance.lingering.Add(std::move(lingering));
  started->Start();
  return nullptr;
}

// The environment ends. uv handles close asynchronously, so the hook is released only when the loop has
// closed them.
void OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* data) {
  auto* instance = static_cast<Instance*>(data);
  while (AcceptorBinding* acceptor = instance->acceptors.Front()) acceptor->Shutdown();
  while (HttpEngineBinding* engine = instance->engines.Front()) engine->Shutdown();
  instance->reactor->SetClosedCallback(
      [](void* handle) {
        napi_remove_async_cleanup_hook(static_cast<napi_async_cleanup_hook_handle>(handle));
      },
      hook);
  delete instance;
}

// The binary works with every Node line whose Node-API and libuv 1.x it was built for. libuv keeps the size
// of its handles within 1.x; a build with other sizes must not be trusted with them. nghttp2 is that of the
// process; there may be two copies, and Node's comes first.
bool CheckRuntime(napi_env env, const http2::HpackBinding& hpack) {
  uint32_t version = 0;
  napi_get_version(env, &version);
  std::string problem;
  if (hpack.missing != nullptr) {
    problem = std::string("this Node does not export ") + hpack.missing + " of its nghttp2";
  } else if (!hpack.one_copy) {
    problem = "the functions of nghttp2 are of several copies";
  } else if (version < NAPI_VERSION) {
    problem = "Node-API " + std::to_string(version) + " is older than " + std::to_string(NAPI_VERSION);
  } else if ((uv_version() >> 16) != UV_VERSION_MAJOR) {
    problem =
        "built for libuv " + std::to_string(UV_VERSION_MAJOR) + ".x, running with " + uv_version_string();
  } else if (uv_handle_size(UV_PREPARE) != sizeof(uv_prepare_t) ||
             uv_handle_size(UV_TIMER) != sizeof(uv_timer_t) || uv_handle_size(UV_IDLE) != sizeof(uv_idle_t)) {
    problem =
        std::string("libuv ") + uv_version_string() + " has other handle sizes than the headers of the build";
  }
  if (problem.empty()) return true;
  napi_throw_error(env, "ERR_SIDEROUTE_ABI", problem.c_str());
  return false;
}

napi_value Init(napi_env env, napi_value exports) {
  uv_loop_t* loop = nullptr;
  const http2::HpackBinding hpack = http2::CheckHpackBinding();
  if (!CheckRuntime(env, hpack)) return nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    napi_throw_error(env, "ERR_SIDEROUTE_ABI", "no event loop in this environment");
    return nullptr;
  }
  KeepHeapsTrimmed();
  int error = 0;
  std::unique_ptr<Reactor> reactor = Reactor::Create(loop, &error);
  if (!reactor) return ThrowSystemError(env, error, "epoll_create1", "while loading");
  auto* instance = new Instance(std::move(reactor), kLingerMs);
  napi_set_instance_data(env, instance, nullptr, nullptr);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, instance, nullptr);

  const napi_property_descriptor members[] = {
      {"abi", nullptr, nullptr, nullptr, nullptr, MakeNumber(env, kAbi), napi_enumerable, nullptr},
      {"connectionsElsewhere", nullptr, ConnectionsElsewhere, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"createAccessLog", nullptr, CreateAccessLog, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createTracer", nullptr, CreateTracer, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createLogWriter", nullptr, CreateLogWriter, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createAcceptor", nullptr, CreateAcceptor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createHttpEngine", nullptr, CreateHttpEngine, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"guardMemory", nullptr, GuardMemoryOf, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"nghttp2", nullptr, nullptr, nullptr, nullptr, MakeString(env, hpack.file), napi_enumerable, nullptr},
      {"memory", nullptr, MemoryOf, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"returnMemory", nullptr, ReturnMemoryOf, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"replyAndClose", nullptr, ReplyAndClose, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"shareLimits", nullptr, ShareLimits, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(members), members);
  return exports;
}

}  // namespace

}  // namespace sideroute

NAPI_MODULE_INIT() { return sideroute::Init(env, exports); }
