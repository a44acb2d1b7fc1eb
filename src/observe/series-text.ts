/**
 * The families of request series in the Prometheus text format: requests, their durations, retries and mirrors.
 *
 * Stage before: `metrics.ts`, read at the moment of the scrape. Stage after: `exposition.ts`. These are thousands of lines
 * whose label text never changes, so it is kept and only the numbers are written.
 */
import type { SeriesLabels } from '../routing/decision.ts';
import { DURATION_BUCKETS_MS, type Metrics } from './metrics.ts';

const REQUESTS = 'sideroute_requests_total';
const DURATION = 'sideroute_request_duration_seconds';
const RETRIES = 'sideroute_retries_total';
const MIRRORED = 'sideroute_mirrored_requests_total';
const LE = [...DURATION_BUCKETS_MS.map((bound) => String(bound / 1_000)), '+Inf'];

export class SeriesText {
  private readonly metrics: Metrics;
  /** By series: the labels as text without braces. */
  private readonly labels: string[] = [];
  /** By series: the heads of its histogram lines, up to the number. */
  private readonly bucketHeads: (readonly string[])[] = [];

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** Ends with a newline. */
  render(): string {
    const { metrics } = this;
    const lines = familyHead(REQUESTS, 'counter', 'Requests, by what became of them.');
    metrics.eachCount((series, code, reason, count) => {
      lines.push(`${REQUESTS}{${this.labelsOf(series)},code="${code}",reason="${reason}"} ${count}`);
    });
    lines.push(
      '',
      ...familyHead(DURATION, 'histogram', 'From the complete request head to the last byte of the response.'),
    );
    for (let series = 0; series < metrics.seriesCount; series++) this.renderDuration(series, lines);
    this.renderDuration(metrics.otherSeries, lines);
    lines.push('', ...familyHead(RETRIES, 'counter', 'Tries after the first one that the retries of a route caused.'));
    metrics.eachRetry((series, count) => lines.push(`${RETRIES}{${this.labelsOf(series)}} ${count}`));
    lines.push('', ...familyHead(MIRRORED, 'counter', 'Copies of requests for a mirror, by what became of them.'));
    metrics.eachMirrored((series, result, count) => {
      lines.push(`${MIRRORED}{${this.labelsOf(series)},result="${result}"} ${count}`);
    });
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
    return (this.labels[series] ??= seriesLabels(this.metrics.totals(series).labels));
  }
}

/** The lines in front of the samples of a family. */
export function familyHead(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** Without braces. */
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
