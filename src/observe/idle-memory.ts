/**
 * Gives memory back when there is nothing to do: after the start, after another configuration, after a load.
 *
 * Stage before: `loop-lag.ts`, which says when there is next to no work. Stage after: the addon, which takes as long as collecting all garbage,
 * a fifth of a second with ten thousand rules: so it is asked only where there is something to be had. A request that comes meanwhile has
 * to wait, so where some still come, one by one, it is asked only where there is much.
 */
import { readFileSync } from 'node:fs';

/** More than it was when memory was given back last, in bytes of what no file stands behind. */
const WORTH_BYTES = 2 * 1024 * 1024;
const WORTH_A_WAIT_BYTES = 16 * 1024 * 1024;
const PAGE_BYTES = 4096;

export interface IdleMemoryOptions {
  readonly giveBack: () => void;
  /** Another number after each request, and after whatever else might have had to wait. */
  readonly activity: () => number;
  /** Default: what the kernel says. */
  readonly anonymousBytes?: () => number;
}

export class IdleMemory {
  readonly #giveBack: () => void;
  readonly #activity: () => number;
  readonly #anonymousBytes: () => number;
  /** After the last time, or since, where there was less. */
  #keptBytes = 0;
  /** When this was looked at last. */
  #seenActivity: number;

  constructor(options: IdleMemoryOptions) {
    this.#giveBack = options.giveBack;
    this.#activity = options.activity;
    this.#seenActivity = options.activity();
    this.#anonymousBytes = options.anonymousBytes ?? anonymousBytes;
  }

  /** There is next to no work. Called every other second for as long as that is so. */
  quiet(): void {
    const activity = this.#activity();
    // What a start has left behind goes at once.
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

/** Resident without the pages of files; in pages of 4 KiB, which are as good a unit where they are larger. */
function anonymousBytes(): number {
  const [, resident = 0, shared = 0] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number);
  return (resident - shared) * PAGE_BYTES;
}
