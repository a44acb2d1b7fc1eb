/**
 * The content of a scrape: the counters of the hot path, of the acceptor, of the native engine and of the
 * configuration, and those of the process. docs/configuration.md lists them for operators; a test compares the two.
 *
 * Stage before: all of these, read at the moment of the scrape. Stage after: `exposition-on-demand.ts`, which loads
 * this. The only importer of prom-client, which writes all series except those that may number thousands: request
 * series (`series-text.ts`) and route conditions (`conditions.ts`). These are written in slices of half a millisecond.
 */
import { readdir, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { HttpEngineCounters } from '../addon/http-engine.ts';
import type { Http2Counters } from '../addon/http2-counters.ts';
import type { LogCounters } from '../addon/log-writer.ts';
import type { RouteCondition } from '../config/attachment.ts';
import type { Configuration } from '../routing/configuration.ts';
import { ConditionText } from './conditions.ts';
import { registerConnections, registerMemory, type ConnectionSources } from './connection-families.ts';
import { registerDns, type DnsFigures, type Families } from './dns-families.ts';
import { registerHttp2 } from './http2-families.ts';
import { LOOP_LAG_NAMES, registerLoopLag } from './loop-lag-families.ts';
import type { LoopLag } from './loop-lag.ts';
import type { Metrics } from './metrics.ts';
import { SeriesText } from './series-text.ts';
import { registerTraces, type TraceSources } from './trace-families.ts';

/** Read at every scrape. */
export interface ExpositionSources extends ConnectionSources, TraceSources {
  readonly version: string;
  readonly metrics: Metrics;
  readonly loopLag: LoopLag;
  /** Counters of the native engine; null while there is none. */
  http2(): Http2Counters | null;
  accessLog(): LogCounters;
  log(): LogCounters;
  config(): Pick<Configuration, 'generation' | 'hash' | 'valid'>;
  /** Number of routes served in an earlier version, because the current one is refused. */
  heldRoutes(): number;
  /** How long the route set in the directory has been incomplete, in seconds; 0 when it is complete. */
  tornSeconds(): number;
  unresolvedFrontends(): number;
  unresolvedBackends(): number;
  dns(): DnsFigures;
  /** The current conditions: the same array until they change. */
  conditions(): readonly RouteCondition[];
}

export interface Exposition {
  readonly contentType: string;
  /** Yields pieces. Each is valid until the next one is requested. */
  render(): AsyncIterable<string | Uint8Array>;
}

/** Interval of a monitor whose figures are not used: an hour. */
const UNUSED_MONITOR_MS = 3_600_000;
const SLICE_MS = 0.5;
const DESCRIPTORS = '/proc/self/fd';

export function createExposition(sources: ExpositionSources): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: UNUSED_MONITOR_MS });
  for (const name of LOOP_LAG_NAMES) registry.removeSingleMetric(name);
  registerDescriptors(registry);
  registerProcess(registry, sources);
  const families = familiesOf(registry);
  registerLoopLag(families, sources.loopLag.recorder());
  registerConnections(families, sources);
  registerMemory(families, () => sources.memory());
  registerEngine(registry, sources);
  registerHttp2(families, () => sources.http2());
  registerDns(families, () => sources.dns());
  registerTraces(families, sources);
  const requests = new SeriesText(sources.metrics);
  const conditions = new ConditionText();
  registerConfiguration(registry, sources, conditions);
  function* series(): Generator<string | Uint8Array, void> {
    sources.engine(); // Counts all requests that have ended.
    sources.metrics.expire();
    yield* requests.pieces();
    const steps = conditions.render(sources.conditions());
    for (;;) {
      const step = steps.next();
      yield step.done === true ? `\n${step.value}\n` : '';
      if (step.done === true) return;
    }
  }
  // All scrapes share the turns of the event loop: with many callers, requests wait no longer than with one.
  let turns = Promise.resolve();
  const turn = (): Promise<void> => (turns = turns.then(() => nextTurn()));
  return {
    contentType: registry.contentType,
    render: async function* () {
      await Promise.all([sources.refresh?.(), turn()]);
      let endMs = performance.now() + SLICE_MS;
      for (const piece of series()) {
        if (piece.length > 0) yield piece;
        // The time in which the caller handled the piece counts as well.
        if (performance.now() < endMs) continue;
        await turn();
        endMs = performance.now() + SLICE_MS;
      }
      await turn();
      yield await registry.metrics();
    },
  };
}

/** Replaces the gauge of prom-client, which lists the descriptors synchronously: 20 ms for 20,000 descriptors. */
function registerDescriptors(registry: Registry): void {
  registry.removeSingleMetric('process_open_fds');
  new Gauge({
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    registers: [registry],
    async collect() {
      // Linux 6.2 and later report the number as the size.
      const { size } = await stat(DESCRIPTORS);
      // Without the descriptor that reads the directory.
      this.set(size > 0 ? size : (await readdir(DESCRIPTORS)).length - 1);
    },
  });
}

