// The JavaScript side of SpanWriter: the objects that createTracer of src/addon/tracer.ts returns, and the
// option `tracer` of engines.
#ifndef SIDEROUTE_BINDING_TRACER_BINDING_H_
#define SIDEROUTE_BINDING_TRACER_BINDING_H_

#include <node_api.h>

#include <memory>

#include "log/span_writer.h"

namespace sideroute {

// createTracer(options): the object, or null with an exception pending.
napi_value CreateTracer(napi_env env, napi_callback_info info);

// options.tracer; null if it is missing or null. Returns false with an exception pending if it is anything
// else.
bool ReadTracer(napi_env env, napi_value options, std::shared_ptr<SpanWriter>* tracer);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_TRACER_BINDING_H_
