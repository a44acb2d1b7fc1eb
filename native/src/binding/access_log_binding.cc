#include "binding/access_log_binding.h"

#include <fcntl.h>
#include <uv.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "binding/napi_util.h"
#include "binding/wrapped_type.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxId = 1'000'000;
constexpr int64_t kMaxBufferBytes = 64 * 1024 * 1024;
constexpr int64_t kMaxCloseMs = 60'000;

constexpr WrappedType<std::shared_ptr<AccessLog>> kType = {{0x2f91d06c7be84a53, 0x9c3e5b1740fa82d6},
                                                           "an access log"};

// The log that is `this`, and its arguments. Null with an exception pending when it is none.
AccessLog* From(napi_env env, napi_callback_info info, size_t argc, napi_value* argv) {
  const auto* log = kType.This(env, info, argc, argv);
  return log == nullptr ? nullptr : log->get();
}

// [{name, error}]
bool ReadReasons(napi_env env, napi_value options, std::vector<AccessLog::ReasonInfo>* reasons) {
  napi_value list;
  uint32_t count = 0;
  if (!ReadProperty(env, options, "reasons", "options", &list) ||
      !ReadArray(env, list, "options.reasons", &count)) {
    return false;
  }
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element, value;
    AccessLog::ReasonInfo reason;
    const std::string path = "options.reasons[" + std::to_string(i) + "]";
    napi_get_element(env, list, i, &element);
    if (!ReadProperty(env, element, "name", path, &value) ||
        !ReadString(env, value, path + ".name", &reason.name) ||
        !ReadProperty(env, element, "error", path, &value)) {
      return false;
    }
    napi_get_value_bool(env, value, &reason.error);
    reasons->push_back(std::move(reason));
  }
  return true;
}

napi_value SetMode(napi_env env, napi_callback_info info) {
  napi_value argument;
  AccessLog* log = From(env, info, 1, &argument);
  std::string name;
  if (log == nullptr || !ReadString(env, argument, "mode", &name)) return nullptr;
  const auto found = std::find(kAccessLogModeNames.begin(), kAccessLogModeNames.end(), name);
  if (found == kAccessLogModeNames.end()) {
    ThrowInvalid(env, "mode must be 'off', 'errors' or 'all', not '" + name + "'");
    return nullptr;
  }
  const auto mode = static_cast<AccessLogMode>(found - kAccessLogModeNames.begin());
  if (const int error = log->SetMode(mode); error != 0) {
    return ThrowSystemError(env, error, "pthread_create", "for the access log");
  }
  return nullptr;
}

// set(id, text)
template <void (AccessLog::*set)(uint32_t, std::string), int64_t max>
napi_value SetText(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  AccessLog* log = From(env, info, 2, arguments);
  int64_t id = 0;
  std::string text;
  if (log == nullptr || !ReadInteger(env, arguments[0], "id", 0, max, &id) ||
      !ReadString(env, arguments[1], "text", &text)) {
    return nullptr;
  }
  (log->*set)(static_cast<uint32_t>(id), std::move(text));
  return nullptr;
}

// Reads members of the object passed to request().
class EntryReader {
 public:
  EntryReader(napi_env env, napi_value object) : env_(env), object_(object) {}

  bool Integer(const char* name, int64_t min, int64_t max, int64_t* result) {
    return ReadIntegerProperty(env_, object_, name, "entry", min, max, result);
  }
  // A Latin-1 string or null.
  bool Text(const char* name, RequestText which, RequestTexts* texts) {
    napi_value value;
    if (!ReadProperty(env_, object_, name, "entry", &value)) return false;
    if (IsMissing(env_, value)) return true;
    size_t length = 0;
    if (napi_get_value_string_latin1(env_, value, nullptr, 0, &length) != napi_ok) {
      return ThrowInvalid(env_, "entry." + std::string(name) + " must be a string or null");
    }
    text_.resize(length);
    napi_get_value_string_latin1(env_, value, text_.data(), length + 1, &length);
    texts->Set(which, text_);
    return true;
  }
  // {address, port} or null.
  bool Address(const char* name, NetAddress* result) {
    napi_value value;
    if (!ReadProperty(env_, object_, name, "entry", &value)) return false;
    return IsMissing(env_, value) || ReadAddress(env_, value, "entry." + std::string(name), result);
  }
  // Milliseconds after the start, or null; gives nanoseconds on the clock of `started_ns`.
  bool Phase(const char* name, uint64_t started_ns, uint64_t* result) {
    napi_value value;
    if (!ReadProperty(env_, object_, name, "entry", &value)) return false;
    double ms = -1;
    if (IsMissing(env_, value) || napi_get_value_double(env_, value, &ms) != napi_ok || !(ms >= 0))
      return true;
    *result = started_ns + static_cast<uint64_t>(std::min(ms, 1e12) * 1e6);
    return true;
  }

 private:
  napi_env env_;
  napi_value object_;
  std::string text_;
};

