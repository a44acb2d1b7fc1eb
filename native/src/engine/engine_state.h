// What an engine is doing right now, for state dumps: its connections and its upstreams.
//
// Stage before: http_engine_binding. Stage after: none; nothing is changed.
#ifndef SIDEROUTE_ENGINE_ENGINE_STATE_H_
#define SIDEROUTE_ENGINE_ENGINE_STATE_H_

#include "net/state_records.h"

namespace sideroute {

class HttpEngine;

// One record for each address of each backend that requests were sent to.
StateRecords DescribeUpstreams(const HttpEngine& engine);
StateRecords DescribeDownstreamConnections(const HttpEngine& engine, const StateRange& range);
StateRecords DescribeUpstreamConnections(const HttpEngine& engine, const StateRange& range);

}  // namespace sideroute

#endif  // SIDEROUTE_ENGINE_ENGINE_STATE_H_
