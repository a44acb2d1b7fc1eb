/**
 * Gives memory back when there is nothing to do: after the start, after another configuration, after a load.
 *
 * Stage before: `loop-lag.ts`, which says when nobody waits. Stage after: the addon, which takes as long as collecting all garbage: so it is
 * asked only where there is something to be had.
 */
import { readFileSync } from 'node:fs';

/** More than it was when memory was given back last, in bytes of what no file stands behind. */
const WORTH_BYTES = 2 * 1024 * 1024;
const PAGE_BYTES = 4096;

export interface IdleMemoryOptions {
  readonly giveBack: () => void;
  /** Default: what the kernel says. */
  readonly anonymousBytes?: () => number;
}

export class IdleMemory {
  readonly #giveBack: () => void;
  readonly #anonymousBytes: () => number;
  /** After the last time. */
  #keptBytes = 0;

  constructor(options: IdleMemoryOptions) {
    this.#giveBack = options.giveBack;
    this.#anonymousBytes = options.anonymousBytes ?? anonymousBytes;
  }

  /** Nobody waits. */
  quiet(): void {
    if (this.#anonymousBytes() < this.#keptBytes + WORTH_BYTES) return;
    this.#giveBack();
    this.#keptBytes = this.#anonymousBytes();
  }
}

/** Resident without the pages of files; in pages of 4 KiB, which are as good a unit where they are larger. */
function anonymousBytes(): number {
  const [, resident = 0, shared = 0] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number);
  return (resident - shared) * PAGE_BYTES;
}
