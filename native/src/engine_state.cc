#include "engine_state.h"

#include <cstddef>
#include <cstring>

#include "http_engine.h"
#include "napi_util.h"

namespace sideroute {

napi_value StateRecords::ToValue(napi_env env) const {
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

StateRecords DescribeUpstreams(const HttpEngine& engine) {
  StateRecords records;
  engine.VisitBackends([&](int32_t id, const Backend& backend) {
    bool first = true;
    backend.VisitEndpoints([&](const Endpoint& endpoint) {
      const size_t idle = endpoint.idle.size();
      records.Number(id);
      records.Number(endpoint.address.port());
      records.Number(static_cast<double>(endpoint.open - idle - endpoint.connecting));
      records.Number(static_cast<double>(idle));
      records.Number(static_cast<double>(endpoint.connecting));
      records.Number(first ? static_cast<double>(backend.waiting()) : 0);
      records.Number(static_cast<double>(endpoint.connects));
      records.Number(static_cast<double>(endpoint.connect_failures));
      records.Number(static_cast<double>(endpoint.requests));
      records.Text(endpoint.address.HostText());
      first = false;
    });
  });
  return records;
}

}  // namespace sideroute
