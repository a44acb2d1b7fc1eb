/**
 * The families of request series in the Prometheus text format: requests, gRPC calls, durations, retries and mirrors.
 *
 * Stage before: `metrics.ts`, read at the moment of the scrape. Stage after: `exposition.ts`. These are tens of
 * thousands of lines, mostly label text that never changes. So lines are assembled from bytes: a copy of the labels,
 * and the digits of the number (bench/micro/metrics.ts).
 */
import type { SeriesLabels } from '../routing/decision.ts';
import { DURATION_BUCKETS_MS, type Metrics } from './metrics.ts';
import { TextWriter } from './text-writer.ts';

const REQUESTS = 'sideroute_requests_total';
const CALLS = 'sideroute_grpc_calls_total';
const DURATION = 'sideroute_request_duration_seconds';
const RETRIES = 'sideroute_retries_total';
const MIRRORED = 'sideroute_mirrored_requests_total';

const REQUESTS_START = Buffer.from(`${REQUESTS}{`);
const CALLS_START = Buffer.from(`${CALLS}{`);
const BUCKET_START = Buffer.from(`${DURATION}_bucket{`);
const SUM_START = Buffer.from(`${DURATION}_sum{`);
const COUNT_START = Buffer.from(`${DURATION}_count{`);
const RETRIES_START = Buffer.from(`${RETRIES}{`);
const MIRRORED_START = Buffer.from(`${MIRRORED}{`);
const LABELS_END = Buffer.from('} ');
const BUCKET_ENDS = [...DURATION_BUCKETS_MS.map((bound) => String(bound / 1_000)), '+Inf'].map((le) =>
  Buffer.from(`,le="${le}"} `),
);

export class SeriesText {
  private readonly metrics: Metrics;
  /** By id of the series. Rebuilt when the set of series changes, to forget old ones. */
  private labels = new Map<number, Uint8Array>();
  private labelled: readonly number[] = [];
  /** The text after the labels of a series, by code and reason or by result. */
  private readonly ends = new Map<string, Uint8Array>();

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** Yields pieces, each valid until the next one is requested. The last one ends with a newline. */
  *pieces(): Generator<Uint8Array, void> {
    const { metrics } = this;
    const { series } = metrics;
    if (series !== this.labelled) {
      this.labels = new Map(series.flatMap((id) => (this.labels.has(id) ? [[id, this.labels.get(id)!]] : [])));
      this.labelled = series;
    }
    const writer = new TextWriter();
    // A series may be forgotten while the caller handles a piece.
    writer.text(familyHead(REQUESTS, 'counter', 'Requests, by what became of them.'));
    for (const id of series) {
      if (writer.full) yield writer.take();
      if (!metrics.hasSeries(id)) continue;
      const labels = this.labelsOf(id);
      metrics.eachCountOf(id, (code, reason, count) => {
        line(writer, REQUESTS_START, labels, this.end(`,code="${code}",reason="${reason}"} `), count);
      });
    }
    writer.text(familyHead(CALLS, 'counter', 'Calls of gRPC among them, by what became of them.', 1));
    for (const id of series) {
      if (writer.full) yield writer.take();
      if (!metrics.hasSeries(id)) continue;
      metrics.eachCallOf(id, (code, reason, status, count) => {
        const end = this.end(`,code="${code}",reason="${reason}",grpc_status="${status}"} `);
        line(writer, CALLS_START, this.labelsOf(id), end, count);
      });
    }
    writer.text(
      familyHead(DURATION, 'histogram', 'From the complete request head to the last byte of the response.', 1),
    );
    for (const id of series) {
      if (writer.full) yield writer.take();
      if (metrics.hasSeries(id)) this.duration(writer, id);
    }
    writer.text(familyHead(RETRIES, 'counter', 'Tries after the first one that the retries of a route caused.', 1));
    metrics.eachRetry((id, count) => line(writer, RETRIES_START, this.labelsOf(id), LABELS_END, count));
    yield writer.take();
    writer.text(familyHead(MIRRORED, 'counter', 'Copies of requests for a mirror, by what became of them.', 1));
    metrics.eachMirrored((id, result, count) => {
      line(writer, MIRRORED_START, this.labelsOf(id), this.end(`,result="${result}"} `), count);
    });
    yield writer.take();
  }

  private duration(writer: TextWriter, id: number): void {
    const { buckets, durationMs } = this.metrics.totals(id);
    let count = 0;
    for (const bucket of buckets) count += bucket;
    if (count === 0) return;
    const labels = this.labelsOf(id);
    let cumulative = 0;
    for (let i = 0; i < buckets.length; i++) {
      cumulative += buckets[i]!;
      line(writer, BUCKET_START, labels, BUCKET_ENDS[i]!, cumulative);
    }
    line(writer, SUM_START, labels, LABELS_END, durationMs / 1_000);
    line(writer, COUNT_START, labels, LABELS_END, count);
  }

  private labelsOf(id: number): Uint8Array {
    let labels = this.labels.get(id);
    if (labels === undefined) {
      labels = Buffer.from(seriesLabels(this.metrics.totals(id).labels));
      this.labels.set(id, labels);
    }
    return labels;
  }

  private end(text: string): Uint8Array {
    let end = this.ends.get(text);
    if (end === undefined) this.ends.set(text, (end = Buffer.from(text)));
    return end;
  }
}

/** Hot path of a scrape. */
function line(writer: TextWriter, start: Uint8Array, labels: Uint8Array, end: Uint8Array, value: number): void {
  writer.bytes(start);
  writer.bytes(labels);
  writer.bytes(end);
  writer.number(value);
  writer.newline();
}

/** The lines before the samples of a family, after `blank` empty lines. */
export function familyHead(name: string, type: 'counter' | 'gauge' | 'histogram', help: string, blank = 0): string {
  return `${'\n'.repeat(blank)}# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

/** Labels without braces. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function seriesLabels(labels: SeriesLabels): string {
  const port = (value: number): string => (value === 0 ? '' : String(value));
  return labelText({
    parent_namespace: labels.parentNamespace,
    parent_name: labels.parentName,
    parent_port: port(labels.parentPort),
    route_namespace: labels.routeNamespace,
    route_name: labels.routeName,
    rule: labels.rule,
    backend_namespace: labels.backendNamespace,
    backend_name: labels.backendName,
    backend_port: port(labels.backendPort),
  });
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
