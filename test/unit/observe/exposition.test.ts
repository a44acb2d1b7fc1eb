import t from 'tap';

import { CONNECTION_REASONS, type ConnectionReason } from '../../../src/errors.ts';
import type { AcceptorCounters } from '../../../src/native/binding.ts';
import { createExposition, type ExpositionSources } from '../../../src/observe/exposition.ts';
import { Metrics } from '../../../src/observe/metrics.ts';

function sources(metrics: Metrics): ExpositionSources {
  const connections = Object.fromEntries(CONNECTION_REASONS.map((reason, index) => [reason, index])) as Record<
    ConnectionReason,
    number
  >;
  const acceptor: AcceptorCounters = {
    accepted: 10,
    connections,
    handedOver: 3,
    tunnelsOpen: 2,
    detectingOpen: 1,
    bytesUpstream: 100,
    bytesDownstream: 200,
    acceptPauses: 4,
  };
  return {
    version: '1.2.3',
    metrics,
    acceptor: () => acceptor,
    downstreamConnections: () => 5,
    config: () => ({ generation: 7, hash: 'abc', valid: false }),
    unresolvedFrontends: () => 1,
  };
}

function withOneSeries(backendName: string): Metrics {
  const metrics = new Metrics();
  const series = metrics.internSeries({
    parentNamespace: 'shop',
    parentName: 'cart',
    parentPort: 80,
    routeNamespace: 'shop',
    routeName: 'cart-route',
    rule: 'new',
    backendNamespace: 'shop',
    backendName,
    backendPort: 0,
  });
  metrics.recordRequest({ series, status: 200, reason: null, durationMs: 2 });
  metrics.recordRequest({ series, status: 200, reason: null, durationMs: 40_000 });
  metrics.recordRequest({ series, status: 404, reason: 'no_route', durationMs: 2 });
  metrics.recordRefused('bad_request');
  return metrics;
}

t.test('a scrape has the request series with all labels', async (t) => {
  const text = await createExposition(sources(withOneSeries('v1'))).render();
  const lines = text.split('\n');
  const labels =
    'parent_namespace="shop",parent_name="cart",parent_port="80",route_namespace="shop",route_name="cart-route",' +
    'rule="new",backend_namespace="shop",backend_name="v1",backend_port=""';
  const bucket = (le: string): string => `sideroute_request_duration_seconds_bucket{${labels},le="${le}"}`;
  for (const line of [
    '# TYPE sideroute_requests_total counter',
    `sideroute_requests_total{${labels},code="200",reason=""} 2`,
    `sideroute_requests_total{${labels},code="404",reason="no_route"} 1`,
    '# TYPE sideroute_request_duration_seconds histogram',
    `${bucket('0.001')} 0`,
    `${bucket('0.0025')} 2`,
    `${bucket('30')} 2`,
    `${bucket('+Inf')} 3`,
    `sideroute_request_duration_seconds_sum{${labels}} 40.004`,
    `sideroute_request_duration_seconds_count{${labels}} 3`,
  ]) {
    t.ok(lines.includes(line), line);
  }
});

t.test('a scrape has connections, configuration, build and process', async (t) => {
  const exposition = createExposition(sources(withOneSeries('v1')));
  t.match(exposition.contentType, /^text\/plain; version=0\.0\.4/);
  await exposition.render();
  // Twice: totals are set, not added up.
  const lines = (await exposition.render()).split('\n');
  for (const line of [
    'sideroute_refused_requests_total{reason="bad_request"} 1',
    'sideroute_folded_series_total 0',
    'sideroute_config_generation 7',
    'sideroute_config_valid 0',
    'sideroute_config_info{hash="abc"} 1',
    'sideroute_unresolved_frontends 1',
    'sideroute_downstream_connections 5',
    'sideroute_accepted_connections_total 10',
    'sideroute_handed_over_connections_total 3',
    'sideroute_accept_pauses_total 4',
    'sideroute_passthrough_open 2',
    'sideroute_detecting_connections 1',
    'sideroute_passthrough_connections_total{reason="unrouted"} 0',
    'sideroute_passthrough_connections_total{reason="tls"} 2',
    'sideroute_passthrough_bytes_total{to="upstream"} 100',
    'sideroute_passthrough_bytes_total{to="downstream"} 200',
    `sideroute_build_info{version="1.2.3",node="${process.version}"} 1`,
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.ok(lines.some((line) => line.startsWith('nodejs_eventloop_lag_p99_seconds ')));
  t.ok(lines.some((line) => line.startsWith('process_cpu_user_seconds_total ')));
});

t.test('every line is a comment, empty or a sample, and each family appears once', async (t) => {
  const text = await createExposition(sources(withOneSeries('v1'))).render();
  const families = text.split('\n').filter((line) => line.startsWith('# TYPE '));
  t.equal(new Set(families).size, families.length);
  for (const line of text.split('\n')) {
    if (!/^(#.*|[a-z0-9_]+(\{.*\})? ([-+0-9.e]+|NaN|Nan)|)$/.test(line)) t.fail(line);
  }
});

t.test('label values are escaped', async (t) => {
  const text = await createExposition(sources(withOneSeries('a"b\\c\nd'))).render();
  t.match(text, 'backend_name="a\\"b\\\\c\\nd"');
});

t.test('there is a scrape before there is an acceptor', async (t) => {
  const text = await createExposition({ ...sources(new Metrics()), acceptor: () => null }).render();
  t.match(text, 'sideroute_accepted_connections_total 0');
});
