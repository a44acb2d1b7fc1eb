/**
 * Finds the place of a match in its frontend by the path it asks for: an exact path or a prefix, found through an
 * index, or the patterns, which are tried one by one.
 *
 * Stage before: `gateway-api`, with a match as it is written. Stage after: `table.ts`, which fills the index, and
 * `match-list.ts`, which tests patterns.
 *
 * A gRPC call is a request for the path `/service/method`. The precedence of a GRPCRoute first compares the characters
 * of the service. So an exact service name, which is a prefix of the path, comes before the patterns; a prefix of an
 * HTTPRoute comes after them.
 */
import type { GrpcMethodMatch, PathMatch, RouteMatch } from '../gateway-api/types.ts';
import { compileRegex } from '../regex/regex.ts';
import { CallPattern } from './grpc-call.ts';
import { normalizePrefix } from './precedence.ts';
import { toWire } from './predicates.ts';

export interface IndexedPath {
  /** A string with one character for each byte; a prefix without its trailing `/`. */
  readonly path: string;
  /** False: a prefix. */
  readonly exact: boolean;
  /** Its matches outrank the patterns of the frontend. */
  readonly beforePatterns: boolean;
}

/** A condition on the path that no index can check. */
export interface PathPattern {
  /** `path`: raw, without the query. Hot path: bench/micro/decide.ts. */
  matches(path: string): boolean;
}

const EVERY_PATH: IndexedPath = { path: '', exact: false, beforePatterns: false };

/** Null for a match with a pattern. */
export function placeOf(match: RouteMatch): IndexedPath | null {
  return 'path' in match ? placeOfPath(match.path) : placeOfCall(match.method);
}

/** Null for a match that is indexed. */
export function patternOf(match: RouteMatch): PathPattern | null {
  if ('path' in match) return match.path.type === 'RegularExpression' ? compileRegex(match.path.value) : null;
  return match.method === null || placeOfCall(match.method) !== null ? null : new CallPattern(match.method);
}

function placeOfPath({ type, value }: PathMatch): IndexedPath | null {
  switch (type) {
    case 'Exact':
      return { path: toWire(value), exact: true, beforePatterns: true };
    case 'PathPrefix':
      return { path: normalizePrefix(toWire(value)), exact: false, beforePatterns: false };
    case 'RegularExpression':
      return null;
  }
}

function placeOfCall(call: GrpcMethodMatch | null): IndexedPath | null {
  if (call === null) return EVERY_PATH;
  const { type, service, method } = call;
  if (type === 'RegularExpression' || service === null) return null;
  const path = method === null ? `/${service}` : `/${service}/${method}`;
  return { path: toWire(path), exact: method !== null, beforePatterns: true };
}
