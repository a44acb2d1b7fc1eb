/**
 * Counters of the hot path: integers in typed arrays, found without building a string or an object.
 *
 * Stage before: engines, which report each outcome once. Stage after: `exposition.ts`, which reads them when scraped.
 * A series is one set of labels (frontend, route, rule, backend), interned when a route table is compiled; codes and
 * reasons are rows beneath it, and so are retries and results of mirrors. A mirror has a series of its own, whose backend
 * is the mirror.
 */
import type { MirrorOutcome, Outcome } from '../engine/engine.ts';
import { MIRROR_RESULTS, REQUEST_REASONS, RETRY_DENIALS, type RequestReason } from '../errors.ts';
import type { InternSeries, SeriesLabels } from '../routing/decision.ts';

/** Upper bounds in milliseconds, inclusive; one more bucket takes what is slower (OPS section 2). */
export const DURATION_BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000] as const;
const BUCKETS = DURATION_BUCKETS_MS.length + 1;
const BOUNDS_MS = Float64Array.from(DURATION_BUCKETS_MS);

export const MAX_SERIES = 2_000;
/** Pairs of code and reason; what comes later is counted in one pair without names. */
const MAX_RESULTS = 128;
const MAX_STATUS = 999;

const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];
/** 0 is «no reason», for a relayed response. */
const REASON_INDEX = new Map<RequestReason, number>(REASONS.map((reason, index) => [reason, index + 1]));
const REASON_COUNT = REASONS.length + 1;

const OTHER: SeriesLabels = {
  parentNamespace: 'other',
  parentName: 'other',
  parentPort: 0,
  routeNamespace: 'other',
  routeName: 'other',
  rule: 'other',
  backendNamespace: 'other',
  backendName: 'other',
  backendPort: 0,
};

/** A pair of code and reason with a counter for each series. */
interface Result {
  /** Empty for the pair without names. */
  readonly code: string;
  /** Empty for a relayed response. */
  readonly reason: string;
  readonly counts: Float64Array;
}

export interface SeriesTotals {
  readonly labels: SeriesLabels;
  /** Requests in each bucket, not cumulative; a view of live counters. */
  readonly buckets: Float64Array;
  readonly durationMs: number;
}

export class Metrics {
  /** Label sets that found no room and were folded into the series `other`. */
  foldedSeries = 0;
  private readonly maxSeries: number;
  private readonly labels: SeriesLabels[] = [];
  private readonly ids = new Map<string, number>();
  /** Index of the result of a status and a reason, plus one; 0 when it has none yet. */
  private readonly resultIndex = new Uint8Array((MAX_STATUS + 1) * REASON_COUNT);
  private readonly results: Result[] = [];
  private readonly buckets: Float64Array;
  private readonly durationMs: Float64Array;
  private readonly refused = new Float64Array(REASON_COUNT);
  private readonly retries: Float64Array;
  private readonly retriesDenied = new Float64Array(RETRY_DENIALS.length);
  /** By series, then by result. */
  private readonly mirrored: Float64Array;

  constructor(maxSeries: number = MAX_SERIES) {
    this.maxSeries = maxSeries;
    this.buckets = new Float64Array((maxSeries + 1) * BUCKETS);
    this.durationMs = new Float64Array(maxSeries + 1);
    this.retries = new Float64Array(maxSeries + 1);
    this.mirrored = new Float64Array((maxSeries + 1) * MIRROR_RESULTS.length);
  }

  /** Returns the id of `other` when there are `MAX_SERIES` already. Not for the hot path. */
  readonly internSeries: InternSeries = (labels) => {
    const key = JSON.stringify([
      labels.parentNamespace,
      labels.parentName,
      labels.parentPort,
      labels.routeNamespace,
      labels.routeName,
      labels.rule,
      labels.backendNamespace,
      labels.backendName,
      labels.backendPort,
    ]);
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    if (this.labels.length >= this.maxSeries) {
      this.foldedSeries++;
      return this.maxSeries;
    }
    const id = this.labels.length;
    this.labels.push({ ...labels });
    this.ids.set(key, id);
    return id;
  };

