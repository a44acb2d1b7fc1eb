/**
 * A queue with a rate limit: entries wait until their time, and only a limited number is processed in a second and at
 * the same time. Entries that have waited in vain for long are slow: they get only a part of the rate and of the
 * workers, and never delay new ones.
 *
 * Used by `nudger.ts`. Bounded by the number of keys.
 */
export interface Turn {
  readonly key: string;
  dueMs: number;
  /** Low priority. Call `Turns.later` after a change. */
  slow: boolean;
  working: boolean;
}

export interface Timers {
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  readonly setTimer?: (callback: () => void, ms: number) => { unref(): unknown };
  readonly clearTimer?: (timer: { unref(): unknown }) => void;
}

export interface TurnsOptions<T> extends Timers {
  /** Turns per second; also the size of a burst. */
  readonly rate: number;
  /** Never rejects. */
  readonly work: (turn: T) => Promise<void>;
}

const WORKERS = 12;
const SLOW_WORKERS = 4;
/** Fraction of the rate. */
const SLOW_SHARE = 0.2;

/** A token bucket with a rate; it holds at least one token. */
class Bucket {
  readonly #rate: number;
  readonly #size: number;
  #tokens: number;
  #filledMs: number;

  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#size = Math.max(1, rate);
    this.#tokens = this.#size;
    this.#filledMs = now;
  }

  /** 0 when there is a token, otherwise the milliseconds until there may be one. */
  waitMs(now: number): number {
    this.#tokens = Math.min(this.#size, this.#tokens + ((now - this.#filledMs) * this.#rate) / 1_000);
    this.#filledMs = now;
    return this.#tokens >= 1 ? 0 : 1_000 / this.#rate;
  }

  take(): void {
    this.#tokens--;
  }
}

export class Turns<T extends Turn> {
  readonly #options: TurnsOptions<T>;
  readonly #now: () => number;
  readonly #fast = new Map<string, T>();
  readonly #slow = new Map<string, T>();
  readonly #all: Bucket;
  readonly #ofSlow: Bucket;
  #running = false;
  #working = 0;
  #slowWorking = 0;
  #timer: { unref(): unknown } | null = null;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(options: TurnsOptions<T>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#all = new Bucket(options.rate, this.#now());
    this.#ofSlow = new Bucket(options.rate * SLOW_SHARE, this.#now());
  }

  get size(): number {
    return this.#fast.size + this.#slow.size;
  }

  get(key: string): T | undefined {
    return this.#fast.get(key) ?? this.#slow.get(key);
  }

  *values(): Generator<T> {
    yield* this.#fast.values();
    yield* this.#slow.values();
  }

  /** Puts it after entries that may be due earlier. */
  later(turn: T): void {
    this.delete(turn.key);
    (turn.slow ? this.#slow : this.#fast).set(turn.key, turn);
  }

  delete(key: string): void {
    this.#fast.delete(key);
    this.#slow.delete(key);
  }

  start(): void {
    this.#running = true;
    this.schedule();
  }

  /** Forgets all entries. Work in progress continues. */
  stop(): void {
    this.#running = false;
    this.#fast.clear();
    this.#slow.clear();
    this.#clearTimer();
  }

  /** Processes what is due, and sets the timer for the next entry. */
  schedule(): void {
    if (!this.#running) return;
    const now = this.#now();
    const nextMs = Math.min(this.#workAt(this.#fast, now), this.#workAt(this.#slow, now));
    if (nextMs >= this.#timerMs) return;
    this.#clearTimer();
    this.#timerMs = nextMs;
    const fire = (): void => {
      this.#timer = null;
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.schedule();
    };
    this.#timer = (this.#options.setTimer ?? setTimeout)(fire, Math.max(1, Math.ceil(nextMs - now)));
    this.#timer.unref();
  }

  /**
   * Returns when the next of them is due; never when all workers are busy, because the end of their work calls this
   * again.
   */
  #workAt(turns: ReadonlyMap<string, T>, now: number): number {
    const isSlow = turns === this.#slow;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const turn of turns.values()) {
      if (this.#working >= WORKERS || (isSlow && this.#slowWorking >= SLOW_WORKERS)) break;
      if (turn.working) continue;
      if (turn.dueMs > now) {
        nextMs = Math.min(nextMs, turn.dueMs);
        continue;
      }
      const buckets = isSlow ? [this.#all, this.#ofSlow] : [this.#all];
      const waitMs = Math.max(...buckets.map((bucket) => bucket.waitMs(now)));
      if (waitMs > 0) {
        nextMs = Math.min(nextMs, now + waitMs);
        break;
      }
      for (const bucket of buckets) bucket.take();
      this.#begin(turn, isSlow ? 1 : 0);
    }
    return nextMs;
  }

  #begin(turn: T, slow: number): void {
    turn.working = true;
    this.#working++;
    this.#slowWorking += slow;
    void this.#options.work(turn).finally(() => {
      turn.working = false;
      this.#working--;
      this.#slowWorking -= slow;
      this.schedule();
    });
  }

  #clearTimer(): void {
    if (this.#timer !== null)
      (this.#options.clearTimer ?? ((timer) => clearTimeout(timer as NodeJS.Timeout)))(this.#timer);
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }
}
