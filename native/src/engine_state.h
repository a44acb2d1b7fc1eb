// What an engine is doing right now, for whoever looks at it from outside: connections as flat records.
//
// Stage before: the private endpoint, through http_engine_binding. Stage after: nobody; nothing is changed.
// The layout of each record: src/native/engine-state.ts.
#ifndef SIDEROUTE_ENGINE_STATE_H_
#define SIDEROUTE_ENGINE_STATE_H_

#include <node_api.h>

#include <string>
#include <string_view>
#include <vector>

namespace sideroute {

class HttpEngine;

// Records as two values, however many they are: an object for each would cost ten calls across Node-API.
struct StateRecords {
  std::vector<double> numbers;
  // Bytes of text fields, each ended by a line feed.
  std::string text;

  void Number(double number) { numbers.push_back(number); }
  void Text(std::string_view bytes) { text.append(bytes).push_back('\n'); }

  // {numbers: Float64Array, text: string}
  napi_value ToValue(napi_env env) const;
};

// One record for each address of each backend that was ever used.
StateRecords DescribeUpstreams(const HttpEngine& engine);

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_STATE_H_
