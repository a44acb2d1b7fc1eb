/**
 * A work queue by key: each key is processed once at a time, again when it changed in the meantime, and later when it
 * failed. Its length is bounded by the number of keys.
 *
 * Stage before: changes of objects. Stage after: the writers. Modelled on the rate-limiting queue of client-go.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs, type BackoffOptions } from '../kube/backoff.ts';
import { KubeError } from '../kube/client.ts';

export interface WorkQueueOptions {
  /** Maximum number processed at the same time. */
  readonly workers: number;
  /** Changes within this time count as one. */
  readonly settleMs: number;
  readonly backoff: BackoffOptions;
  /** An exception is passed to `onFailure`, and the key is tried again. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (key: string, error: unknown, failures: number) => void;
}

/** Thrown by work that must be repeated at once, for instance after a conflict. */
export class AgainError extends Error {}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Keys with the earliest time at which they may be processed. Among equal times the oldest comes first. */
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

  /** Number of keys that wait or are being processed. */
  get depth(): number {
    return this.#waiting.size + this.#working.size;
  }

  get idle(): boolean {
    return this.depth === 0;
  }

  /** Nothing is queued before `run`: its caller then adds everything. */
  add(key: string): void {
    if (!this.#running) return;
    // A key that waits for a retry is tried at once, because something has changed.
    const dueMs = performance.now() + this.#options.settleMs;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || waiting > dueMs) {
      this.#waiting.set(key, dueMs);
      this.#wake();
    }
  }

  /** Runs until the signal. Resolves when the work in progress has ended; no key waits then. */
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
      // The server may state when it accepts another request.
      const asked = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
      const waitMs = again ? 0 : Math.max(backoffMs(failures, this.#options.backoff), asked);
      const dueMs = performance.now() + waitMs;
      // A key added in the meantime is not delayed.
      if ((this.#waiting.get(key) ?? Number.POSITIVE_INFINITY) > dueMs) this.#waiting.set(key, dueMs);
    }
  }
}
