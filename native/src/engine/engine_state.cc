#include "engine/engine_state.h"

#include "engine/http_engine.h"

namespace sideroute {

StateRecords DescribeUpstreams(const HttpEngine& engine) {
  StateRecords records;
  engine.backends().VisitAll([&](const Backend& backend) {
    size_t waiting = backend.waiting();
    backend.VisitEndpoints([&](const Endpoint& endpoint) {
      const size_t idle = endpoint.idle();
      records.Number(backend.id());
      records.Address(endpoint.address);
      records.Count(endpoint.open - idle - endpoint.connecting);
      records.Count(idle);
      records.Count(endpoint.connecting);
      // Reported once per backend, with its first address.
      records.Count(waiting);
      records.Count(endpoint.connects);
      records.Count(endpoint.connect_failures);
      records.Count(endpoint.requests);
      waiting = 0;
    });
  });
  return records;
}

StateRecords DescribeDownstreamConnections(const HttpEngine& engine, const StateRange& range) {
  StateRecords records;
  DescribeRange(engine.downstreams(), range,
                [&](const DownstreamConnection& downstream) { downstream.Describe(records); });
  return records;
}

StateRecords DescribeUpstreamConnections(const HttpEngine& engine, const StateRange& range) {
  StateRecords records;
  DescribeRange(engine.upstreams(), range,
                [&](const UpstreamConnection& upstream) { upstream.Describe(records); });
  return records;
}

}  // namespace sideroute
