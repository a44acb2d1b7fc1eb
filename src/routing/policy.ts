/**
 * Timeouts and retries of a rule as engines carry them out.
 *
 * Stage before: `rule.ts`. Stage after: `ForwardDecision.policy`.
 */
import type { HttpRouteRetry, RouteRule } from '../gateway-api/types.ts';
import type { ForwardPolicy, RetryPolicy } from './decision.ts';

/** What timers take, about 25 days. The API allows 45 years. */
const MAX_MS = 2_147_483_647;
/** Outcomes count retries in 16 bits. The API has no limit. */
const MAX_ATTEMPTS = 65_535;
const DEFAULT_BACKOFF_MS = 25;
/** A retry without any wait would make a burst of failures one of requests. */
const MIN_BACKOFF_MS = 1;

/** Null when the rule limits nothing and tries once. */
export function compilePolicy({ timeouts, retry }: Pick<RouteRule, 'timeouts' | 'retry'>): ForwardPolicy | null {
  const requestTimeoutMs = limit(timeouts.requestMs);
  const attemptTimeoutMs = limit(timeouts.backendRequestMs);
  // Zero attempts turn off everything that a retry stanza stands for, and what an engine would do of its own accord.
  if (retry?.attempts === 0) return { requestTimeoutMs, attemptTimeoutMs, retry: null, once: true };
  if (requestTimeoutMs === 0 && attemptTimeoutMs === 0 && retry === null) return null;
  return { requestTimeoutMs, attemptTimeoutMs, retry: retry === null ? null : compileRetry(retry) };
}

/** Absent and zero both mean no limit. */
function limit(durationMs: number | null): number {
  return Math.min(durationMs ?? 0, MAX_MS);
}

function compileRetry({ attempts, codes, backoffMs }: HttpRouteRetry): RetryPolicy {
  return {
    attempts: Math.min(attempts, MAX_ATTEMPTS),
    codes,
    backoffMs: Math.min(Math.max(backoffMs ?? DEFAULT_BACKOFF_MS, MIN_BACKOFF_MS), MAX_MS),
  };
}
