/**
 * Conditions on the path of a request, like those in `values.ts` on other values: exact paths, prefixes of whole
 * elements, and regular expressions.
 *
 * Used by `guards.ts`.
 */
import type { PathMatch } from '../gateway-api/types.ts';
import { coversValue, disjointValues, headOf, quoteRegex, type ValueCondition } from './values.ts';

export const EVERY_PATH: PathMatch = { type: 'PathPrefix', value: '/' };

/** Without a trailing slash, so that `/` is empty. */
export function elementsOf({ value }: PathMatch): string {
  return value.replace(/\/$/, '');
}

/** A regular expression for the same paths. */
function prefixRegex(path: PathMatch): string {
  const elements = elementsOf(path);
  return elements === '' ? '/.*' : `${quoteRegex(elements)}(/.*)?`;
}

function isBelow(path: string, prefix: PathMatch): boolean {
  const elements = elementsOf(prefix);
  return elements === '' || path === elements || path.startsWith(`${elements}/`);
}

const isValue = (path: PathMatch): path is PathMatch & ValueCondition => path.type !== 'PathPrefix';

/** True when `a` matches every path that `b` matches. False: perhaps not. */
export function coversPath(a: PathMatch, b: PathMatch): boolean {
  if (isValue(a) && isValue(b)) return coversValue(a, b);
  if (!isValue(a)) {
    if (elementsOf(a) === '') return true;
    if (b.type !== 'RegularExpression') return isBelow(b.value, a);
    const { text, rest } = headOf(b.value);
    return rest === 'nothing' ? isBelow(text, a) : text.startsWith(`${elementsOf(a)}/`);
  }
  if (a.type === 'Exact') return false;
  const { text, rest } = headOf(a.value);
  return a.value === prefixRegex(b) || (rest === 'any' && elementsOf(b).startsWith(text) && text !== '');
}

/** True when no path matches both. False: perhaps one does. */
export function disjointPaths(a: PathMatch, b: PathMatch): boolean {
  if (isValue(a) && isValue(b)) return disjointValues(a, b);
  const [prefix, other] = isValue(a) ? [b, a] : [a, b];
  if (other.type === 'Exact') return !isBelow(other.value, prefix);
  if (other.type === 'PathPrefix') return !isBelow(elementsOf(other), prefix) && !isBelow(elementsOf(prefix), other);
  const elements = elementsOf(prefix);
  const { text, rest } = headOf(other.value);
  if (rest === 'nothing') return !isBelow(text, prefix);
  return !elements.startsWith(text) && !isBelow(text, prefix);
}

/** The paths that match both; null when there are none, undefined when it is unknown. */
export function intersectPaths(a: PathMatch, b: PathMatch): PathMatch | null | undefined {
  if (coversPath(a, b)) return b;
  if (coversPath(b, a)) return a;
  return disjointPaths(a, b) ? null : undefined;
}

const RANK = { Exact: 0, RegularExpression: 1, PathPrefix: 2 } as const;

/** A part of the paths of `a` that contains those `b` matches as well, in a form with the same precedence as `b`. */
export function strengthenPath(a: PathMatch, b: PathMatch): PathMatch {
  if (coversPath(a, b)) return b;
  if (RANK[a.type] <= RANK[b.type]) return a;
  if (b.type === 'Exact') return b;
  return { type: 'RegularExpression', value: prefixRegex(a) };
}
