/**
 * The activity of the proxy as JSON for the admin page: counters of every series, upstreams, connections, the process.
 *
 * Stage before: `observe/metrics.ts`, the acceptor, the engine and the composition root, read at each request. Stage
 * after: `private-admin.ts`. Designed for one request a second: the labels of a series never change, so they are sent
 * only when the set of series has changed. Text that takes long is built in slices, like `/config`.
 */
import { randomUUID } from 'node:crypto';

import type { AcceptorCounters } from '../addon/binding.ts';
import type { UpstreamState } from '../addon/engine-state.ts';
import type { HttpEngineCounters } from '../addon/http-engine.ts';
import { REQUEST_REASONS } from '../errors.ts';
import { GRPC_FAULTS } from '../grpc-status.ts';
import type { LagRecorder, LoopLag } from '../observe/loop-lag.ts';
import { DURATION_BUCKETS_MS, type Metrics } from '../observe/metrics.ts';
import type { Catalog, SeriesCounters, SeriesLabels, Stats, UpstreamEntry } from '../page/answers.ts';
import { inSlices, listText } from './json-stream.ts';

/** Read for every request. */
export interface StatsSources {
  readonly version: string;
  readonly metrics: Metrics;
  readonly loopLag: LoopLag;
  /** Called first: updates the figures of other threads. */
  readonly refresh?: (() => Promise<void>) | undefined;
  /** Null while there is no acceptor. */
  acceptor(): AcceptorCounters | null;
  /** Counters of the native engine; null while there is none. */
  engine(): HttpEngineCounters | null;
  upstreams(): readonly UpstreamState[];
  /** `namespace/name:port` of each backend, by id. */
  backendKeys(): readonly (string | null)[];
  downstreamConnections(): number;
  config(): Stats['config'];
  draining(): boolean;
  /** `address:port` of the metrics endpoints. */
  metricsAddresses(): readonly string[];
}

const LOOP_DELAY_WINDOW_MS = 10_000;

export class StatsReporter {
  readonly #sources: StatsSources;
  readonly #instance = randomUUID();
  readonly #startedAtMs = performance.now();
  readonly #loopDelay: LoopDelay;
  /** The series of the last answer, and how often the set has changed. */
  #ids: readonly number[] = [];
  #changes = 0;

  constructor(sources: StatsSources) {
    this.#sources = sources;
    this.#loopDelay = new LoopDelay(sources.loopLag);
  }

  /**
   * Pieces of one JSON object of the type `Stats`. `known`: `seriesRevision` of the last answer; labels and catalog are
   * left out while they are the same.
   */
  async *dump(known: string): AsyncGenerator<string> {
    await this.#sources.refresh?.();
    yield* inSlices(this.#pieces(known));
  }

  *#pieces(known: string): Generator<string> {
    const { metrics } = this.#sources;
    const ids = metrics.series;
    const seriesRevision = this.#revisionOf(ids);
    const catalog = known === seriesRevision ? {} : { catalog: this.#catalog() };
    yield JSON.stringify({ ...this.#head(), seriesRevision, ...catalog }).slice(0, -1);
    if (known !== seriesRevision) {
      yield ',\n"labels":';
      yield* listText(labelsOf(metrics, ids));
    }
    yield ',\n"series":';
    const retries = new Map<number, number>();
    metrics.eachRetry((series, count) => void retries.set(series, count));
    const mirrored = new Map<number, Record<string, number>>();
    metrics.eachMirrored((series, result, count) => {
      const results = mirrored.get(series) ?? {};
      results[result] = count;
      mirrored.set(series, results);
    });
    yield '';
    yield* listText(countersOf(metrics, ids, retries, mirrored));
    yield '}\n';
  }

  /** Series appear with new tables and disappear later; their ids are never reused. */
  #revisionOf(ids: readonly number[]): string {
    if (ids !== this.#ids) {
      this.#ids = ids;
      this.#changes++;
    }
    return `${this.#instance}.${this.#changes}`;
  }

  #head(): Omit<Stats, 'labels' | 'series' | 'seriesRevision' | 'catalog'> {
    const sources = this.#sources;
    const acceptor = sources.acceptor();
    const engine = sources.engine();
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const refused: Record<string, number> = {};
    sources.metrics.eachRefused((reason, count) => (refused[reason] = count));
    const retriesDenied: Record<string, number> = {};
    sources.metrics.eachRetryDenied((reason, count) => (retriesDenied[reason] = count));
    const keys = sources.backendKeys();
    const atMs = performance.now();
    return {
      version: sources.version,
      node: process.version,
      instance: this.#instance,
      atMs,
      uptimeMs: Math.round(atMs - this.#startedAtMs),
      draining: sources.draining(),
      config: sources.config(),
      process: {
        rssBytes: rss,
        heapUsedBytes: heapUsed,
        cpuMs: (user + system) / 1_000,
        loopDelayMs: this.#loopDelay.read(atMs),
      },
      connections: {
        downstream: sources.downstreamConnections(),
        detecting: acceptor?.detectingOpen ?? 0,
        tunnels: acceptor?.tunnelsOpen ?? 0,
        openRequests: engine?.requestsOpen ?? 0,
        upgraded: engine?.relaysOpen ?? 0,
        bufferedBytes: engine?.bufferedBytes ?? 0,
      },
      passthrough: acceptor?.connections ?? {},
      refused,
      retriesDenied,
      upstreams: sources.upstreams().map((state): UpstreamEntry => {
        return { ...state, backend: keys[state.backend] ?? null };
      }),
    };
  }

  #catalog(): Catalog {
    return {
      bucketsMs: DURATION_BUCKETS_MS,
      reasons: REQUEST_REASONS,
      grpcFaults: GRPC_FAULTS,
      metrics: this.#sources.metricsAddresses(),
    };
  }
}

/** Delay of the event loop, in the current window and the previous one. Recorded from the first request on. */
class LoopDelay {
  readonly #lag: LoopLag;
  #recorder: LagRecorder | null = null;
  #sinceMs = 0;
  /** That of the previous window. */
  #last: Stats['process']['loopDelayMs'] = null;

