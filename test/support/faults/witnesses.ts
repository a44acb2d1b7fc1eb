/** The metrics of a sidecar as a witness: what it counted, and what it still has open. */
import type { Ledger } from './ledger.ts';

/** `sideroute_requests_total` by `code reason`. */
export function countedRequests(metrics: string): Map<string, number> {
  const totals = new Map<string, number>();
  for (const [, labels = '', value] of metrics.matchAll(/^sideroute_requests_total\{(.*)\} (\d+)$/gm)) {
    const code = /code="(\d*)"/.exec(labels)?.[1] ?? '';
    const reason = /reason="(\w*)"/.exec(labels)?.[1] ?? '';
    const answer = `${code} ${reason}`.trim();
    totals.set(answer, (totals.get(answer) ?? 0) + Number(value));
  }
  return totals;
}

/** Value of a metric; `name` may have labels. 0 if it is missing. */
export function metricValue(metrics: string, name: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`${name} `) || text.startsWith(`${name}{`));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** Allowed for idle connections to backends, which stay for a while. */
const IDLE_BUFFERS = 16_384;

/** Gauges that must be 0 when the clients have gone. */
export function leftOpen(metrics: string): Record<string, number> {
  return {
    requests: metricValue(metrics, 'sideroute_open_requests'),
    downstream: metricValue(metrics, 'sideroute_downstream_connections'),
    upgraded: metricValue(metrics, 'sideroute_upgraded_connections'),
    tunnels: metricValue(metrics, 'sideroute_passthrough_open'),
    'active upstream': sum(
      ['http1', 'http2'].map((protocol) =>
        metricValue(metrics, `sideroute_upstream_connections{state="active",protocol="${protocol}"}`),
      ),
    ),
    'downstream streams': metricValue(metrics, 'sideroute_http2_streams{side="downstream"}'),
    'upstream streams': metricValue(metrics, 'sideroute_upstream_streams'),
    'buffered bytes': Math.max(0, metricValue(metrics, 'sideroute_buffered_bytes') - IDLE_BUFFERS),
  };
}

export interface Comparison {
  readonly figure: string;
  readonly good: boolean;
}

/** Each response is counted with its code and reason; further counts are requests that were cut off or abandoned. */
export function metricsAgainstAnswers(counted: ReadonlyMap<string, number>, ledger: Ledger): Comparison {
  const { answers, outcomes } = ledger;
  const missing = [...answers].filter(([answer, count]) => (counted.get(answer) ?? 0) < count);
  const incomplete = sum([...outcomes].filter(([name]) => !/ (answered|refused)/.test(name)).map(([, count]) => count));
  const more = sum(counted.values()) - sum(answers.values());
  return {
    figure:
      `${sum(counted.values())} counted, ${sum(answers.values())} answers seen, ${incomplete} cut off or abandoned` +
      (missing.length > 0 ? `; too few of ${missing.map(([answer]) => answer).join(', ')}` : ''),
    good: missing.length === 0 && more >= 0 && more <= incomplete,
  };
}