  /** Hot path: bench/micro/metrics.ts. Allocates only for the first request with a code and reason. */
  recordRequest(outcome: Outcome): void {
    const { series, durationMs } = outcome;
    const reason = outcome.reason === null ? 0 : REASON_INDEX.get(outcome.reason)!;
    const key = outcome.status * REASON_COUNT + reason;
    const index = this.resultIndex[key]!;
    const result = index === 0 ? this.addResult(outcome.status, outcome.reason, key) : this.results[index - 1]!;
    result.counts[series]!++;
    let bucket = 0;
    while (bucket < BUCKETS - 1 && durationMs > BOUNDS_MS[bucket]!) bucket++;
    this.buckets[series * BUCKETS + bucket]!++;
    this.durationMs[series]! += durationMs;
    if (outcome.retries !== undefined) this.retries[series]! += outcome.retries;
    if (outcome.retryDenied != null) this.retriesDenied[RETRY_DENIALS.indexOf(outcome.retryDenied)]!++;
  }

  /** Hot path: bench/micro/metrics.ts. */
  recordMirror({ series, result }: MirrorOutcome): void {
    this.mirrored[series * MIRROR_RESULTS.length + MIRROR_RESULTS.indexOf(result)]!++;
  }

  /** A request refused before routing. */
  recordRefused(reason: RequestReason): void {
    this.refused[REASON_INDEX.get(reason)!]!++;
  }

  /** Every count that is not zero. `code` is `0` when no status was sent. */
  eachCount(visit: (series: number, code: string, reason: string, count: number) => void): void {
    for (const { code, reason, counts } of this.results) {
      for (let series = 0; series < counts.length; series++) {
        if (counts[series] !== 0) visit(series, code, reason, counts[series]!);
      }
    }
  }

  /** Reasons with requests refused before routing. */
  eachRefused(visit: (reason: string, count: number) => void): void {
    for (let i = 1; i < REASON_COUNT; i++) {
      if (this.refused[i] !== 0) visit(REASONS[i - 1]!, this.refused[i]!);
    }
  }

  /** Series with retries. */
  eachRetry(visit: (series: number, count: number) => void): void {
    for (let series = 0; series < this.retries.length; series++) {
      if (this.retries[series] !== 0) visit(series, this.retries[series]!);
    }
  }

  /** Every reason, those without a count included. */
  eachRetryDenied(visit: (reason: string, count: number) => void): void {
    for (const [index, reason] of RETRY_DENIALS.entries()) visit(reason, this.retriesDenied[index]!);
  }

  /** Every count that is not zero. */
  eachMirrored(visit: (series: number, result: string, count: number) => void): void {
    for (let at = 0; at < this.mirrored.length; at++) {
      const count = this.mirrored[at]!;
      if (count === 0) continue;
      visit(Math.floor(at / MIRROR_RESULTS.length), MIRROR_RESULTS[at % MIRROR_RESULTS.length]!, count);
    }
  }

  /** Ids run from 0 to `seriesCount`, the last one being `other`. */
  get seriesCount(): number {
    return this.labels.length;
  }

  get otherSeries(): number {
    return this.maxSeries;
  }

  totals(series: number): SeriesTotals {
    return {
      labels: this.labels[series] ?? OTHER,
      buckets: this.buckets.subarray(series * BUCKETS, (series + 1) * BUCKETS),
      durationMs: this.durationMs[series]!,
    };
  }

  private addResult(status: number, reason: RequestReason | null, key: number): Result {
    let index = this.results.length;
    if (index < MAX_RESULTS) {
      const nameless = index === MAX_RESULTS - 1;
      this.results.push({
        code: nameless ? 'other' : String(status),
        reason: nameless ? 'other' : (reason ?? ''),
        counts: new Float64Array(this.maxSeries + 1),
      });
    } else {
      index = MAX_RESULTS - 1;
    }
    this.resultIndex[key] = index + 1;
    return this.results[index]!;
  }
}
