// The JavaScript side of MemoryGuard: `guardMemory` and `memory` of src/addon/binding.ts.
#ifndef SIDEROUTE_BINDING_MEMORY_GUARD_BINDING_H_
#define SIDEROUTE_BINDING_MEMORY_GUARD_BINDING_H_

#include <node_api.h>

namespace sideroute {

struct Instance;

// guardMemory({bytes, usage, statistics, countsSockets, onOverload}); may be called once.
napi_value GuardMemory(napi_env env, Instance& instance, napi_value options);
napi_value DescribeMemory(napi_env env, Instance& instance);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_MEMORY_GUARD_BINDING_H_
