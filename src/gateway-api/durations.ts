/**
 * Gateway API durations (GEP-2257): a subset of Go's, without fractions, signs and units below a millisecond.
 *
 * Used by `http-route.ts` to read timeouts, and wherever a duration is shown.
 */

export const DURATION = /^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/;
const COMPONENT = /([0-9]{1,5})(h|ms|m|s)/g;

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/**
 * Milliseconds of a duration such as `1h30m` or `500ms`; null when it is invalid. Components may come in any order and
 * repeat; they are added up. The maximum is 4 × 99999h, about 1.4e12 ms. A Node timer cannot take that much, so clamp
 * the value first.
 */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(COMPONENT)) totalMs += Number(digits) * (UNIT_MS[unit!] ?? 0);
  return totalMs;
}

/**
 * The Gateway API duration for a whole number of milliseconds ≥ 0: `5400000` gives `1h30m`, `0` gives `0s`. Above 99999h
 * (11 years) the result is for people only: the format has no such component.
 */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  let rest = durationMs;
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const unitMs = UNIT_MS[unit]!;
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}
