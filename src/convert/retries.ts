/**
 * Timeouts and retries of a rule of a VirtualService.
 *
 * Used by `http-rule.ts`.
 */
import { formatDuration } from '../gateway-api/durations.ts';
import type { Fields } from '../gateway-api/fields.ts';
import type { Findings } from './findings.ts';
import type { Json } from './model.ts';
import { duration } from './scalars.ts';

const RETRY_FIELDS = [
  'attempts',
  'perTryTimeout',
  'retryOn',
  'retryRemoteLocalities',
  'retryIgnorePreviousHosts',
  'backoff',
];
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Retry conditions of Envoy that correspond to status codes. */
const CODES: Readonly<Record<string, readonly number[]>> = {
  '5xx': range(500, 599),
  'gateway-error': [502, 503, 504],
  'retriable-4xx': [409],
};
/** Conditions that sideroute always retries. */
const ALWAYS = ['connect-failure', 'refused-stream', 'reset-before-request'];
/** Words that refer to status codes listed with them. */
const CODE_WORDS = ['retriable-status-codes'];
/** Default of Istio when only attempts are given. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled';

export function readResilience(rule: Fields, findings: Findings): { timeouts: Json | null; retry: Json | null } {
  const timeoutMs = duration(rule, 'timeout', findings);
  const item = rule.fields('retries');
  if (item === null) return { timeouts: timeouts(timeoutMs, null), retry: null };
  item.only(RETRY_FIELDS);
  const attempts = item.integer('attempts', 0, 2_147_483_647) ?? 0;
  const perTryMs = duration(item, 'perTryTimeout', findings);
  const backoffMs = duration(item, 'backoff', findings);
  if (attempts === 0) return { timeouts: timeouts(timeoutMs, null), retry: null };
  const retryOn = item.string('retryOn');
  const codes = readCodes(item, retryOn ?? DEFAULT_RETRY_ON, findings);
  const limited = perTryMs !== null && perTryMs > 0;
  if (limited && !/5xx|gateway-error|504/.test(retryOn ?? '')) {
    const why = 'an attempt that takes longer is tried again here; in Istio only with 5xx or gateway-error in retryOn';
    findings.differs('retry-differs', item, 'perTryTimeout', why);
  }
  for (const name of ['retryRemoteLocalities', 'retryIgnorePreviousHosts']) {
    if (item.has(name))
      findings.differs('retry-differs', item, name, 'which pod gets the next try, kube-proxy chooses');
  }
  return {
    timeouts: timeouts(timeoutMs, perTryMs),
    retry: {
      attempts,
      ...(codes.length > 0 ? { codes } : {}),
      ...(backoffMs === null ? {} : { backoff: formatDuration(backoffMs) }),
    },
  };
}

function timeouts(requestMs: number | null, perTryMs: number | null): Json | null {
  // A try cannot last longer than the request.
  const limited = requestMs !== null && requestMs > 0 && perTryMs !== null && perTryMs > requestMs;
  const both = {
    ...(requestMs === null ? {} : { request: formatDuration(requestMs) }),
    ...(perTryMs === null || perTryMs === 0 || limited ? {} : { backendRequest: formatDuration(perTryMs) }),
  };
  return Object.keys(both).length === 0 ? null : both;
}

function readCodes(item: Fields, retryOn: string, findings: Findings): number[] {
  const words = retryOn.split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
  const codes = new Set<number>();
  const unsaid: string[] = [];
  for (const word of words) {
    const status = /^[45]\d\d$/.test(word) ? Number(word) : null;
    if (status !== null) codes.add(status);
    else if (word in CODES) for (const code of CODES[word]!) codes.add(code);
    else if (!ALWAYS.includes(word) && !CODE_WORDS.includes(word)) unsaid.push(word);
  }
  if (unsaid.length > 0) {
    const why = `${unsaid.join(', ')}: retries of Gateway API know status codes of HTTP; failed connections are tried again beside them`;
    if (item.has('retryOn')) findings.differs('retry-differs', item, 'retryOn', why);
    else
      findings.note(
        'retry-by-default',
        item,
        '',
        `without retryOn, Istio also retries by codes of gRPC (${unsaid.join(', ')})`,
      );
  }
  return [...codes].sort((a, b) => a - b);
}
