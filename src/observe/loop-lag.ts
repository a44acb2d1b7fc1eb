/**
 * Measures the delay of the event loop. A timer is due every 20 ms, and its delay is the delay of every request.
 * Without activity it is due every two seconds, so that an idle sidecar sleeps.
 *
 * Stage before: the event loop. Stage after: `/metrics` and the admin page, each with its own recorder.
 */
import { createHistogram } from 'node:perf_hooks';

/** Timer interval of a busy event loop. */
export const LAG_INTERVAL_MS = 20;
const IDLE_INTERVAL_MS = 2_000;
/** The loop counts as busy for this long after its last work. */
const PAUSE_MS = 1_000;
/**
 * Fractions of the time of one processor, used by the whole process. The utilisation of the event loop is not used,
 * because it includes delays by other processes.
 */
const BUSY_UTILIZATION = 0.05;
const QUIET_UTILIZATION = 0.01;
const QUIET_MS = 2_000;
const NS_PER_MS = 1e6;

/**
 * The delays since the last reset, in milliseconds, precise to one percent: one more significant figure takes several
 * times the memory.
 */
export class LagRecorder {
  readonly #histogram = createHistogram({ lowest: 1_000, figures: 2 });

  record(lagMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(lagMs * NS_PER_MS)));
  }

  get count(): number {
    return this.#histogram.count;
  }

  get min(): number {
    return this.#milliseconds(this.#histogram.min);
  }

  get max(): number {
    return this.#milliseconds(this.#histogram.max);
  }

  get mean(): number {
    return this.#milliseconds(this.#histogram.mean);
  }

  get deviation(): number {
    return this.#milliseconds(this.#histogram.stddev);
  }

  /** `percent` of the recorded values are at most this. */
  percentile(percent: number): number {
    return this.#milliseconds(this.#histogram.percentile(percent));
  }

  reset(): void {
    this.#histogram.reset();
  }

  /** 0 without values; the histogram itself would return values of its own. */
  #milliseconds(ns: number): number {
    return this.count === 0 ? 0 : ns / NS_PER_MS;
  }
}

export interface LoopLagOptions {
  /** Milliseconds. */
  readonly now?: () => number;
  /** Processor time of the process, all threads, in milliseconds. */
  readonly processorMs?: () => number;
  readonly schedule?: (callback: () => void, delayMs: number) => void;
  /** There has been almost no work for a while. Called again and again while this lasts. */
  readonly onQuiet?: () => void;
}

/** Does not keep the process alive. It is never stopped. */
export class LoopLag {
  readonly #now: () => number;
  readonly #processorMs: () => number;
  readonly #schedule: (callback: () => void, delayMs: number) => void;
  readonly #onQuiet: () => void;
  readonly #recorders: LagRecorder[] = [];
  #busyUntilMs: number;
  /** Since when the processor has been quiet, and its total time at that moment. */
  #quietSinceMs: number;
  #seenMs: number;

  constructor(options: LoopLagOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#processorMs = options.processorMs ?? processorMs;
    this.#schedule = options.schedule ?? ((callback, delayMs) => void setTimeout(callback, delayMs).unref());
    this.#onQuiet = options.onQuiet ?? (() => undefined);
    this.#busyUntilMs = this.#quietSinceMs = this.#now();
    this.#seenMs = this.#processorMs();
    this.#wait();
  }

  recorder(): LagRecorder {
    const recorder = new LagRecorder();
    this.#recorders.push(recorder);
    return recorder;
  }

  #wait(): void {
    const fromMs = this.#now();
    const dueMs = fromMs + (fromMs < this.#busyUntilMs ? LAG_INTERVAL_MS : IDLE_INTERVAL_MS);
    this.#schedule(() => {
      const atMs = this.#now();
      for (const recorder of this.#recorders) recorder.record(Math.max(0, atMs - dueMs));
      this.#observe(atMs, (this.#processorMs() - this.#seenMs) / (atMs - fromMs));
      // Work done by `onQuiet` does not count.
      this.#seenMs = this.#processorMs();
      this.#wait();
    }, dueMs - fromMs);
  }

  /** `utilization`: fraction of one processor since the last call. */
  #observe(atMs: number, utilization: number): void {
    if (utilization > BUSY_UTILIZATION) this.#busyUntilMs = atMs + PAUSE_MS;
    if (utilization > QUIET_UTILIZATION) this.#quietSinceMs = atMs;
    if (atMs >= this.#busyUntilMs && atMs - this.#quietSinceMs >= QUIET_MS) this.#onQuiet();
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