napi_value Request(napi_env env, napi_callback_info info) {
  napi_value argument;
  AccessLog* log = From(env, info, 1, &argument);
  if (log == nullptr) return nullptr;
  EntryReader reader(env, argument);
  RequestEntry entry;
  RequestFacts facts;
  int64_t frontend = 0, series = 0, status = 0, reason = 0;
  entry.counts_bytes = false;
  entry.minor_version = 1;
  if (!reader.Integer("frontend", -1, kMaxId, &frontend) ||
      !reader.Integer("series", -1, INT32_MAX, &series) || !reader.Integer("status", 0, 999, &status) ||
      !reader.Integer("reason", -1, 1'000, &reason) ||
      !reader.Text("method", RequestText::kMethod, &facts.texts) ||
      !reader.Text("path", RequestText::kPath, &facts.texts) ||
      !reader.Text("host", RequestText::kHost, &facts.texts) ||
      !reader.Text("requestId", RequestText::kRequestId, &facts.texts) ||
      !reader.Text("traceparent", RequestText::kTraceparent, &facts.texts) ||
      !reader.Text("userAgent", RequestText::kUserAgent, &facts.texts) ||
      !reader.Address("downstream", &entry.downstream) ||
      !reader.Address("destination", &entry.destination) || !reader.Address("upstream", &facts.upstream)) {
    return nullptr;
  }
  uint64_t duration_ns = 0;
  entry.ended_ns = uv_hrtime();
  if (!reader.Phase("durationMs", 0, &duration_ns)) return nullptr;
  entry.started_ns = entry.ended_ns - std::min(duration_ns, entry.ended_ns - 1);
  if (!reader.Phase("requestMs", entry.started_ns, &facts.received_ns) ||
      !reader.Phase("connectionMs", entry.started_ns, &facts.connected_ns) ||
      !reader.Phase("responseMs", entry.started_ns, &facts.response_ns)) {
    return nullptr;
  }
  entry.frontend = static_cast<int32_t>(frontend);
  entry.series = static_cast<int32_t>(series);
  entry.status = static_cast<uint16_t>(status);
  entry.reason = static_cast<int32_t>(reason);
  log->OnRequest(entry, facts);
  return nullptr;
}

bool ReadNumberFrom(napi_env env, napi_value object, const char* name, double min, double max,
                    double* result) {
  napi_value value;
  if (!ReadProperty(env, object, name, "filter", &value)) return false;
  if (napi_get_value_double(env, value, result) == napi_ok && *result >= min && *result <= max) return true;
  return ThrowInvalid(env, "filter." + std::string(name) + " must be a number from " +
                               std::to_string(static_cast<int>(min)) + " to " +
                               std::to_string(static_cast<int>(max)));
}

// [{name, value}]; a value of null matches any value.
bool ReadTapFields(napi_env env, napi_value filter, std::vector<TapField>* fields) {
  napi_value list;
  uint32_t count = 0;
  if (!ReadProperty(env, filter, "fields", "filter", &list) ||
      !ReadArray(env, list, "filter.fields", &count)) {
    return false;
  }
  if (count > Taps::kMaxFields) return ThrowInvalid(env, "filter.fields has too many entries");
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element, value;
    TapField field;
    const std::string path = "filter.fields[" + std::to_string(i) + "]";
    napi_get_element(env, list, i, &element);
    if (!ReadProperty(env, element, "name", path, &value) ||
        !ReadString(env, value, path + ".name", &field.name) ||
        !ReadProperty(env, element, "value", path, &value)) {
      return false;
    }
    field.has_value = !IsMissing(env, value);
    if (field.has_value && !ReadString(env, value, path + ".value", &field.value)) return false;
    fields->push_back(std::move(field));
  }
  return true;
}

bool ReadTapFilter(napi_env env, napi_value object, TapFilter* filter) {
  napi_value route, path;
  int64_t min_status = 0, max_status = 0, grpc_status = 0;
  if (!ReadNumberFrom(env, object, "sample", 0, 1, &filter->sample) ||
      !ReadProperty(env, object, "route", "filter", &route) ||
      !ReadString(env, route, "filter.route", &filter->route) ||
      !ReadProperty(env, object, "path", "filter", &path) ||
      !ReadString(env, path, "filter.path", &filter->path) || !ReadTapFields(env, object, &filter->fields) ||
      !ReadIntegerProperty(env, object, "minStatus", "filter", 0, 999, &min_status) ||
      !ReadIntegerProperty(env, object, "maxStatus", "filter", 0, 999, &max_status) ||
      !ReadIntegerProperty(env, object, "grpcStatus", "filter", http::kNoCall, http::kMissingStatus,
                           &grpc_status)) {
    return false;
  }
  filter->min_status = static_cast<uint16_t>(min_status);
  filter->max_status = static_cast<uint16_t>(max_status);
  filter->grpc_status = static_cast<int8_t>(grpc_status);
  return true;
}

// addTap(id, filter)
napi_value AddTap(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  AccessLog* log = From(env, info, 2, arguments);
  int64_t id = 0;
  TapFilter filter;
  if (log == nullptr || !ReadInteger(env, arguments[0], "id", 1, INT32_MAX, &id) ||
      !ReadTapFilter(env, arguments[1], &filter)) {
    return nullptr;
  }
  if (!log->AddTap(static_cast<uint32_t>(id), std::move(filter)))
    ThrowInvalid(env, "there are too many taps");
  return nullptr;
}

