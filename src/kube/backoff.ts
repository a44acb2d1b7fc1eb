/**
 * Waiting times after failures: longer each time, and random, so that clients that failed together do not retry
 * together.
 *
 * Used by watches, writers and the election.
 */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly mostMs: number;
  /** Returns a number from 0 to 1. */
  readonly random?: () => number;
}

const FACTOR = 2;
/** Maximum random addition, as a fraction of the wait. */
const JITTER = 0.5;

/** The wait after this number of consecutive failures, from 1 on, in milliseconds. */
export function backoffMs(failures: number, { firstMs, mostMs, random = Math.random }: BackoffOptions): number {
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  const wait = Math.min(firstMs * FACTOR ** exponent, mostMs);
  return Math.round(wait * (1 + JITTER * random()));
}
