/**
 * Where a match stands among those of its frontend by the path it asks for: under an exact path or a prefix, where an index finds
 * it, or among the patterns, which are tried one after the other.
 *
 * Stage before: `gateway-api`, with a match as it is written. Stage after: `table.ts`, which fills the index, and `match-list.ts`,
 * which tests patterns.
 */
import type { HttpRouteMatch } from '../gateway-api/types.ts';
import { compileRegex } from '../regex/regex.ts';
import { normalizePrefix } from './precedence.ts';
import { toWire } from './predicates.ts';

export interface IndexedPath {
  /** As bytes; a prefix without its trailing `/`. */
  readonly path: string;
  /** False: a prefix. */
  readonly exact: boolean;
  /** Its matches outrank the patterns of the frontend. */
  readonly beforePatterns: boolean;
}

/** What a match asks of a path that no index can tell. */
export interface PathPattern {
  /** `path`: raw, without the query. Hot path: bench/micro/decide.ts. */
  matches(path: string): boolean;
}

/** Null for a match with a pattern. */
export function placeOf({ path: { type, value } }: HttpRouteMatch): IndexedPath | null {
  switch (type) {
    case 'Exact':
      return { path: toWire(value), exact: true, beforePatterns: true };
    case 'PathPrefix':
      return { path: normalizePrefix(toWire(value)), exact: false, beforePatterns: false };
    case 'RegularExpression':
      return null;
  }
}

/** Null for a match that is indexed. */
export function patternOf({ path: { type, value } }: HttpRouteMatch): PathPattern | null {
  return type === 'RegularExpression' ? compileRegex(value) : null;
}
