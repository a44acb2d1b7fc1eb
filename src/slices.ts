/**
 * Divides long work into slices, so that a reload does not delay requests on the same thread.
 *
 * Work is written as a generator that yields wherever it may pause, at least a few times per millisecond. Commands and
 * tests run it without pauses, the sidecar for a few milliseconds in each turn of the event loop. Used by every stage
 * from the text of a route file to its table.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Work that may pause at each `yield`. If it yields a promise, it pauses until that is fulfilled. Its return value is
 * the result.
 */
export type Steps<T> = Generator<Promise<void> | undefined, T, undefined>;

/** Runs the work to its end without pauses and without waiting for promises. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

export interface SlicerOptions {
  /** Duration of a slice in milliseconds, after which the event loop turns. Default: `DEFAULT_SLICE_MS`. */
  readonly sliceMs?: number;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  /** Resolves when all other waiting work has had its turn. */
  readonly pause?: () => Promise<unknown>;
  /** Aborts the work at its next pause. */
  readonly signal?: AbortSignal;
}

/** A request waits for at most one slice, and possibly for a garbage collection. */
export const DEFAULT_SLICE_MS = 4;

/** Runs work in slices. Several simultaneous pieces of work share the event loop, each with its own slices. */
export class Slicer {
  readonly #sliceMs: number;
  readonly #now: () => number;
  readonly #pause: () => Promise<unknown>;
  readonly #signal: AbortSignal | null;

  constructor(options: SlicerOptions = {}) {
    this.#sliceMs = options.sliceMs ?? DEFAULT_SLICE_MS;
    this.#now = options.now ?? (() => performance.now());
    this.#pause = options.pause ?? (() => nextTurn());
    this.#signal = options.signal ?? null;
  }

  /**
   * Rejects with the exception of the work, or with the reason of the signal when it is aborted; the work then runs
   * only its `finally` blocks.
   */
  async run<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      // Also before the first slice, because the caller may have just used up a slice of its own.
      await this.#pause();
      if (this.#signal?.aborted === true) {
        steps.return(undefined as T);
        throw this.#signal.reason;
      }
      const endMs = this.#now() + this.#sliceMs;
      do {
        const step = steps.next();
        if (step.done === true) return step.value;
        if (step.value !== undefined) {
          try {
            await step.value;
          } catch (error) {
            steps.throw(error);
            throw error;
          }
          break;
        }
      } while (this.#now() < endMs);
    }
  }
}

/** Elements handled between two pauses: a fraction of a millisecond. */
const SORTED_RUN = 128;
const MERGED_RUN = 512;

/** A sorted copy; stable. `Array.prototype.sort` cannot pause. */
export function* sortInSteps<T>(items: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let from: T[] = [];
  for (let start = 0; start < items.length; start += SORTED_RUN) {
    for (const item of items.slice(start, start + SORTED_RUN).sort(compare)) from.push(item);
    yield;
  }
  let to = new Array<T>(from.length);
  for (let width = SORTED_RUN; width < from.length; width *= 2) {
    for (let start = 0; start < from.length; start += 2 * width) {
      yield* mergeInSteps(from, to, start, Math.min(start + width, from.length), start + 2 * width, compare);
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Merges `from[start, middle)` and `from[middle, end)` into the same range of `to`. */
function* mergeInSteps<T>(
  from: readonly T[],
  to: T[],
  start: number,
  middle: number,
  end: number,
  compare: (a: T, b: T) => number,
): Steps<void> {
  const stop = Math.min(end, from.length);
  let left = start;
  let right = middle;
  for (let at = start; at < stop; at++) {
    const takeLeft = right >= stop || (left < middle && compare(from[left]!, from[right]!) <= 0);
    to[at] = takeLeft ? from[left++]! : from[right++]!;
    if (at % MERGED_RUN === 0) yield;
  }
}
