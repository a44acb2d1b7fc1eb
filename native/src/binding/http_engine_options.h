// Reads the values that JavaScript passes to the HTTP engine, and builds those it gets back. Errors name the
// field.
#ifndef SIDEROUTE_BINDING_HTTP_ENGINE_OPTIONS_H_
#define SIDEROUTE_BINDING_HTTP_ENGINE_OPTIONS_H_

#include <node_api.h>

#include <cstddef>
#include <string>
#include <vector>

#include "engine/http_engine.h"
#include "http/engine_types.h"
#include "http/header_plan.h"
#include "net/net_address.h"

namespace sideroute {

// Missing members of `options` keep their defaults.
bool ReadEngineSettings(napi_env env, napi_value options, EngineSettings* settings);
// {status, reason, head, body, grpc?, grpcStatus?}
bool ReadLocalReply(napi_env env, napi_value object, const std::string& path, LocalReply* reply);
// {request, response: [[kind, name, value]], host, pathKind, prefixLength, path}
bool ReadHeaderPlan(napi_env env, napi_value object, HeaderPlan* plan);
// {requestTimeoutMs, attemptTimeoutMs, attempts, codes, backoffMs, once}
bool ReadPolicy(napi_env env, napi_value object, Policy* policy);
// [{backend, plan, series}]; `plan` is an index into `plans`.
bool ReadMirrors(napi_env env, napi_value list, const SharedTable<HeaderPlan>& plans, MirrorGroup* mirrors);
// Complete field lines as one string.
bool ReadFieldLines(napi_env env, napi_value value, std::string* lines);
bool ReadAddresses(napi_env env, napi_value list, uint16_t port, std::vector<NetAddress>* addresses);
bool ReadNames(napi_env env, napi_value list, size_t max, std::vector<std::string>* names);

napi_value MakeEngineCounters(napi_env env, const HttpEngine& engine);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_HTTP_ENGINE_OPTIONS_H_
