#include "binding/http_engine_options.h"

#include <algorithm>
#include <utility>

#include "binding/napi_util.h"

namespace sideroute {

namespace {

struct Setting {
  const char* name;
  uint32_t EngineSettings::*field;
  uint32_t min;
  uint32_t max;
};

constexpr uint32_t kDayMs = 24 * 60 * 60 * 1000;

constexpr Setting kSettings[] = {
    {"headerTimeoutMs", &EngineSettings::header_timeout_ms, 1, kDayMs},
    {"downstreamIdleMs", &EngineSettings::downstream_idle_ms, 1, kDayMs},
    {"stallTimeoutMs", &EngineSettings::stall_timeout_ms, 1, kDayMs},
    {"connectTimeoutMs", &EngineSettings::connect_timeout_ms, 1, kDayMs},
    {"redialStepMs", &EngineSettings::redial_step_ms, 0, 1'000},
    {"expectTimeoutMs", &EngineSettings::expect_timeout_ms, 1, kDayMs},
    {"queueTimeoutMs", &EngineSettings::queue_timeout_ms, 1, kDayMs},
    {"pingAfterMs", &EngineSettings::ping_after_ms, 1, kDayMs},
    {"pingTimeoutMs", &EngineSettings::ping_timeout_ms, 1, kDayMs},
    {"pingAgainMs", &EngineSettings::ping_again_ms, 1, kDayMs},
    {"upstreamIdleMs", &EngineSettings::upstream_idle_ms, 1, kDayMs},
    {"upstreamMaxAgeMs", &EngineSettings::upstream_max_age_ms, 1, kDayMs},
    {"upstreamMaxRequests", &EngineSettings::upstream_max_requests, 1, 1'000'000'000},
    {"sharedMaxAgeMs", &EngineSettings::shared_max_age_ms, 1, kDayMs},
    {"sharedMaxRequests", &EngineSettings::shared_max_requests, 1, 1'000'000'000},
    {"maxUpstreamConnections", &EngineSettings::max_upstream_connections, 1, 1'000'000},
    {"upstreamSpread", &EngineSettings::upstream_spread, 1, 1'000},
    {"maxUpstreamIdle", &EngineSettings::max_upstream_idle, 0, 1'000'000},
    {"maxQueuedRequests", &EngineSettings::max_queued_requests, 0, 1'000'000},
    {"freshConnectionAfterMs", &EngineSettings::fresh_connection_after_ms, 0, kDayMs},
    {"maxReplayBytes", &EngineSettings::max_replay_bytes, 0, 16 * 1024 * 1024},
    {"retryBudgetPercent", &EngineSettings::retry_budget_percent, 0, 1'000},
    {"retryBudgetReserve", &EngineSettings::retry_budget_reserve, 0, 1'000'000},
    {"maxMirrors", &EngineSettings::max_mirrors, 0, 1'000'000},
    {"maxMirrorBytes", &EngineSettings::max_mirror_bytes, 0, 16 * 1024 * 1024},
    {"mirrorTimeoutMs", &EngineSettings::mirror_timeout_ms, 1, kDayMs},
    {"outcomeDelayMs", &EngineSettings::outcome_delay_ms, 0, 1'000},
};

// Leaves `value` null if the member is missing.
bool ReadOptional(napi_env env, napi_value object, const char* name, const std::string& path,
                  napi_value* value) {
  if (!ReadProperty(env, object, name, path, value)) return false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, *value, &type);
  if (type == napi_undefined) *value = nullptr;
  return true;
}

bool ReadLatin1Value(napi_env env, napi_value value, const std::string& path, std::string* result) {
  size_t length = 0;
  if (napi_get_value_string_latin1(env, value, nullptr, 0, &length) != napi_ok) {
    return ThrowInvalid(env, path + " must be a string");
  }
  result->resize(length);
  return napi_get_value_string_latin1(env, value, result->data(), length + 1, &length) == napi_ok;
}

bool ReadLatin1(napi_env env, napi_value object, const char* name, const std::string& path,
                std::string* result) {
  napi_value value;
  return ReadProperty(env, object, name, path, &value) &&
         ReadLatin1Value(env, value, path + "." + name, result);
}

bool ReadLimit(napi_env env, napi_value options, const char* name, int64_t max, size_t* limit) {
  napi_value value;
  int64_t number = 0;
  if (!ReadOptional(env, options, name, "options", &value)) return false;
  if (value == nullptr) return true;
  if (!ReadInteger(env, value, "options." + std::string(name), 1, max, &number)) return false;
  *limit = static_cast<size_t>(number);
  return true;
}

std::string ToLower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return text;
}

bool ReadEdits(napi_env env, napi_value plan, const char* member, HeaderEdits* edits) {
  napi_value list;
  uint32_t count = 0;
  const std::string path = std::string("plan.") + member;
  if (!ReadOptional(env, plan, member, "plan", &list)) return false;
  if (list == nullptr) return true;
  if (!ReadArray(env, list, path, &count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    const std::string at = path + "[" + std::to_string(i) + "]";
    napi_get_element(env, list, i, &element);
    std::string kind, name, value;
    if (!ReadLatin1(env, element, "kind", at, &kind) || !ReadLatin1(env, element, "name", at, &name))
      return false;
    HeaderEdit edit{HeaderEdit::Kind::kRemove, ToLower(name), {}};
    if (kind != "remove") {
      if (kind != "set" && kind != "add") return ThrowInvalid(env, at + ".kind must be set, add or remove");
      if (!ReadLatin1(env, element, "value", at, &value)) return false;
      if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
        return ThrowInvalid(env, at + " holds a line break or NUL");
      }
      edit.kind = kind == "set" ? HeaderEdit::Kind::kSet : HeaderEdit::Kind::kAdd;
      edit.line = name + ": " + value + "\r\n";
    }
    edits->Add(std::move(edit));
  }
  return true;
}

}  // namespace

bool ReadEngineSettings(napi_env env, napi_value options, EngineSettings* settings) {
  for (const Setting& setting : kSettings) {
    napi_value value;
    int64_t number = 0;
    if (!ReadOptional(env, options, setting.name, "options", &value)) return false;
    if (value == nullptr) continue;
    if (!ReadInteger(env, value, "options." + std::string(setting.name), setting.min, setting.max, &number))
      return false;
    settings->*setting.field = static_cast<uint32_t>(number);
  }
  constexpr int64_t kMaxHead = 1024 * 1024;
  if (!ReadLimit(env, options, "maxHeadBytes", kMaxHead, &settings->request_limits.max_head_bytes) ||
      !ReadLimit(env, options, "maxHeaderFields", kMaxHeaderFields, &settings->request_limits.max_fields) ||
      !ReadLimit(env, options, "maxRequestLineBytes", kMaxHead, &settings->request_limits.max_request_line)) {
    return false;
  }
  settings->response_limits = settings->request_limits;
  return true;
}

bool ReadLocalReply(napi_env env, napi_value object, const std::string& path, LocalReply* reply) {
  int64_t status = 0, reason = 0;
  if (!ReadIntegerProperty(env, object, "status", path, 200, 999, &status) ||
      !ReadIntegerProperty(env, object, "reason", path, -1, 1'000, &reason) ||
      !ReadLatin1(env, object, "head", path, &reply->head) ||
      !ReadLatin1(env, object, "body", path, &reply->body)) {
    return false;
  }
  napi_value grpc;
  if (!ReadOptional(env, object, "grpc", path, &grpc)) return false;
  if (grpc != nullptr) {
    int64_t code = 0;
    if (!ReadLatin1(env, object, "grpc", path, &reply->grpc) ||
        !ReadIntegerProperty(env, object, "grpcStatus", path, 0, http::kMissingStatus, &code)) {
      return false;
    }
    reply->grpc_status = static_cast<int8_t>(code);
  }
  reply->status = static_cast<uint16_t>(status);
  reply->reason = static_cast<int32_t>(reason);
  return true;
}

bool ReadHeaderPlan(napi_env env, napi_value object, HeaderPlan* plan) {
  napi_value host, path;
  if (!ReadEdits(env, object, "request", &plan->request) ||
      !ReadEdits(env, object, "response", &plan->response) ||
      !ReadOptional(env, object, "host", "plan", &host) ||
      !ReadOptional(env, object, "path", "plan", &path)) {
    return false;
  }
  if (host != nullptr && !ReadLatin1(env, object, "host", "plan", &plan->host)) return false;
  if (path == nullptr) return true;
  int64_t prefix = 0;
  if (!ReadLatin1(env, object, "path", "plan", &plan->path) ||
      !ReadIntegerProperty(env, object, "prefixLength", "plan", -1, 1024 * 1024, &prefix)) {
    return false;
  }
  plan->path_kind = prefix < 0 ? HeaderPlan::PathKind::kReplaceFull : HeaderPlan::PathKind::kReplacePrefix;
  plan->prefix_length = prefix < 0 ? 0 : static_cast<uint32_t>(prefix);
  return true;
}

bool ReadPolicy(napi_env env, napi_value object, Policy* policy) {
  int64_t once = 0;
  const auto number = [&](const char* name, uint32_t* result) {
    int64_t value = 0;
    if (!ReadIntegerProperty(env, object, name, "policy", 0, INT32_MAX, &value)) return false;
    *result = static_cast<uint32_t>(value);
    return true;
  };
  napi_value codes;
  uint32_t count = 0;
  if (!number("requestTimeoutMs", &policy->request_timeout_ms) ||
      !number("attemptTimeoutMs", &policy->attempt_timeout_ms) || !number("attempts", &policy->attempts) ||
      !number("backoffMs", &policy->backoff_ms) ||
      !ReadIntegerProperty(env, object, "once", "policy", 0, 1, &once) ||
      !ReadProperty(env, object, "codes", "policy", &codes) ||
      !ReadArray(env, codes, "policy.codes", &count)) {
    return false;
  }
  policy->once = once == 1;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    int64_t code = 0;
    napi_get_element(env, codes, i, &element);
    if (!ReadInteger(env, element, "policy.codes[" + std::to_string(i) + "]", 400, 599, &code)) return false;
    policy->codes.set(static_cast<size_t>(code - 400));
  }
  return true;
}

bool ReadMirrors(napi_env env, napi_value list, const SharedTable<HeaderPlan>& plans, MirrorGroup* mirrors) {
  uint32_t count = 0;
  if (!ReadArray(env, list, "mirrors", &count)) return false;
  if (count > kMaxMirrorTargets)
    return ThrowInvalid(env, "mirrors must be at most " + std::to_string(kMaxMirrorTargets));
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    const std::string path = "mirrors[" + std::to_string(i) + "]";
    int64_t backend = 0, plan = 0, series = 0;
    napi_get_element(env, list, i, &element);
    if (!ReadIntegerProperty(env, element, "backend", path, 0, 1'000'000, &backend) ||
        !ReadIntegerProperty(env, element, "plan", path, -1, INT32_MAX, &plan) ||
        !ReadIntegerProperty(env, element, "series", path, 0, INT32_MAX, &series)) {
      return false;
    }
    mirrors->push_back({static_cast<int32_t>(backend), plans.Find(static_cast<int32_t>(plan)),
                        static_cast<int32_t>(series)});
  }
  return true;
}

bool ReadFieldLines(napi_env env, napi_value value, std::string* lines) {
  if (!ReadLatin1Value(env, value, "lines", lines)) return false;
  // The producer must not let a value end a line; this is the last place to detect that.
  std::string_view rest = *lines;
  while (!rest.empty()) {
    const size_t end = rest.find_first_of(std::string_view("\r\n\0", 3));
    if (end == 0 || end == rest.npos || rest.substr(end, 2) != "\r\n") {
      return ThrowInvalid(env, "lines must be field lines that end with CRLF");
    }
    rest.remove_prefix(end + 2);
  }
  return true;
}

bool ReadAddresses(napi_env env, napi_value list, uint16_t port, std::vector<NetAddress>* addresses) {
  uint32_t count = 0;
  if (!ReadArray(env, list, "addresses", &count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    std::string text;
    const std::string path = "addresses[" + std::to_string(i) + "]";
    napi_get_element(env, list, i, &element);
    if (!ReadString(env, element, path, &text)) return false;
    const auto address = NetAddress::Parse(text, port);
    if (!address) return ThrowInvalid(env, path + " is no IPv4 or IPv6 address: '" + text + "'");
    addresses->push_back(*address);
  }
  return true;
}

bool ReadNames(napi_env env, napi_value list, size_t max, std::vector<std::string>* names) {
  uint32_t count = 0;
  if (!ReadArray(env, list, "names", &count)) return false;
  if (count > max) return ThrowInvalid(env, "names must be at most " + std::to_string(max));
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    std::string name;
    napi_get_element(env, list, i, &element);
    if (!ReadString(env, element, "names[" + std::to_string(i) + "]", &name)) return false;
    names->push_back(ToLower(std::move(name)));
  }
  return true;
}

napi_value MakeEngineCounters(napi_env env, const HttpEngine& engine) {
  const EngineCounters& counters = engine.counters();
  napi_value result;
  napi_create_object(env, &result);
  const auto set = [&](const char* name, uint64_t value) {
    SetProperty(env, result, name, MakeNumber(env, static_cast<double>(value)));
  };
  set("adopted", counters.adopted);
  set("downstreamOpen", counters.downstream_open);
  set("idleClosed", counters.idle_closed);
  set("requests", counters.requests);
  set("requestsOpen", counters.requests_open);
  set("refused", counters.refused);
  set("upstreamConnects", counters.upstream_connects);
  set("upstreamConnectFailures", counters.upstream_connect_failures);
  set("upstreamOpen", counters.upstream_open);
  set("upstreamIdle", counters.upstream_idle);
  set("upstreamSharedOpen", counters.upstream_shared_open);
  set("upstreamSharedIdle", counters.upstream_shared_idle);
  set("upstreamStreams", counters.upstream_streams);
  const auto retired = [&](Retirement why) { return counters.upstream_retired[static_cast<size_t>(why)]; };
  set("upstreamRetiredIdle", retired(Retirement::kIdle));
  set("upstreamRetiredAge", retired(Retirement::kAge));
  set("upstreamRetiredRequests", retired(Retirement::kRequests));
  set("upstreamRetiredGoaway", retired(Retirement::kGoaway));
  set("upstreamReused", counters.upstream_reused);
  set("upstreamStale", counters.upstream_stale);
  set("queued", counters.queued);
  set("redials", counters.redials);
  set("retriesReset", counters.retries_reset);
  set("retriesPolicy", counters.retries_policy);
  set("relaysOpen", counters.relays_open);
  set("bytesUpstream", counters.bytes_upstream);
  set("bytesDownstream", counters.bytes_downstream);
  set("bufferedBytes", engine.buffered_bytes());
  set("plans", engine.plans().live());
  set("policies", engine.policies().live());
  set("mirrorGroups", engine.mirror_groups().live());
  return result;
}

}  // namespace sideroute
