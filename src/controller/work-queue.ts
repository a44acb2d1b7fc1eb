/**
 * What is to be done, by key: each key once at a time, again when it has changed meanwhile, later when it has failed. Its length
 * is bounded by the number of keys.
 *
 * Stage before: changes of objects. Stage after: the writers. The model is the rate-limiting queue of client-go.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs, type BackoffOptions } from '../kube/backoff.ts';
import { KubeError } from '../kube/client.ts';

export interface WorkQueueOptions {
  /** How many at a time. */
  readonly workers: number;
  /** Changes that come so close together are one. */
  readonly settleMs: number;
  readonly backoff: BackoffOptions;
  /** What it throws is told to `onFailure`; the key comes again. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (key: string, error: unknown, failures: number) => void;
}

/** Thrown by work that is to come again at once, as after a conflict. */
export class AgainError extends Error {}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Keys with the time from which they may be done, the oldest first as far as the times are equal. */
  readonly #waiting = new Map<string, number>();
  readonly #working = new Set<string>();
  readonly #failures = new Map<string, number>();
  #wake: () => void = () => undefined;
  #running = false;
  done = 0;
  failed = 0;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait or are worked at. */
  get depth(): number {
    return this.#waiting.size + this.#working.size;
  }

  get idle(): boolean {
    return this.depth === 0;
  }

  /** Nothing is queued while nobody works: whoever starts the queue adds everything. */
  add(key: string): void {
    if (!this.#running) return;
    // A key that waits for another try after a failure is tried at once: something has changed.
    const dueMs = performance.now() + this.#options.settleMs;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || waiting > dueMs) {
      this.#waiting.set(key, dueMs);
      this.#wake();
    }
  }

  /** Until the signal; resolves when what was going on has ended, and nothing waits any more. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true;
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    const tasks = new Set<Promise<void>>();
    while (!signal.aborted) {
      const now = performance.now();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const [key, dueMs] of this.#waiting) {
        if (this.#working.size >= this.#options.workers) break;
        if (this.#working.has(key)) continue;
        if (dueMs > now) {
          nextMs = Math.min(nextMs, dueMs);
          continue;
        }
        this.#waiting.delete(key);
        this.#working.add(key);
        const task = this.#do(key, signal).finally(() => {
          this.#working.delete(key);
          tasks.delete(task);
          this.#wake();
        });
        tasks.add(task);
      }
      await this.#changed(nextMs - now, signal);
    }
    signal.removeEventListener('abort', wake);
    this.#running = false;
    this.#waiting.clear();
    this.#failures.clear();
    await Promise.all(tasks);
  }

  async #changed(waitMs: number, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const timed = Number.isFinite(waitMs)
      ? delay(Math.max(0, waitMs), undefined, { signal: timer.signal }).catch(() => undefined)
      : woken;
    if (!signal.aborted) await Promise.race([woken, timed]);
    timer.abort();
  }

  async #do(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.work(key, signal);
      this.#failures.delete(key);
      this.done++;
    } catch (error) {
      if (signal.aborted) return;
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const again = error instanceof AgainError && failures < 5;
      if (!again) {
        this.failed++;
        this.#options.onFailure(key, error, failures);
      }
      // The server may say when it wants to be asked again.
      const asked = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
      const waitMs = again ? 0 : Math.max(backoffMs(failures, this.#options.backoff), asked);
      const dueMs = performance.now() + waitMs;
      // What has been added meanwhile is not put off.
      if ((this.#waiting.get(key) ?? Number.POSITIVE_INFINITY) > dueMs) this.#waiting.set(key, dueMs);
    }
  }
}
