// The JavaScript side of LogWriter for the log of the process: the objects that createLogWriter of
// src/addon/log-writer.ts returns.
#ifndef SIDEROUTE_BINDING_LOG_WRITER_BINDING_H_
#define SIDEROUTE_BINDING_LOG_WRITER_BINDING_H_

#include <node_api.h>

namespace sideroute {

napi_value CreateLogWriter(napi_env env, napi_callback_info info);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_LOG_WRITER_BINDING_H_