  constructor(lag: LoopLag) {
    this.#lag = lag;
  }

  read(nowMs: number): Stats['process']['loopDelayMs'] {
    if (this.#recorder === null) {
      this.#recorder = this.#lag.recorder();
      this.#sinceMs = nowMs;
    }
    const current = summary(this.#recorder);
    if (nowMs - this.#sinceMs >= LOOP_DELAY_WINDOW_MS) {
      this.#last = current;
      this.#recorder.reset();
      this.#sinceMs = nowMs;
      return current;
    }
    if (current === null || this.#last === null) return current ?? this.#last;
    return {
      mean: (current.mean + this.#last.mean) / 2,
      p99: Math.max(current.p99, this.#last.p99),
      max: Math.max(current.max, this.#last.max),
    };
  }
}

function summary(recorder: LagRecorder): Stats['process']['loopDelayMs'] {
  if (recorder.count === 0) return null;
  const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;
  return { mean: rounded(recorder.mean), p99: rounded(recorder.percentile(99)), max: rounded(recorder.max) };
}

function* labelsOf(metrics: Metrics, ids: readonly number[]): Generator<SeriesLabels> {
  for (const id of ids) if (metrics.hasSeries(id)) yield { id, ...metrics.totals(id).labels };
}

function* countersOf(
  metrics: Metrics,
  ids: readonly number[],
  retries: ReadonlyMap<number, number>,
  mirrored: ReadonlyMap<number, Readonly<Record<string, number>>>,
): Generator<SeriesCounters> {
  for (const id of ids) {
    // The table may have changed in the meantime.
    if (!metrics.hasSeries(id)) continue;
    const results: [string, string, number][] = [];
    metrics.eachCountOf(id, (code, reason, count) => results.push([code, reason, count]));
    const calls: [string, string, string, number][] = [];
    metrics.eachCallOf(id, (code, reason, status, count) => calls.push([code, reason, status, count]));
    const retried = retries.get(id);
    const mirrors = mirrored.get(id);
    if (results.length === 0 && retried === undefined && mirrors === undefined) continue;
    const { durationMs, buckets } = metrics.totals(id);
    yield {
      id,
      durationMs: Math.round(durationMs * 1_000) / 1_000,
      buckets: withoutTrailingZeros(buckets),
      results,
      ...(calls.length === 0 ? {} : { calls }),
      ...(retried === undefined ? {} : { retries: retried }),
      ...(mirrors === undefined ? {} : { mirrored: mirrors }),
    };
  }
}

function withoutTrailingZeros(counts: Float64Array): number[] {
  let end = counts.length;
  while (end > 0 && counts[end - 1] === 0) end--;
  return [...counts.subarray(0, end)];
}
