/**
 * How long to wait after a failure: longer each time, and never the same for two that failed together.
 *
 * Used by watches, writers and the election.
 */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly mostMs: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

const FACTOR = 2;
/** Added at random, as a part of the wait. */
const JITTER = 0.5;

/** The wait after `failures` failures in a row, from 1 on. */
export function backoffMs(failures: number, { firstMs, mostMs, random = Math.random }: BackoffOptions): number {
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  const wait = Math.min(firstMs * FACTOR ** exponent, mostMs);
  return Math.round(wait * (1 + JITTER * random()));
}
