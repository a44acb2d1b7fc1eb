// Small helpers over Node-API: reading arguments with errors that name the field, building results, raising
// errors.
//
// The readers return false with a JavaScript exception pending; the caller returns to JavaScript at once.
#ifndef SIDEROUTE_BINDING_NAPI_UTIL_H_
#define SIDEROUTE_BINDING_NAPI_UTIL_H_

#include <node_api.h>

#include <cstdint>
#include <string>

#include "net/net_address.h"

namespace sideroute {

// Raises TypeError with code ERR_INVALID_ARG_VALUE; returns false.
bool ThrowInvalid(napi_env env, const std::string& message);

// Raises an Error like Node's own system errors: code, errno, syscall; `what` ends the message. Returns null.
napi_value ThrowSystemError(napi_env env, int negative_errno, const char* syscall, const std::string& what);

// `path` is the name of the value in error messages, for example "listen[0].port".
bool ReadInteger(napi_env env, napi_value value, const std::string& path, int64_t min, int64_t max,
                 int64_t* result);
bool ReadProperty(napi_env env, napi_value object, const char* name, const std::string& path,
                  napi_value* result);
bool ReadIntegerProperty(napi_env env, napi_value object, const char* name, const std::string& path,
                         int64_t min, int64_t max, int64_t* result);
bool ReadString(napi_env env, napi_value value, const std::string& path, std::string* result);
// Reads the members `address` and `port`.
bool ReadAddress(napi_env env, napi_value object, const std::string& path, NetAddress* result);
// Keeps a reference to a function; the caller deletes it.
bool ReadFunction(napi_env env, napi_value object, const char* name, const std::string& path,
                  napi_ref* result);
// Reads the length of an array.
bool ReadArray(napi_env env, napi_value value, const std::string& path, uint32_t* length);

// Undefined or null.
bool IsMissing(napi_env env, napi_value value);

napi_value MakeString(napi_env env, const char* text);
napi_value MakeNumber(napi_env env, double value);
void SetProperty(napi_env env, napi_value object, const char* name, napi_value value);

// "ECONNREFUSED" for -ECONNREFUSED; null for 0.
napi_value MakeErrorName(napi_env env, int negative_errno);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_NAPI_UTIL_H_
