/**
 * Reads values as Istio and Linkerd write them: Go durations, decimal numbers, maps of texts, and texts to match.
 *
 * Used by the readers of rules.
 */
import type { Fields } from '../gateway-api/fields.ts';
import { validateRegex } from '../regex/regex.ts';
import type { Findings } from './findings.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const GO_DURATION = /^(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+$/;

/** Milliseconds; null when absent or unreadable, which is reported. */
export function duration(fields: Fields, name: string, findings: Findings): number | null {
  const text = fields.string(name);
  if (text === null) return null;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)/g))
    sum += Number(number) * UNIT_MS[unit!]!;
  // Floating-point sums of fractions are not exact.
  const durationMs = Math.round(sum);
  if (!GO_DURATION.test(text) || Math.abs(sum - durationMs) > 1e-6 || durationMs > 99_999 * 3_600_000) {
    findings.error(
      'bad-duration',
      fields,
      name,
      `must be a duration of whole milliseconds such as 1m30s or 0.5s, got "${text}"`,
    );
    return null;
  }
  return durationMs;
}

/** A number with or without a fraction; null when absent or invalid, which is reported. */
export function decimal(fields: Fields, name: string): number | null {
  const tree = fields.tree(name);
  if (tree === null) return null;
  if (tree.type === 'scalar' && typeof tree.value === 'number') return tree.value;
  fields.error(name, 'wrong-type', 'must be a number');
  return null;
}

/** A mapping of texts, in its order. */
export function textMap(fields: Fields, name: string): [string, string][] {
  const map = fields.fields(name);
  if (map === null) return [];
  return map.names().flatMap((key) => {
    const value = map.string(key);
    return value === null ? [] : [[key, value] as [string, string]];
  });
}

export type TextMatch =
  { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string } | { readonly kind: 'present' };

/**
 * The condition on a text; null when unreadable, which is reported. A mapping without any field requires only presence.
 */
export function textMatch(fields: Fields, name: string, findings: Findings): TextMatch | null {
  if (!fields.has(name)) return { kind: 'present' };
  const item = fields.fields(name);
  if (item === null) return null;
  item.only(['exact', 'prefix', 'regex']);
  const kinds = (['exact', 'prefix', 'regex'] as const).filter((kind) => item.has(kind));
  const [kind] = kinds;
  if (kind === undefined) return { kind: 'present' };
  if (kinds.length > 1) {
    findings.error('bad-value', item, kinds[1]!, `must not stand beside ${kind}: one of exact, prefix and regex`);
    return null;
  }
  const value = item.string(kind);
  if (value === null) return null;
  // Istio reads `*` not as an expression but as "present".
  if (kind === 'regex' && value === '*') return { kind: 'present' };
  if (kind === 'regex') {
    const { fault } = validateRegex(value);
    if (fault !== null) {
      findings.error('bad-value', item, kind, `is no regular expression: ${fault}`);
      return null;
    }
  }
  return { kind, value };
}
