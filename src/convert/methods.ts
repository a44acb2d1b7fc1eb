/**
 * Conditions on the request method: a match of the Gateway API names one of nine methods.
 *
 * Used by the readers of rules.
 */
import { METHODS } from '../gateway-api/matches.ts';
import type { HttpMethod } from '../gateway-api/types.ts';
import type { TextMatch } from './scalars.ts';
import { quoteRegex, regexMatches } from './values.ts';

export interface MethodChoice {
  /** One match is needed for each. */
  readonly methods: readonly HttpMethod[];
  /** True when further methods may match. */
  readonly others: boolean;
}

/** Null: any method. */
export function methodsOf(match: TextMatch): MethodChoice | null {
  if (match.kind === 'present') return null;
  const words = literalsOf(match);
  if (words !== null) {
    const methods = METHODS.filter((method) => words.includes(method));
    return { methods, others: words.some((word) => !(METHODS as readonly string[]).includes(word)) };
  }
  const regex = match.kind === 'prefix' ? `${quoteRegex(match.value)}.*` : match.value;
  if (regex === '.*' || regex === '.+') return null;
  return { methods: METHODS.filter((method) => regexMatches(regex, method)), others: true };
}

/** The words of `GET` or `GET|POST`, with or without parentheses; null for any other expression. */
function literalsOf(match: Exclude<TextMatch, { kind: 'present' }>): readonly string[] | null {
  if (match.kind === 'prefix') return null;
  if (match.kind === 'exact') return [match.value];
  const inner = /^\^?\((?:\?:)?([A-Z|]+)\)\$?$/.exec(match.value)?.[1] ?? match.value;
  return /^[A-Z]+(\|[A-Z]+)*$/.test(inner) ? inner.split('|') : null;
}