// The log that is `this`, and the number of a tap, the only argument. Null with an exception pending.
AccessLog* ReadTap(napi_env env, napi_callback_info info, uint32_t* id) {
  napi_value argument;
  int64_t number = 0;
  AccessLog* log = From(env, info, 1, &argument);
  if (log == nullptr || !ReadInteger(env, argument, "id", 1, INT32_MAX, &number)) return nullptr;
  *id = static_cast<uint32_t>(number);
  return log;
}

// removeTap(id)
napi_value RemoveTap(napi_env env, napi_callback_info info) {
  uint32_t id = 0;
  AccessLog* log = ReadTap(env, info, &id);
  if (log != nullptr) log->RemoveTap(id);
  return nullptr;
}

// takeTap(id): null if there is nothing new.
napi_value TakeTap(napi_env env, napi_callback_info info) {
  napi_value result;
  uint32_t id = 0;
  AccessLog* log = ReadTap(env, info, &id);
  if (log == nullptr) return nullptr;
  const Taps::Taken taken = log->TakeTap(id);
  if (taken.records == 0 && taken.dropped == 0) {
    napi_get_null(env, &result);
    return result;
  }
  napi_value buffer, lines;
  void* memory = nullptr;
  if (napi_create_arraybuffer(env, taken.lines.size(), &memory, &buffer) != napi_ok) return nullptr;
  if (!taken.lines.empty()) std::memcpy(memory, taken.lines.data(), taken.lines.size());
  napi_create_typedarray(env, napi_uint8_array, taken.lines.size(), buffer, 0, &lines);
  napi_create_object(env, &result);
  SetProperty(env, result, "lines", lines);
  SetProperty(env, result, "records", MakeNumber(env, static_cast<double>(taken.records)));
  SetProperty(env, result, "dropped", MakeNumber(env, static_cast<double>(taken.dropped)));
  return result;
}

napi_value Counters(napi_env env, napi_callback_info info) {
  AccessLog* log = From(env, info, 0, nullptr);
  if (log == nullptr) return nullptr;
  napi_value result;
  napi_create_object(env, &result);
  SetProperty(env, result, "lines", MakeNumber(env, static_cast<double>(log->written())));
  SetProperty(env, result, "dropped", MakeNumber(env, static_cast<double>(log->dropped())));
  return result;
}

napi_value Close(napi_env env, napi_callback_info info) {
  napi_value argument;
  AccessLog* log = From(env, info, 1, &argument);
  int64_t timeout_ms = 0;
  if (log == nullptr || !ReadInteger(env, argument, "timeoutMs", 0, kMaxCloseMs, &timeout_ms)) return nullptr;
  log->Close(static_cast<uint32_t>(timeout_ms));
  return nullptr;
}

}  // namespace

napi_value CreateAccessLog(napi_env env, napi_callback_info info) {
  napi_value options;
  size_t argc = 1;
  napi_get_cb_info(env, info, &argc, &options, nullptr, nullptr);
  int64_t fd = 0, buffer_bytes = 0;
  std::vector<AccessLog::ReasonInfo> reasons;
  if (!ReadIntegerProperty(env, options, "fd", "options", 0, INT32_MAX, &fd) ||
      !ReadIntegerProperty(env, options, "bufferBytes", "options", 4096, kMaxBufferBytes, &buffer_bytes) ||
      !ReadReasons(env, options, &reasons)) {
    return nullptr;
  }
  UniqueFd copy(fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 3));
  if (!copy) return ThrowSystemError(env, -errno, "fcntl", "fd " + std::to_string(fd));
  const size_t size = std::bit_ceil(static_cast<size_t>(buffer_bytes));
  auto log = std::make_unique<std::shared_ptr<AccessLog>>(
      std::make_shared<AccessLog>(std::move(copy), size, std::move(reasons)));

  const napi_property_descriptor members[] = {
      {"setMode", nullptr, SetMode, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setSeries", nullptr, SetText<&AccessLog::SetSeries, INT32_MAX>, nullptr, nullptr, nullptr,
       napi_enumerable, nullptr},
      {"setFrontend", nullptr, SetText<&AccessLog::SetFrontend, kMaxId>, nullptr, nullptr, nullptr,
       napi_enumerable, nullptr},
      {"addTap", nullptr, AddTap, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"removeTap", nullptr, RemoveTap, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"takeTap", nullptr, TakeTap, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"request", nullptr, Request, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"counters", nullptr, Counters, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return kType.Make(env, std::move(log), members);
}

bool ReadAccessLog(napi_env env, napi_value options, std::shared_ptr<AccessLog>* log) {
  std::shared_ptr<AccessLog>* held = nullptr;
  if (!kType.ReadOption(env, options, "accessLog", &held)) return false;
  if (held != nullptr) *log = *held;
  return true;
}

}  // namespace sideroute
