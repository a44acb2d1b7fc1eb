import { readdirSync, readFileSync } from 'node:fs';

import t from 'tap';

import { configurationDocument } from '../../../scripts/options-table.ts';
import type { RouteCondition } from '../../../src/config/attachment.ts';
import { CONNECTION_REASONS, type ConnectionReason } from '../../../src/errors.ts';
import type { AcceptorCounters } from '../../../src/addon/binding.ts';
import type { HttpEngineCounters } from '../../../src/addon/http-engine.ts';
import { readHttp2Counters } from '../../../src/addon/http2-counters.ts';
import { createExposition, type Exposition, type ExpositionSources } from '../../../src/observe/exposition.ts';
import { expositionOnDemand } from '../../../src/observe/exposition-on-demand.ts';
import { LoopLag } from '../../../src/observe/loop-lag.ts';
import { Metrics } from '../../../src/observe/metrics.ts';

async function render(sources: ExpositionSources | Exposition): Promise<string> {
  const pieces: Buffer[] = [];
  const exposition = 'render' in sources ? sources : createExposition(sources);
  // A copy: a piece is valid until the next one is asked for.
  for await (const piece of exposition.render()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

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
    maxConnections: 32,
    acceptPauses: { connections: 4, descriptors: 5, memory: 6 },
  };
  const engine: HttpEngineCounters = {
    adopted: 1,
    downstreamOpen: 2,
    idleClosed: 33,
    requests: 3,
    requestsOpen: 4,
    refused: 5,
    upstreamConnects: 6,
    upstreamConnectFailures: 7,
    upstreamOpen: 28,
    upstreamIdle: 8,
    upstreamSharedOpen: 13,
    upstreamSharedIdle: 3,
    upstreamStreams: 47,
    upstreamRetiredIdle: 43,
    upstreamRetiredAge: 44,
    upstreamRetiredRequests: 45,
    upstreamRetiredGoaway: 46,
    upstreamReused: 9,
    upstreamStale: 10,
    queued: 11,
    redials: 12,
    retriesReset: 13,
    retriesPolicy: 18,
    relaysOpen: 14,
    bytesUpstream: 15,
    bytesDownstream: 16,
    bufferedBytes: 17,
    memoEntries: 27,
    memoBytes: 28,
    plans: 29,
    policies: 30,
    mirrorGroups: 31,
  };
  return {
    version: '1.2.3',
    metrics,
    loopLag: new LoopLag(),
    acceptor: () => acceptor,
    engine: () => engine,
    // The addon's numbers, each of which is its place.
    http2: () => readHttp2Counters(Float64Array.from({ length: 158 }, (_, place) => place)),
    conditions: () => [],
    accessLog: () => ({ lines: 21, dropped: 22 }),
    log: () => ({ lines: 32, dropped: 33 }),
    memory: () => ({ limitBytes: 34, usageBytes: 35, overloads: 36, closed: 37, level: 'refusing' }),
    downstreamConnections: () => 5,
    config: () => ({ generation: 7, hash: 'abc', valid: false }),
    heldRoutes: () => 2,
    tornSeconds: () => 13,
    unresolvedFrontends: () => 1,
    unresolvedBackends: () => 28,
    taps: () => ({ open: 34, records: 35, dropped: 36 }),
    spans: () => ({ exported: 29, dropped: { buffer: 30, queue: 31, refused: 32, failed: 33 } }),
    dns: () => ({
      unusable: { loopback: 22 },
      documents: { differs: 27 },
      lookups: { answered: 19, no_address: 20, failed: 21 },
      lookupMs: 2_500,
      services: { resolved: 22, stale: 23, pending: 24, missing: 25 },
      oldestAnswerMs: 26_000,
    }),
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
  metrics.recordRequest({ series, status: 404, reason: 'no_route', durationMs: 2, grpcStatus: 'UNIMPLEMENTED' });
  metrics.recordRefused('bad_request');
  metrics.recordRequest({ series, status: 503, reason: null, durationMs: 2, retries: 2, retryDenied: 'budget' });
  metrics.recordMirror({ series, result: 'answered' });
  metrics.recordMirror({ series, result: 'answered' });
  metrics.recordMirror({ series, result: 'skipped' });
  return metrics;
}

t.test('a scrape has the request series with all labels', async (t) => {
  const text = await render(sources(withOneSeries('v1')));
  const lines = text.split('\n');
  const labels =
    'parent_namespace="shop",parent_name="cart",parent_port="80",route_namespace="shop",route_name="cart-route",' +
    'rule="new",backend_namespace="shop",backend_name="v1",backend_port=""';
  const bucket = (le: string): string => `sideroute_request_duration_seconds_bucket{${labels},le="${le}"}`;
  for (const line of [
    '# TYPE sideroute_requests_total counter',
    `sideroute_requests_total{${labels},code="200",reason=""} 2`,
    `sideroute_requests_total{${labels},code="404",reason="no_route"} 1`,
    '# TYPE sideroute_grpc_calls_total counter',
    `sideroute_grpc_calls_total{${labels},code="404",reason="no_route",grpc_status="UNIMPLEMENTED"} 1`,
    '# TYPE sideroute_request_duration_seconds histogram',
    `${bucket('0.001')} 0`,
    `${bucket('0.0025')} 3`,
    `${bucket('30')} 3`,
    `${bucket('+Inf')} 4`,
    `sideroute_request_duration_seconds_sum{${labels}} 40.006`,
    `sideroute_request_duration_seconds_count{${labels}} 4`,
    '# TYPE sideroute_retries_total counter',
    `sideroute_retries_total{${labels}} 2`,
    '# TYPE sideroute_mirrored_requests_total counter',
    `sideroute_mirrored_requests_total{${labels},result="answered"} 2`,
    `sideroute_mirrored_requests_total{${labels},result="skipped"} 1`,
  ]) {
    t.ok(lines.includes(line), line);
  }
});

t.test('a scrape has connections, configuration, build and process', async (t) => {
  const exposition = createExposition(sources(withOneSeries('v1')));
  t.match(exposition.contentType, /^text\/plain; version=0\.0\.4/);
  await render(exposition);
  // Twice: totals are set, not added up.
  const lines = (await render(exposition)).split('\n');
  for (const line of [
    'sideroute_refused_requests_total{reason="bad_request"} 1',
    'sideroute_folded_series 0',
    'sideroute_config_generation 7',
    'sideroute_config_valid 0',
    'sideroute_config_info{hash="abc"} 1',
    'sideroute_unresolved_frontends 1',
    'sideroute_downstream_connections 5',
    'sideroute_accepted_connections_total 10',
    'sideroute_handed_over_connections_total 3',
    'sideroute_accept_pauses_total{limit="connections"} 4',
    'sideroute_accept_pauses_total{limit="descriptors"} 5',
    'sideroute_accept_pauses_total{limit="memory"} 6',
    'sideroute_max_connections 32',
    'sideroute_memory_limit_bytes 34',
    'sideroute_memory_usage_bytes 35',
    'sideroute_overloaded 1',
    'sideroute_overload_closed_connections_total 37',
    'sideroute_idle_connections_closed_total 33',
    'sideroute_passthrough_open 2',
    'sideroute_detecting_connections 1',
    'sideroute_passthrough_connections_total{reason="unrouted"} 0',
    'sideroute_passthrough_connections_total{reason="tls"} 2',
    'sideroute_passthrough_bytes_total{to="upstream"} 100',
    'sideroute_passthrough_bytes_total{to="downstream"} 200',
    'sideroute_retries_denied_total{reason="budget"} 1',
    'sideroute_retries_denied_total{reason="body"} 0',
    'sideroute_upstream_connections{state="active",protocol="http1"} 10',
    'sideroute_upstream_connections{state="idle",protocol="http1"} 5',
    'sideroute_upstream_connections{state="active",protocol="http2"} 10',
    'sideroute_upstream_connections{state="idle",protocol="http2"} 3',
    'sideroute_upstream_streams 47',
    'sideroute_upstream_retired_connections_total{reason="idle"} 43',
    'sideroute_upstream_retired_connections_total{reason="age"} 44',
    'sideroute_upstream_retired_connections_total{reason="requests"} 45',
    'sideroute_upstream_retired_connections_total{reason="goaway"} 46',
    'sideroute_upstream_connects_total 6',
    'sideroute_upstream_connect_failures_total 7',
    'sideroute_upstream_reuses_total 9',
    'sideroute_upstream_stale_connections_total 10',
    'sideroute_queued_requests_total 11',
    'sideroute_reconnects_total{reason="connect_failure"} 12',
    'sideroute_reconnects_total{reason="reset"} 13',
    'sideroute_http_bytes_total{to="upstream"} 15',
    'sideroute_http_bytes_total{to="downstream"} 16',
    'sideroute_open_requests 4',
    'sideroute_upgraded_connections 14',
    'sideroute_http2_connections{side="downstream"} 1',
    'sideroute_http2_connections_total{side="upstream"} 79',
    'sideroute_http2_streams{side="upstream"} 82',
    'sideroute_http2_streams_total{side="downstream"} 2',
    'sideroute_http2_unanswered_pings_total 83',
    'sideroute_http2_resets_total{side="downstream",from="sideroute",code="PROTOCOL_ERROR"} 6',
    'sideroute_http2_resets_total{side="downstream",from="peer",code="CANCEL"} 28',
    'sideroute_http2_goaways_total{side="upstream",from="sideroute",code="ENHANCE_YOUR_CALM"} 125',
    'sideroute_http2_goaways_total{side="upstream",from="peer",code="unknown"} 143',
    'sideroute_http2_floods_total{side="downstream",kind="resets"} 65',
    'sideroute_http2_floods_total{side="upstream",kind="backlog"} 157',
    'sideroute_buffered_bytes 17',
    'sideroute_decision_memo_entries 27',
    'sideroute_decision_memo_bytes 28',
    'sideroute_log_lines_total 32',
    'sideroute_log_dropped_lines_total 33',
    'sideroute_compiled_objects{kind="plan"} 29',
    'sideroute_compiled_objects{kind="policy"} 30',
    'sideroute_compiled_objects{kind="mirrors"} 31',
    'sideroute_unresolved_backends 28',
    'sideroute_dns_lookups_total{result="answered"} 19',
    'sideroute_dns_lookups_total{result="no_address"} 20',
    'sideroute_dns_lookups_total{result="failed"} 21',
    'sideroute_dns_unusable_addresses_total{fault="loopback"} 22',
    'sideroute_documented_services{dns="differs"} 27',
    'sideroute_taps_open 34',
    'sideroute_tap_records_total 35',
    'sideroute_tap_dropped_records_total 36',
    'sideroute_spans_exported_total 29',
    'sideroute_spans_dropped_total{reason="buffer"} 30',
    'sideroute_spans_dropped_total{reason="queue"} 31',
    'sideroute_spans_dropped_total{reason="refused"} 32',
    'sideroute_spans_dropped_total{reason="failed"} 33',
    'sideroute_dns_lookup_seconds_total 2.5',
    'sideroute_dns_services{state="stale"} 23',
    'sideroute_dns_oldest_answer_seconds 26',
    `sideroute_build_info{version="1.2.3",node="${process.version}"} 1`,
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.ok(lines.some((line) => line.startsWith('nodejs_eventloop_lag_p99_seconds ')));
  const descriptors = lines.find((line) => line.startsWith('process_open_fds '));
  t.ok(Math.abs(Number(descriptors?.split(' ')[1]) - readdirSync('/proc/self/fd').length) < 8, String(descriptors));
  t.ok(lines.some((line) => line.startsWith('process_cpu_user_seconds_total ')));
});

t.test('every line is a comment, empty or a sample, and each family appears once', async (t) => {
  const text = await render(sources(withOneSeries('v1')));
  const families = text.split('\n').filter((line) => line.startsWith('# TYPE '));
  t.equal(new Set(families).size, families.length);
  for (const line of text.split('\n')) {
    if (!/^(#.*|[a-z0-9_]+(\{.*\})? ([-+0-9.e]+|NaN|Nan)|)$/.test(line)) t.fail(line);
  }
});

t.test('label values are escaped', async (t) => {
  const text = await render(sources(withOneSeries('a"b\\c\nd')));
  t.match(text, 'backend_name="a\\"b\\\\c\\nd"');
});

t.test('a scrape of many series comes in pieces, and the event loop turns between them', async (t) => {
  const metrics = new Metrics();
  for (let rule = 0; rule < 500; rule++) {
    const series = metrics.internSeries({
      ...{ parentNamespace: 'shop', parentName: 'cart', parentPort: 80 },
      ...{ routeNamespace: 'shop', routeName: 'cart-route', rule: String(rule) },
      ...{ backendNamespace: 'shop', backendName: 'v1', backendPort: 80 },
    });
    metrics.recordRequest({ series, status: 200, reason: null, durationMs: 2 });
  }
  let turns = 0;
  let counting = true;
  const turn = (): void => {
    turns++;
    if (counting) setImmediate(turn);
  };
  setImmediate(turn);
  const turnsAtPiece: number[] = [];
  let lines = 0;
  for await (const piece of createExposition(sources(metrics)).render()) {
    turnsAtPiece.push(turns);
    lines += Buffer.from(piece).filter((byte) => byte === 10).length;
    t.ok(piece.length < 256 * 1024, `${piece.length} bytes`);
    // As a caller does whose socket takes a while.
    const endMs = performance.now() + 2;
    while (performance.now() < endMs);
  }
  counting = false;
  t.ok(turnsAtPiece.length > 20, `${turnsAtPiece.length} pieces`);
  t.equal(new Set(turnsAtPiece).size, turnsAtPiece.length, 'never two pieces in one turn');
  t.ok(lines > 500 * 18, `${lines} lines`);
});

t.test('scrapes at the same time share the turns of the event loop', async (t) => {
  const exposition = createExposition(sources(new Metrics()));
  await render(exposition);
  let turns = 0;
  let counting = true;
  const turn = (): void => {
    turns++;
    if (counting) setImmediate(turn);
  };
  setImmediate(turn);
  const scrapes = 20;
  const texts = await Promise.all(Array.from({ length: scrapes }, () => render(exposition)));
  counting = false;
  t.equal(texts.filter((text) => text.includes('sideroute_build_info')).length, scrapes);
  // Each begins in a turn of its own, and ends in another one.
  t.ok(turns >= 2 * scrapes, `${turns} turns`);
});

t.test('the labels of a forgotten series are not those of its successor', async (t) => {
  let nowMs = 0;
  const metrics = new Metrics(1, () => nowMs);
  const intern = (rule: string): number => {
    metrics.beginCompile();
    const series = metrics.internSeries({
      ...{ parentNamespace: 'shop', parentName: 'cart', parentPort: 80 },
      ...{ routeNamespace: 'shop', routeName: 'cart-route', rule },
      ...{ backendNamespace: 'shop', backendName: 'v1', backendPort: 80 },
    });
    metrics.endCompile();
    return series;
  };
  const record = (series: number): void =>
    metrics.recordRequest({ series, status: 200, reason: null, durationMs: 2, retries: 1 });
  const exposition = createExposition(sources(metrics));
  record(intern('old'));
  t.match(await render(exposition), 'rule="old"');
  metrics.beginCompile();
  metrics.endCompile();
  nowMs += 3_600_000;
  record(intern('new'));
  const text = await render(exposition);
  t.notMatch(text, 'rule="old"');
  t.match(text, /sideroute_requests_total\{.*rule="new".*\} 1\n/);
});

t.test('there is a scrape before there is an acceptor or an engine', async (t) => {
  const none = { acceptor: () => null, engine: () => null };
  const text = await render({ ...sources(new Metrics()), ...none });
  t.match(text, 'sideroute_accepted_connections_total 0');
  t.match(text, 'sideroute_upstream_connections{state="idle",protocol="http1"} 0');
});

t.test('docs/configuration.md lists every metric with its type and labels', async (t) => {
  const condition: RouteCondition = {
    routeKind: 'HTTPRoute',
    namespace: 'shop',
    name: 'cart',
    parent: 'shop/cart',
    parentRef: null,
    observedGeneration: null,
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: '',
    source: { file: 'a.yaml', document: 1, line: 1 },
  };
  const all = { ...sources(withOneSeries('v1')), conditions: () => [condition] };
  const exposed = new Map<string, { type: string; labels: string }>();
  for (const line of (await render(all)).split('\n')) {
    const [, name, type] = /^# TYPE (sideroute_\w+) (\w+)$/.exec(line) ?? [];
    if (name !== undefined) exposed.set(name, { type: type!, labels: '' });
    const [, sample, labels] = /^(sideroute_\w+?)(?:_bucket)?(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    const family = sample === undefined ? undefined : exposed.get(sample);
    if (family !== undefined && labels !== undefined) {
      family.labels = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label!).join(' ');
    }
  }
  const request = 'parent_namespace parent_name parent_port route_namespace route_name rule ';
  const documented = [
    ...readFileSync(configurationDocument, 'utf8').matchAll(/^\| `(sideroute_\w+)` \| (\w+) \|([^|]*)\|/gm),
  ].map(([, name, type, labels]) => {
    const names = labels!
      .replace('*request*', `${request}backend_namespace backend_name backend_port`)
      .replaceAll(/[`,]/g, '')
      .trim();
    return [name!, { type: type!, labels: names }] as const;
  });
  // A histogram's own label is not for people to know.
  const shown = [...exposed].map(([name, { type, labels }]) => [name, { type, labels: labels.replace(/ le$/, '') }]);
  t.strictSame(documented.toSorted(byName), shown.toSorted(byName));
});

function byName(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}

t.test('a scrape for which the exposition cannot be made leaves the next one to try again', async (t) => {
  const all = sources(new Metrics());
  let attempts = 0;
  const exposition = expositionOnDemand({
    ...all,
    get loopLag() {
      if (++attempts === 1) throw new Error('too many open files');
      return all.loopLag;
    },
  });
  await t.rejects(render(exposition), { message: 'too many open files' });
  t.match(await render(exposition), 'sideroute_build_info');
  const made = attempts;
  t.match(await render(exposition), 'sideroute_build_info');
  t.equal(attempts, made, 'it is made once');
});

t.test('the type of an exposition that is not made yet is that of the one that will be', (t) => {
  const all = sources(new Metrics());
  t.equal(expositionOnDemand(all).contentType, createExposition(all).contentType);
  t.end();
});
