#include "binding/napi_util.h"

#include <uv.h>

#include <cmath>

namespace sideroute {

namespace {

std::string ErrorName(int negative_errno) {
  char name[64];
  uv_err_name_r(negative_errno, name, sizeof name);
  return name;
}

}  // namespace

bool ThrowInvalid(napi_env env, const std::string& message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", message.c_str());
  return false;
}

napi_value ThrowSystemError(napi_env env, int negative_errno, const char* syscall, const std::string& what) {
  const std::string name = ErrorName(negative_errno);
  napi_value error;
  napi_value message = MakeString(env, (std::string(syscall) + " " + name + " " + what).c_str());
  if (napi_create_error(env, MakeString(env, name.c_str()), message, &error) != napi_ok) return nullptr;
  SetProperty(env, error, "errno", MakeNumber(env, negative_errno));
  SetProperty(env, error, "syscall", MakeString(env, syscall));
  napi_throw(env, error);
  return nullptr;
}

bool ReadInteger(napi_env env, napi_value value, const std::string& path, int64_t min, int64_t max,
                 int64_t* result) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok || std::floor(number) != number ||
      number < static_cast<double>(min) || number > static_cast<double>(max)) {
    return ThrowInvalid(
        env, path + " must be an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  *result = static_cast<int64_t>(number);
  return true;
}

bool ReadProperty(napi_env env, napi_value object, const char* name, const std::string& path,
                  napi_value* result) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, object, &type);
  if (type != napi_object) return ThrowInvalid(env, path + " must be an object");
  // Fails only if a getter throws; its exception is then pending.
  return napi_get_named_property(env, object, name, result) == napi_ok;
}

bool ReadFunction(napi_env env, napi_value object, const char* name, const std::string& path,
                  napi_ref* result) {
  napi_value value;
  if (!ReadProperty(env, object, name, path, &value)) return false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type != napi_function) return ThrowInvalid(env, path + "." + name + " must be a function");
  return napi_create_reference(env, value, 1, result) == napi_ok;
}

bool ReadIntegerProperty(napi_env env, napi_value object, const char* name, const std::string& path,
                         int64_t min, int64_t max, int64_t* result) {
  napi_value value;
  return ReadProperty(env, object, name, path, &value) &&
         ReadInteger(env, value, path + "." + name, min, max, result);
}

bool ReadString(napi_env env, napi_value value, const std::string& path, std::string* result) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    return ThrowInvalid(env, path + " must be a string");
  }
  result->resize(length);
  // Writes a NUL after the text, where std::string has one already.
  return napi_get_value_string_utf8(env, value, result->data(), length + 1, &length) == napi_ok;
}

bool ReadAddress(napi_env env, napi_value object, const std::string& path, NetAddress* result) {
  napi_value value;
  std::string text;
  int64_t port = 0;
  if (!ReadProperty(env, object, "address", path, &value) ||
      !ReadString(env, value, path + ".address", &text) ||
      !ReadIntegerProperty(env, object, "port", path, 0, 65535, &port)) {
    return false;
  }
  const auto address = NetAddress::Parse(text, static_cast<uint16_t>(port));
  if (!address) return ThrowInvalid(env, path + ".address is no IPv4 or IPv6 address: '" + text + "'");
  *result = *address;
  return true;
}

bool ReadArray(napi_env env, napi_value value, const std::string& path, uint32_t* length) {
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (!is_array) return ThrowInvalid(env, path + " must be an array");
  return napi_get_array_length(env, value, length) == napi_ok;
}

bool IsMissing(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

napi_value MakeString(napi_env env, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value MakeNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

void SetProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

napi_value MakeErrorName(napi_env env, int negative_errno) {
  if (negative_errno != 0) return MakeString(env, ErrorName(negative_errno).c_str());
  napi_value null = nullptr;
  napi_get_null(env, &null);
  return null;
}

}  // namespace sideroute
