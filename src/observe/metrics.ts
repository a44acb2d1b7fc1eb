/**
 * Counters of the hot path: integers in typed arrays, found without building a string or an object.
 *
 * Stage before: engines, which report each outcome once. Stage after: `exposition.ts`, which reads them at a scrape. A
 * series is one set of labels (frontend, route, rule, backend), interned when a route table is compiled. Codes and
 * reasons are rows of a series, as are retries and mirror results. A mirror has its own series, whose backend is the
 * mirror.
 *
 * There is room for `MAX_SERIES` series. A series that is in no table any more stays for a while, so that its last
 * requests are scraped. Then its slot goes to another series (`series-slots.ts`). A request may outlive that. So the id
 * of a series consists of its slot and a count of the slot's users, and outcomes with an outdated id are counted in
 * `other`.
 *
 * Other threads count separately and hand over their counts on request (`takeCounts`); the main thread adds them to its
 * own (`addCounts`). So sums are exact, and each count is in one place at any time.
 */
import type { MirrorOutcome, Outcome } from '../engine/engine.ts';
import { MIRROR_RESULTS, REQUEST_REASONS, RETRY_DENIALS, type RequestReason } from '../errors.ts';
import type { InternSeries, SeriesLabels } from '../routing/decision.ts';
import { CallCounts } from './call-counts.ts';
import type { Counts, SeriesCounts } from './counts.ts';
import { SeriesSlots, SLOT_MASK, type Slots } from './series-slots.ts';

/** Upper bounds in milliseconds, inclusive. One more bucket takes slower requests. */
export const DURATION_BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000] as const;
const BUCKETS = DURATION_BUCKETS_MS.length + 1;
const BOUNDS_MS = Float64Array.from(DURATION_BUCKETS_MS);

export const MAX_SERIES = 2_000;
/** Pairs of code and reason. Further pairs are counted in one pair without names. */
const MAX_RESULTS = 128;
const MAX_STATUS = 999;

const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];
/** 0 means no reason: a relayed response. */
const REASON_INDEX = new Map<RequestReason, number>(REASONS.map((reason, index) => [reason, index + 1]));
const REASON_COUNT = REASONS.length + 1;

