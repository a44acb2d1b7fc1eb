// State records as JavaScript values, and the range that JavaScript asks for.
//
// Stage before: net/state_records. Stage after: src/addon/engine-state.ts, which knows the layouts.
#ifndef SIDEROUTE_BINDING_STATE_VALUE_H_
#define SIDEROUTE_BINDING_STATE_VALUE_H_

#include <node_api.h>

#include "net/state_records.h"

namespace sideroute {

// {numbers: Float64Array, text: string}; each text field ends with a line feed.
napi_value MakeStateRecords(napi_env env, const StateRecords& records);

// Reads (after, max) from the arguments of a method. Returns false with an exception pending.
bool ReadStateRange(napi_env env, const napi_value arguments[2], StateRange* range);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_STATE_VALUE_H_
