// The JavaScript face of SpanWriter: the objects that createTracer of src/addon/tracer.ts returns, and what
// engines take from the option `tracer`.
#ifndef SIDEROUTE_BINDING_TRACER_BINDING_H_
#define SIDEROUTE_BINDING_TRACER_BINDING_H_

#include <node_api.h>

#include <memory>

#include "log/span_writer.h"

namespace sideroute {

// createTracer(options): the object, or null with an exception pending.
napi_value CreateTracer(napi_env env, napi_callback_info info);

// options.tracer; null when it is missing or null. False with an exception pending when it is anything else.
bool ReadTracer(napi_env env, napi_value options, std::shared_ptr<SpanWriter>* tracer);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_TRACER_BINDING_H_
