/**
 * Gives memory back when there is nothing to do: after the start, after another configuration, after a load.
 *
 * Stage before: `loop-lag.ts`, which reports when there is almost no work. Stage after: the addon. Returning memory
 * takes as long as a full garbage collection, a fifth of a second with ten thousand rules. So it is done only when it
 * is worth it. A request that arrives meanwhile has to wait, so while single requests still arrive it is done only for
 * a large gain.
 */
import { readFileSync } from 'node:fs';

/** Minimum growth since memory was last returned, in bytes of anonymous memory. */
const WORTH_BYTES = 2 * 1024 * 1024;
const WORTH_A_WAIT_BYTES = 16 * 1024 * 1024;
const PAGE_BYTES = 4096;

export interface IdleMemoryOptions {
  readonly giveBack: () => void;
  /** Changes with each request and everything else that could have had to wait. */
  readonly activity: () => number;
  /** Default: as reported by the kernel. */
  readonly anonymousBytes?: () => number;
}

export class IdleMemory {
  readonly #giveBack: () => void;
  readonly #activity: () => number;
  readonly #anonymousBytes: () => number;
  /** The lowest value since memory was last returned. */
  #keptBytes = 0;
  /** Activity at the last call. */
  #seenActivity: number;

  constructor(options: IdleMemoryOptions) {
    this.#giveBack = options.giveBack;
    this.#activity = options.activity;
    this.#seenActivity = options.activity();
    this.#anonymousBytes = options.anonymousBytes ?? anonymousBytes;
  }

  /** There is almost no work. Called every two seconds while this lasts. */
  quiet(): void {
    const activity = this.#activity();
    // Memory left over from the start is returned at once.
    const nobodyWaits = activity === this.#seenActivity || this.#keptBytes === 0;
    const worthBytes = nobodyWaits ? WORTH_BYTES : WORTH_A_WAIT_BYTES;
    this.#seenActivity = activity;
    const bytes = this.#anonymousBytes();
    this.#keptBytes = Math.min(this.#keptBytes, bytes);
    if (bytes < this.#keptBytes + worthBytes) return;
    this.#giveBack();
    this.#keptBytes = this.#anonymousBytes();
  }
}

/**
 * Resident memory without file pages. Counted in pages of 4 KiB; with larger pages the result is too small by a
 * constant factor, which does not matter.
 */
function anonymousBytes(): number {
  const [, resident = 0, shared = 0] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number);
  return (resident - shared) * PAGE_BYTES;
}