type Collect = (this: { set(value: number): void; reset(): void }) => void;

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  const collect: Collect = function () {
    this.set(value());
  };
  new Gauge({ name, help, registers: [registry], collect });
}

/** A counter whose totals are kept elsewhere and copied at every scrape. `label`: the label whose values `each` gives. */
function counter(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  each: (visit: (key: string, total: number) => void) => void,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      each((key, total) => {
        this.inc({ [label]: key }, total);
      });
    },
  });
}

/** A total without labels. */
function total(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}

function registerProcess(registry: Registry, sources: ExpositionSources): void {
  const { version, metrics } = sources;
  new Gauge({
    name: 'sideroute_build_info',
    help: 'Version of sideroute and of Node.js; always 1.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
  counter(
    registry,
    'sideroute_refused_requests_total',
    'Requests refused before routing.',
    'reason',
    metrics.eachRefused.bind(metrics),
  );
  gauge(
    registry,
    'sideroute_folded_series',
    'Label sets of the current routes that are counted in the series "other" because there are too many.',
    () => metrics.foldedSeries,
  );
  counter(
    registry,
    'sideroute_retries_denied_total',
    'Requests that were not tried again although their route has retries and attempts were left: budget, retries would ' +
      "have exceeded their share of the backend's requests; body, the request body is larger than what is kept for " +
      'another try, or not complete.',
    'reason',
    metrics.eachRetryDenied.bind(metrics),
  );
  total(
    registry,
    'sideroute_access_log_lines_total',
    'Lines of the access log written.',
    () => sources.accessLog().lines,
  );
  total(
    registry,
    'sideroute_access_log_dropped_lines_total',
    'Lines of the access log lost because standard output took no more, or failed.',
    () => sources.accessLog().dropped,
  );
  total(registry, 'sideroute_log_lines_total', 'Lines of the log written.', () => sources.log().lines);
  total(
    registry,
    'sideroute_log_dropped_lines_total',
    'Lines of the log lost because standard error took no more, or failed.',
    () => sources.log().dropped,
  );
}

function registerConfiguration(registry: Registry, sources: ExpositionSources, conditions: ConditionText): void {
  gauge(
    registry,
    'sideroute_config_generation',
    'Changes of the route directory since start.',
    () => sources.config().generation,
  );
  gauge(registry, 'sideroute_config_valid', '1 when every route file and document is valid, else 0.', () =>
    sources.config().valid ? 1 : 0,
  );
  new Gauge({
    name: 'sideroute_config_info',
    help: 'Hash of the route directory; always 1.',
    labelNames: ['hash'],
    registers: [registry],
    collect() {
      this.reset();
      this.set({ hash: sources.config().hash }, 1);
    },
  });
  gauge(
    registry,
    'sideroute_held_routes',
    'Routes and Services served in their last good version, because the present one is refused.',
    () => sources.heldRoutes(),
  );
  gauge(
    registry,
    'sideroute_route_set_torn_seconds',
    'Since when the route set in the directory has not been whole, so that an earlier one is served; 0 when it is.',
    () => sources.tornSeconds(),
  );
  gauge(registry, 'sideroute_unresolved_frontends', 'Parent Services without a known address.', () =>
    sources.unresolvedFrontends(),
  );
  gauge(
    registry,
    'sideroute_unresolved_backends',
    'Backends of the current routes without a known address: their share of requests fails.',
    () => sources.unresolvedBackends(),
  );
  gauge(
    registry,
    'sideroute_folded_route_conditions',
    'Conditions that sideroute_route_condition leaves out because there are too many; those that are faults come first.',
    () => conditions.folded,
  );
}

/** The native engine carries all connections, or those that the preferred engine cannot carry. */
function registerEngine(registry: Registry, sources: ExpositionSources): void {
  const read = (value: (counters: HttpEngineCounters) => number) => (): number => {
    const counters = sources.engine();
    return counters === null ? 0 : value(counters);
  };
  new Gauge({
    name: 'sideroute_compiled_objects',
    help:
      'What the native engine holds of routes: plans of filters, policies of timeouts and retries, groups of mirrors. Of the ' +
      'current routes, as far as requests have needed them, and of earlier ones as long as a request in progress does.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      const { plans = 0, policies = 0, mirrorGroups = 0 } = sources.engine() ?? {};
      this.set({ kind: 'plan' }, plans);
      this.set({ kind: 'policy' }, policies);
      this.set({ kind: 'mirrors' }, mirrorGroups);
    },
  });
  new Gauge({
    name: 'sideroute_upstream_connections',
    help:
      'Connections to backends held by the native engine, by protocol: active, carrying or waiting for a request; idle, ' +
      'pooled.',
    labelNames: ['state', 'protocol'],
    registers: [registry],
    collect() {
      const {
        upstreamOpen = 0,
        upstreamIdle = 0,
        upstreamSharedOpen = 0,
        upstreamSharedIdle = 0,
      } = sources.engine() ?? {};
      const set = (protocol: 'http1' | 'http2', open: number, idle: number): void => {
        this.set({ state: 'active', protocol }, open - idle);
        this.set({ state: 'idle', protocol }, idle);
      };
      set('http1', upstreamOpen - upstreamSharedOpen, upstreamIdle - upstreamSharedIdle);
      set('http2', upstreamSharedOpen, upstreamSharedIdle);
    },
  });
  const totals: readonly [string, string, (counters: HttpEngineCounters) => number][] = [
    ['upstream_connects', 'Connections begun to backends.', (c) => c.upstreamConnects],
    ['upstream_connect_failures', 'Connections to backends refused or timed out.', (c) => c.upstreamConnectFailures],
    ['upstream_reuses', 'Requests sent on a pooled connection.', (c) => c.upstreamReused],
    [
      'upstream_stale_connections',
      'Pooled connections that the backend closed, or that spoke unasked.',
      (c) => c.upstreamStale,
    ],
    ['queued_requests', 'Requests that waited for a connection at the limit of their backend.', (c) => c.queued],
  ];
  for (const [name, help, value] of totals) total(registry, `sideroute_${name}_total`, help, read(value));
  counter(
    registry,
    'sideroute_upstream_retired_connections_total',
    'Connections to backends that were taken out of use although they could have gone on: idle for too long, or more than ' +
      'are kept; of an age, or after a number of requests, for the next to go to another endpoint; goaway, their backend ' +
      'asked for it.',
    'reason',
    (visit) => {
      const counters = sources.engine();
      visit('idle', counters?.upstreamRetiredIdle ?? 0);
      visit('age', counters?.upstreamRetiredAge ?? 0);
      visit('requests', counters?.upstreamRetiredRequests ?? 0);
      visit('goaway', counters?.upstreamRetiredGoaway ?? 0);
    },
  );
  counter(
    registry,
    'sideroute_reconnects_total',
    "The proxy's own safe repetitions, whatever the route says: connect_failure, a dial after one that was refused or not " +
      'answered, before anything was sent; reset, a reused connection closed before any byte of the response to an ' +
      'idempotent request.',
    'reason',
    (visit) => {
      const counters = sources.engine();
      visit('connect_failure', counters?.redials ?? 0);
      visit('reset', counters?.retriesReset ?? 0);
    },
  );
  counter(
    registry,
    'sideroute_http_bytes_total',
    'Bytes of HTTP messages, by the side they went to.',
    'to',
    (visit) => {
      const counters = sources.engine();
      visit('upstream', counters?.bytesUpstream ?? 0);
      visit('downstream', counters?.bytesDownstream ?? 0);
    },
  );
  const gauges: readonly [string, string, (counters: HttpEngineCounters) => number][] = [
    ['open_requests', 'Requests in progress, upgraded connections included.', (c) => c.requestsOpen],
    ['upstream_streams', 'Requests in progress on connections of HTTP/2 to backends.', (c) => c.upstreamStreams],
    ['upgraded_connections', 'Connections now tunnelled after an upgrade or CONNECT.', (c) => c.relaysOpen],
    ['buffered_bytes', 'Memory that messages in progress hold.', (c) => c.bufferedBytes],
    [
      'decision_memo_entries',
      'Decisions kept so that the same request need not be decided again.',
      (c) => c.memoEntries,
    ],
    ['decision_memo_bytes', 'Memory that they take; at most 4 MiB.', (c) => c.memoBytes],
  ];
  for (const [name, help, value] of gauges) gauge(registry, `sideroute_${name}`, help, read(value));
}

/** For families that are registered elsewhere. */
function familiesOf(registry: Registry): Families {
  return {
    gauge: gauge.bind(null, registry),
    counter: counter.bind(null, registry),
    total: total.bind(null, registry),
    labelled(name, help, labels, each) {
      new Counter({
        ...{ name, help, labelNames: [...labels], registers: [registry] },
        collect() {
          this.reset();
          each((values, value) => this.inc({ ...values }, value));
        },
      });
    },
    gauges(name, help, label, each) {
      new Gauge({
        ...{ name, help, labelNames: [label], registers: [registry] },
        collect() {
          each((key, value) => this.set({ [label]: key }, value));
        },
      });
    },
  };
}
