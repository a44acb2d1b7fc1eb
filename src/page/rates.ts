/**
 * What became of counters between two moments: rates, shares of errors, means and quantiles of durations.
 *
 * Stage before: answers of `/stats`, by `history.ts`. Pure, without a browser.
 */
import type { Catalog, SeriesCounters } from './answers.ts';

/** Totals of one series or of several, or differences of totals. */
export interface Counts {
  readonly requests: number;
  readonly errors: number;
  readonly durationMs: number;
  /** Not cumulative. */
  readonly buckets: readonly number[];
}

export interface Rates {
  readonly perSecond: number;
  /** Part of the requests, 0 to 1. Null without requests, as are the durations. */
  readonly errorShare: number | null;
  readonly meanMs: number | null;
  /** Infinity: slower than the last bound of the buckets. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** What tells errors from what went well. */
export type ErrorWords = Pick<Catalog, 'reasons' | 'grpcFaults'>;

export const NO_COUNTS: Counts = { requests: 0, errors: 0, durationMs: 0, buckets: [] };

/** A server error, or a request that was not answered by a backend although its route wants that. */
export function isError(code: string, reason: string, reasons: Catalog['reasons']): boolean {
  return reason === '' ? Number(code) >= 500 : reasons[reason]?.source !== 'route';
}

/** Calls of gRPC that were answered with a fault are errors as well, whatever their status of HTTP. */
export function countsOf(series: SeriesCounters, { reasons, grpcFaults }: ErrorWords): Counts {
  let requests = 0;
  let errors = 0;
  for (const [code, reason, count] of series.results) {
    requests += count;
    if (isError(code, reason, reasons)) errors += count;
  }
  for (const [code, reason, status, count] of series.calls ?? []) {
    if (reason === '' && grpcFaults.includes(status) && !isError(code, reason, reasons)) errors += count;
  }
  return { requests, errors, durationMs: series.durationMs, buckets: series.buckets };
}

/** A counter that went back began anew: all it has now is new. */
export function increase(newer: number, older: number): number {
  return newer >= older ? newer - older : newer;
}

export function difference(newer: Counts, older: Counts): Counts {
  const base = newer.requests >= older.requests ? older : NO_COUNTS;
  return {
    requests: newer.requests - base.requests,
    errors: increase(newer.errors, base.errors),
    durationMs: increase(newer.durationMs, base.durationMs),
    buckets: newer.buckets.map((count, index) => increase(count, base.buckets[index] ?? 0)),
  };
}

export function sum(all: readonly Counts[]): Counts {
  const buckets: number[] = [];
  let [requests, errors, durationMs] = [0, 0, 0];
  for (const counts of all) {
    requests += counts.requests;
    errors += counts.errors;
    durationMs += counts.durationMs;
    counts.buckets.forEach((count, index) => (buckets[index] = (buckets[index] ?? 0) + count));
  }
  return { requests, errors, durationMs, buckets };
}

/** `counts`: of `seconds`, more than 0. */
export function ratesOf(counts: Counts, seconds: number, boundsMs: readonly number[]): Rates {
  const { requests, errors, durationMs, buckets } = counts;
  return {
    perSecond: requests / seconds,
    errorShare: requests === 0 ? null : errors / requests,
    meanMs: requests === 0 ? null : durationMs / requests,
    p50Ms: quantile(buckets, boundsMs, 0.5),
    p99Ms: quantile(buckets, boundsMs, 0.99),
  };
}

/** Assumes that values lie evenly within a bucket, as `histogram_quantile` of Prometheus does. Null without values. */
export function quantile(buckets: readonly number[], bounds: readonly number[], share: number): number | null {
  const total = buckets.reduce((all, count) => all + count, 0);
  if (total === 0) return null;
  const rank = share * total;
  let below = 0;
  for (const [index, count] of buckets.entries()) {
    if (count > 0 && below + count >= rank) {
      const upper = bounds[index];
      if (upper === undefined) return Infinity;
      const lower = index === 0 ? 0 : bounds[index - 1]!;
      return lower + ((upper - lower) * (rank - below)) / count;
    }
    below += count;
  }
  return Infinity;
}
