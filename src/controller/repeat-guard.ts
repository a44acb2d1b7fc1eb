/**
 * Slows down two programs that undo each other's writes: a repeated write has to wait, longer each time.
 *
 * Used by the writers, before they write.
 */
interface Repeated {
  readonly fingerprint: string;
  readonly count: number;
  readonly lastMs: number;
}

/** This many repetitions are free: manual edits are corrected at once. */
const FREE = 3;
const FIRST_WAIT_MS = 2_000;
const MOST_WAIT_MS = 300_000;
/** A write that has lasted this long does not count as undone. */
const FORGET_MS = 600_000;
const MAX_KEYS = 10_000;

export class RepeatGuard {
  readonly #now: () => number;
  /** The key whose write is oldest comes first. */
  readonly #keys = new Map<string, Repeated>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How long this write has to wait, in milliseconds; 0: not at all. */
  waitMs(key: string, fingerprint: string): number {
    const { count, lastMs } = this.#last(key, fingerprint);
    if (count < FREE) return 0;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(count - FREE, 20), MOST_WAIT_MS);
    return Math.max(0, lastMs + wait - this.#now());
  }

  /** Must be called after a successful write. A failed write does not count as a repetition. */
  written(key: string, fingerprint: string): void {
    const { count } = this.#last(key, fingerprint);
    this.#keys.delete(key);
    this.#keys.set(key, { fingerprint, count: count + 1, lastMs: this.#now() });
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size <= MAX_KEYS) break;
      this.#keys.delete(oldest);
    }
  }

  #last(key: string, fingerprint: string): Repeated {
    const last = this.#keys.get(key);
    const isRepeated = last?.fingerprint === fingerprint && this.#now() - last.lastMs < FORGET_MS;
    return isRepeated ? last : { fingerprint, count: 0, lastMs: 0 };
  }
}
