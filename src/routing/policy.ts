/**
 * Timeouts and retries of a rule in the form engines use.
 *
 * Stage before: `rule.ts`. Stage after: `ForwardDecision.policy`.
 */
import type { HttpRouteRetry, RouteRule } from '../gateway-api/types.ts';
import type { ForwardPolicy, RetryPolicy } from './decision.ts';

/** The maximum of a Node timer, about 25 days. The API allows 45 years. */
const MAX_MS = 2_147_483_647;
/** Outcomes store the number of retries in 16 bits. The API has no limit. */
const MAX_ATTEMPTS = 65_535;
const DEFAULT_BACKOFF_MS = 25;
/** Without any wait, retries would turn a burst of failures into a burst of requests. */
const MIN_BACKOFF_MS = 1;

/** Null when the rule has no limit and no retries. */
export function compilePolicy({ timeouts, retry }: Pick<RouteRule, 'timeouts' | 'retry'>): ForwardPolicy | null {
  const requestTimeoutMs = limit(timeouts.requestMs);
  const attemptTimeoutMs = limit(timeouts.backendRequestMs);
  // Zero attempts turn off the retries of the rule and also those an engine makes by itself.
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
