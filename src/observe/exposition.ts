/**
 * What a scrape gets: the counters of the hot path, of the acceptor and of the configuration, and the process's own.
 *
 * Stage before: `metrics.ts`, the acceptor and the configuration, read at the moment of the scrape. Stage after: the
 * admin endpoint. Sole importer of prom-client, which keeps and writes everything but the request series: those are
 * thousands of lines whose label text never changes, so it is kept and only the numbers are written.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

import { CONNECTION_REASONS } from '../errors.ts';
import type { AcceptorCounters } from '../native/binding.ts';
import type { SeriesLabels } from '../routing/decision.ts';
import { DURATION_BUCKETS_MS, type Metrics } from './metrics.ts';

/** Read at every scrape. */
export interface ExpositionSources {
  readonly version: string;
  readonly metrics: Metrics;
  /** Null while there is no acceptor. */
  acceptor(): AcceptorCounters | null;
  /** Downstream connections now held by the engines. */
  downstreamConnections(): number;
  /** Generation and hash as `ConfigSnapshot` has them; generation 0 and an empty hash before the first one. */
  config(): { readonly generation: number; readonly hash: string; readonly valid: boolean };
  unresolvedFrontends(): number;
}

export interface Exposition {
  readonly contentType: string;
  render(): Promise<string>;
}

const LOOP_DELAY_RESOLUTION_MS = 20;

export function createExposition(sources: ExpositionSources): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_DELAY_RESOLUTION_MS });
  registerProcess(registry, sources);
  registerConfiguration(registry, sources);
  registerConnections(registry, sources);
  const requests = new RequestText(sources.metrics);
  return {
    contentType: registry.contentType,
    render: async () => {
      const rest = await registry.metrics();
      return `${requests.render()}\n${rest}`;
    },
  };
}

type Collect = (this: { set(value: number): void; reset(): void }) => void;

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  const collect: Collect = function () {
    this.set(value());
  };
  new Gauge({ name, help, registers: [registry], collect });
}

/** A counter whose totals are kept elsewhere: written anew at every scrape. `label` names the label of `each`'s keys. */
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

/** One without labels. */
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

function registerProcess(registry: Registry, { version, metrics }: ExpositionSources): void {
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
  total(
    registry,
    'sideroute_folded_series_total',
    'Label sets of requests that are counted in the series "other" because there are too many.',
    () => metrics.foldedSeries,
  );
}

function registerConfiguration(registry: Registry, sources: ExpositionSources): void {
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
  gauge(registry, 'sideroute_unresolved_frontends', 'Parent Services without a known address.', () =>
    sources.unresolvedFrontends(),
  );
}

function registerConnections(registry: Registry, sources: ExpositionSources): void {
  const read = (value: (counters: AcceptorCounters) => number) => (): number => {
    const counters = sources.acceptor();
    return counters === null ? 0 : value(counters);
  };
  gauge(registry, 'sideroute_downstream_connections', 'Connections held by the HTTP engines.', () =>
    sources.downstreamConnections(),
  );
  total(
    registry,
    'sideroute_accepted_connections_total',
    'Captured connections.',
    read((c) => c.accepted),
  );
  total(
    registry,
    'sideroute_handed_over_connections_total',
    'Connections handed to an HTTP engine.',
    read((c) => c.handedOver),
  );
  total(
    registry,
    'sideroute_accept_pauses_total',
    'Times that accepting paused at a limit.',
    read((c) => c.acceptPauses),
  );
  gauge(
    registry,
    'sideroute_passthrough_open',
    'Connections now tunnelled.',
    read((c) => c.tunnelsOpen),
  );
  gauge(
    registry,
    'sideroute_detecting_connections',
    'Connections whose protocol is not known yet.',
    read((c) => c.detectingOpen),
  );
  counter(
    registry,
    'sideroute_passthrough_connections_total',
    'Connections tunnelled without HTTP handling, or dropped.',
    'reason',
    (visit) => {
      const connections = sources.acceptor()?.connections;
      for (const reason of CONNECTION_REASONS) visit(reason, connections?.[reason] ?? 0);
    },
  );
  counter(
    registry,
    'sideroute_passthrough_bytes_total',
    'Bytes tunnelled, by the side they went to.',
    'to',
    (visit) => {
      const counters = sources.acceptor();
      visit('upstream', counters?.bytesUpstream ?? 0);
      visit('downstream', counters?.bytesDownstream ?? 0);
    },
  );
}

const REQUESTS = 'sideroute_requests_total';
const DURATION = 'sideroute_request_duration_seconds';
const LE = [...DURATION_BUCKETS_MS.map((bound) => String(bound / 1_000)), '+Inf'];

/** The two families of request series in the Prometheus text format. */
class RequestText {
  private readonly metrics: Metrics;
  /** By series: the labels as text without braces. */
  private readonly labels: string[] = [];
  /** By series: the heads of its histogram lines, up to the number. */
  private readonly bucketHeads: (readonly string[])[] = [];

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  render(): string {
    const { metrics } = this;
    const lines = [`# HELP ${REQUESTS} Requests, by what became of them.`, `# TYPE ${REQUESTS} counter`];
    metrics.eachCount((series, code, reason, count) => {
      lines.push(`${REQUESTS}{${this.labelsOf(series)},code="${code}",reason="${reason}"} ${count}`);
    });
    lines.push(
      '',
      `# HELP ${DURATION} From the complete request head to the last byte of the response.`,
      `# TYPE ${DURATION} histogram`,
    );
    for (let series = 0; series < metrics.seriesCount; series++) this.renderDuration(series, lines);
    this.renderDuration(metrics.otherSeries, lines);
    lines.push('');
    return lines.join('\n');
  }

  private renderDuration(series: number, lines: string[]): void {
    const { buckets, durationMs } = this.metrics.totals(series);
    let count = 0;
    for (const bucket of buckets) count += bucket;
    if (count === 0) return;
    const heads = this.headsOf(series);
    let cumulative = 0;
    for (let i = 0; i < buckets.length; i++) {
      cumulative += buckets[i]!;
      lines.push(`${heads[i]!}${cumulative}`);
    }
    const labels = this.labelsOf(series);
    lines.push(`${DURATION}_sum{${labels}} ${durationMs / 1_000}`, `${DURATION}_count{${labels}} ${count}`);
  }

  private headsOf(series: number): readonly string[] {
    const labels = this.labelsOf(series);
    return (this.bucketHeads[series] ??= LE.map((le) => `${DURATION}_bucket{${labels},le="${le}"} `));
  }

  private labelsOf(series: number): string {
    return (this.labels[series] ??= labelText(this.metrics.totals(series).labels));
  }
}

function labelText(labels: SeriesLabels): string {
  return Object.entries({
    parent_namespace: labels.parentNamespace,
    parent_name: labels.parentName,
    parent_port: labels.parentPort,
    route_namespace: labels.routeNamespace,
    route_name: labels.routeName,
    rule: labels.rule,
    backend_namespace: labels.backendNamespace,
    backend_name: labels.backendName,
    backend_port: labels.backendPort,
  })
    .map(([name, value]) => `${name}="${escapeLabel(value === 0 ? '' : String(value))}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
