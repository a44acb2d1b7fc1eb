#include "binding/state_value.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "binding/napi_util.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxRange = 10'000;

}  // namespace

napi_value MakeStateRecords(napi_env env, const StateRecords& records) {
  const std::vector<double>& numbers = records.numbers();
  const std::string& text = records.text();
  napi_value result, buffer, array, string;
  void* memory = nullptr;
  const size_t bytes = numbers.size() * sizeof(double);
  if (napi_create_arraybuffer(env, bytes, &memory, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &array) != napi_ok ||
      napi_create_string_latin1(env, text.data(), text.size(), &string) != napi_ok) {
    return nullptr;
  }
  if (bytes > 0) std::memcpy(memory, numbers.data(), bytes);
  napi_create_object(env, &result);
  SetProperty(env, result, "numbers", array);
  SetProperty(env, result, "text", string);
  return result;
}

bool ReadStateRange(napi_env env, const napi_value arguments[2], StateRange* range) {
  int64_t after = 0, max = 0;
  if (!ReadInteger(env, arguments[0], "after", 0, INT64_C(1) << 53, &after) ||
      !ReadInteger(env, arguments[1], "max", 1, kMaxRange, &max)) {
    return false;
  }
  *range = {static_cast<uint64_t>(after), static_cast<size_t>(max)};
  return true;
}

}  // namespace sideroute