/** Labels of the series for everything without a slot. */
export const OTHER_LABELS: SeriesLabels = {
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

/** A pair of code and reason, with a counter for each series. */
interface Result {
  readonly code: string;
  /** Empty for a relayed response. */
  readonly reason: string;
  /** The values behind the names; meaningless for the pair without names. */
  readonly status: number;
  readonly requestReason: RequestReason | null;
  readonly counts: Float64Array;
}

export interface SeriesTotals {
  readonly labels: SeriesLabels;
  /** Requests in each bucket, not cumulative; a view of live counters. */
  readonly buckets: Float64Array;
  readonly durationMs: number;
}

export interface MetricsOptions {
  /** Default: the slots assigned by `internSeries`. */
  readonly slots?: Slots;
  /**
   * Called when there is no room for another pair of code and reason. It must take the counts to make room. Default: no
   * room is made.
   */
  readonly onFull?: () => void;
}

export class Metrics {
  private readonly slots: Slots;
  private readonly onFull: (() => void) | null;
  /** Index of the result for a status and a reason, plus one; 0 when there is none yet. */
  private readonly resultIndex = new Uint8Array((MAX_STATUS + 1) * REASON_COUNT);
  private results: Result[] = [];
  private readonly calls: CallCounts;
  /** By slot, then by bucket. */
  private readonly buckets: Float64Array;
  /** By slot. */
  private readonly durationMs: Float64Array;
  private readonly refused = new Float64Array(REASON_COUNT);
  /** By slot. */
  private readonly retries: Float64Array;
  private readonly retriesDenied = new Float64Array(RETRY_DENIALS.length);
  /** By slot, then by result. */
  private readonly mirrored: Float64Array;

  /** `now`: monotonic milliseconds. */
  constructor(
    maxSeries: number = MAX_SERIES,
    now: () => number = () => performance.now(),
    { slots, onFull }: MetricsOptions = {},
  ) {
    this.slots =
      slots ??
      new SeriesSlots(maxSeries, now, {
        activity: (slot) => this.activity(slot),
        clear: (slot) => this.clear(slot),
      });
    this.onFull = onFull ?? null;
    this.calls = new CallCounts(maxSeries + 1, onFull);
    this.buckets = new Float64Array((maxSeries + 1) * BUCKETS);
    this.durationMs = new Float64Array(maxSeries + 1);
    this.retries = new Float64Array(maxSeries + 1);
    this.mirrored = new Float64Array((maxSeries + 1) * MIRROR_RESULTS.length);
  }

  /** Returns the id of `other` when there is no room. Not for the hot path. */
  readonly internSeries: InternSeries = (labels) => this.slots.intern(labels);

  /** Series interned after this call belong to the next route table. */
  beginCompile(): void {
    this.slots.beginCompile();
  }

  /** The new table is in use: series that it does not have will be forgotten. Do not call it when compiling failed. */
  endCompile(): void {
    this.slots.endCompile();
  }

  /**
   * Frees series that are in no table and have had no request for a while. To be called regularly, for instance by
   * scrapes.
   */
  expire(): void {
    this.slots.expire();
  }

  /** Label sets of the current table that found no room; they are counted in the series `other`. */
  get foldedSeries(): number {
    return this.slots.folded;
  }

  /** Hot path: bench/micro/metrics.ts. Allocates only for the first request with a code and reason. */
  recordRequest(outcome: Outcome): void {
    const { durationMs } = outcome;
    const slot = this.slots.slotOf(outcome.series);
    const reason = outcome.reason === null ? 0 : REASON_INDEX.get(outcome.reason)!;
    const key = outcome.status * REASON_COUNT + reason;
    const index = this.resultIndex[key]!;
    const result = index === 0 ? this.addResult(outcome.status, outcome.reason, key) : this.results[index - 1]!;
    result.counts[slot]!++;
    const { grpcStatus } = outcome;
    if (grpcStatus != null) this.calls.record(slot, key, outcome.status, outcome.reason, grpcStatus);
    let bucket = 0;
    while (bucket < BUCKETS - 1 && durationMs > BOUNDS_MS[bucket]!) bucket++;
    this.buckets[slot * BUCKETS + bucket]!++;
    this.durationMs[slot]! += durationMs;
    if (outcome.retries !== undefined) this.retries[slot]! += outcome.retries;
    if (outcome.retryDenied != null) this.retriesDenied[RETRY_DENIALS.indexOf(outcome.retryDenied)]!++;
  }

  /** Hot path: bench/micro/metrics.ts. */
  recordMirror({ series, result }: MirrorOutcome): void {
    this.mirrored[this.slots.slotOf(series) * MIRROR_RESULTS.length + MIRROR_RESULTS.indexOf(result)]!++;
  }

  /** A request refused before routing. */
  recordRefused(reason: RequestReason): void {
    this.refused[REASON_INDEX.get(reason)!]!++;
  }

  /** Adds the counts of another thread. Counts of a forgotten series go to `other`. */
  addCounts({ series, refused, retriesDenied }: Counts): void {
    for (const counts of series) {
      const slot = this.slots.slotOf(counts.series);
      for (const [status, reason, count] of counts.results) {
        this.results[this.resultOf(status, reason).index]!.counts[slot]! += count;
      }
      for (const [status, reason, grpcStatus, count] of counts.calls) {
        this.calls.record(slot, this.resultOf(status, reason).key, status, reason, grpcStatus, count);
      }
      for (const [bucket, count] of counts.buckets.entries()) this.buckets[slot * BUCKETS + bucket]! += count;
      this.durationMs[slot]! += counts.durationMs;
      this.retries[slot]! += counts.retries;
      const first = slot * MIRROR_RESULTS.length;
      for (const [result, count] of counts.mirrored.entries()) this.mirrored[first + result]! += count;
    }
    for (const [reason, count] of refused) this.refused[REASON_INDEX.get(reason)!]! += count;
    for (const [index, count] of retriesDenied.entries()) this.retriesDenied[index]! += count;
  }

  /** Returns the counts and resets them here. */
  takeCounts(): Counts {
    const series: SeriesCounts[] = [];
    for (const id of this.slots.ids) {
      const slot = id & SLOT_MASK;
      const counts = this.countsOf(id, slot);
      if (counts === null) continue;
      series.push(counts);
      this.clear(slot);
    }
    const refused = REASONS.flatMap((reason, index): [RequestReason, number][] => {
      return this.refused[index + 1] === 0 ? [] : [[reason, this.refused[index + 1]!]];
    });
    const retriesDenied = [...this.retriesDenied];
    this.refused.fill(0);
    this.retriesDenied.fill(0);
    return { series, refused, retriesDenied };
  }

  private countsOf(series: number, slot: number): SeriesCounts | null {
    const results = this.results.flatMap(({ status, requestReason, counts }): SeriesCounts['results'] => {
      return counts[slot] === 0 ? [] : [[status, requestReason, counts[slot]!]];
    });
    const calls = this.calls.of(slot);
    if (this.activity(slot) === 0 && results.length + calls.length === 0) return null;
    const first = slot * MIRROR_RESULTS.length;
    return {
      series,
      durationMs: this.durationMs[slot]!,
      retries: this.retries[slot]!,
      buckets: [...this.buckets.subarray(slot * BUCKETS, (slot + 1) * BUCKETS)],
      mirrored: [...this.mirrored.subarray(first, first + MIRROR_RESULTS.length)],
      ...{ results, calls },
    };
  }

  private resultOf(status: number, reason: RequestReason | null): { index: number; key: number } {
    const key = status * REASON_COUNT + (reason === null ? 0 : REASON_INDEX.get(reason)!);
    if (this.resultIndex[key] === 0) this.addResult(status, reason, key);
    return { index: this.resultIndex[key]! - 1, key };
  }

  /** False for a forgotten series. */
  hasSeries(series: number): boolean {
    return series === this.slots.other || this.slots.slotOf(series) !== this.slots.other;
  }

  /** Visits every count that is not zero; the series must exist. `code` is `0` when no status was sent. */
  eachCountOf(series: number, visit: (code: string, reason: string, count: number) => void): void {
    const slot = series & SLOT_MASK;
    for (const { code, reason, counts } of this.results) if (counts[slot] !== 0) visit(code, reason, counts[slot]!);
  }

  /** The same for gRPC calls, with their status. */
  eachCallOf(series: number, visit: (code: string, reason: string, status: string, count: number) => void): void {
    this.calls.each(series & SLOT_MASK, visit);
  }

  /** Visits the reasons with requests refused before routing. */
  eachRefused(visit: (reason: string, count: number) => void): void {
    for (let i = 1; i < REASON_COUNT; i++) {
      if (this.refused[i] !== 0) visit(REASONS[i - 1]!, this.refused[i]!);
    }
  }

  /** Visits the series with retries. */
  eachRetry(visit: (series: number, count: number) => void): void {
    for (const series of this.series) {
      const count = this.retries[series & SLOT_MASK]!;
      if (count !== 0) visit(series, count);
    }
  }

  /** Visits every reason, including those without a count. */
  eachRetryDenied(visit: (reason: string, count: number) => void): void {
    for (const [index, reason] of RETRY_DENIALS.entries()) visit(reason, this.retriesDenied[index]!);
  }

  /** Visits every count that is not zero. */
  eachMirrored(visit: (series: number, result: string, count: number) => void): void {
    for (const series of this.series) {
      const first = (series & SLOT_MASK) * MIRROR_RESULTS.length;
      for (const [index, result] of MIRROR_RESULTS.entries()) {
        const count = this.mirrored[first + index]!;
        if (count !== 0) visit(series, result, count);
      }
    }
  }

  /** Ids of all current series; the last one is `other`. A new array after each change. */
  get series(): readonly number[] {
    return this.slots.ids;
  }

  get otherSeries(): number {
    return this.slots.other;
  }

  /** The totals of `other` for a forgotten series. */
  totals(series: number): SeriesTotals {
    const slot = this.slots.slotOf(series);
    return {
      labels: this.slots.labels(slot) ?? OTHER_LABELS,
      buckets: this.buckets.subarray(slot * BUCKETS, (slot + 1) * BUCKETS),
      durationMs: this.durationMs[slot]!,
    };
  }

  /** Grows with everything that is counted. */
  private activity(slot: number): number {
    let sum = 0;
    for (let at = slot * BUCKETS; at < (slot + 1) * BUCKETS; at++) sum += this.buckets[at]!;
    const first = slot * MIRROR_RESULTS.length;
    for (let at = first; at < first + MIRROR_RESULTS.length; at++) sum += this.mirrored[at]!;
    return sum;
  }

  private clear(slot: number): void {
    for (const { counts } of this.results) counts[slot] = 0;
    this.calls.clear(slot);
    this.buckets.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS);
    this.durationMs[slot] = 0;
    this.retries[slot] = 0;
    this.mirrored.fill(0, slot * MIRROR_RESULTS.length, (slot + 1) * MIRROR_RESULTS.length);
  }

  private addResult(status: number, reason: RequestReason | null, key: number): Result {
    if (this.results.length === MAX_RESULTS - 1 && this.onFull !== null) {
      this.onFull();
      this.results = [];
      this.resultIndex.fill(0);
    }
    let index = this.results.length;
    if (index < MAX_RESULTS) {
      const nameless = index === MAX_RESULTS - 1;
      this.results.push({
        code: nameless ? 'other' : String(status),
        reason: nameless ? 'other' : (reason ?? ''),
        ...{ status, requestReason: reason },
        counts: new Float64Array(this.durationMs.length),
      });
    } else {
      index = MAX_RESULTS - 1;
    }
    this.resultIndex[key] = index + 1;
    return this.results[index]!;
  }
}
