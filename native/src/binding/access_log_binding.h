// The JavaScript side of AccessLog: the objects that createAccessLog of src/addon/access-log.ts returns, and
// the option `accessLog` of acceptors and engines.
#ifndef SIDEROUTE_BINDING_ACCESS_LOG_BINDING_H_
#define SIDEROUTE_BINDING_ACCESS_LOG_BINDING_H_

#include <node_api.h>

#include <memory>

#include "log/access_log.h"

namespace sideroute {

// createAccessLog(options): the object, or null with an exception pending.
napi_value CreateAccessLog(napi_env env, napi_callback_info info);

// options.accessLog; null if it is missing or null. Returns false with an exception pending if it is anything
// else.
bool ReadAccessLog(napi_env env, napi_value options, std::shared_ptr<AccessLog>* log);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_ACCESS_LOG_BINDING_H_
