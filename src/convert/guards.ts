/**
 * The conditions under which an entry applies to a request: Gateway API matches, with operations on two of them.
 *
 * Used by `negations.ts` and `order.ts`.
 */
import type { HeaderMatch, HttpRouteMatch } from '../gateway-api/types.ts';
import { coversPath, disjointPaths, EVERY_PATH, intersectPaths, strengthenPath } from './paths.ts';
import { coversValue, disjointValues, intersectValues } from './values.ts';

export type Guard = HttpRouteMatch;

export const EVERY_REQUEST: Guard = { path: EVERY_PATH, headers: [], queryParams: [], method: null };

const LISTS = ['headers', 'queryParams'] as const;

function named(list: readonly HeaderMatch[], name: string): HeaderMatch | undefined {
  return list.find((other) => other.name === name);
}

/** True when `a` takes every request that `b` takes. False: perhaps not. */
export function covers(a: Guard, b: Guard): boolean {
  if (a.method !== null && a.method !== b.method) return false;
  if (!coversPath(a.path, b.path)) return false;
  return LISTS.every((list) =>
    a[list].every((condition) => {
      const other = named(b[list], condition.name);
      return other !== undefined && coversValue(condition, other);
    }),
  );
}

/** True when no request is taken by both. False: perhaps one is. */
export function disjoint(a: Guard, b: Guard): boolean {
  if (a.method !== null && b.method !== null && a.method !== b.method) return true;
  if (disjointPaths(a.path, b.path)) return true;
  return LISTS.some((list) =>
    a[list].some((condition) => {
      const other = named(b[list], condition.name);
      return other !== undefined && disjointValues(condition, other);
    }),
  );
}

/** The requests that both take; null when there are none, undefined when it is unknown. */
export function intersect(a: Guard, b: Guard): Guard | null | undefined {
  if (disjoint(a, b)) return null;
  const path = intersectPaths(a.path, b.path);
  if (path === null || path === undefined) return path;
  const lists: Record<(typeof LISTS)[number], HeaderMatch[]> = { headers: [], queryParams: [] };
  for (const list of LISTS) {
    for (const condition of a[list]) {
      const other = named(b[list], condition.name);
      const both = other === undefined ? condition : intersectValues(condition, other);
      if (both === null || both === undefined) return both;
      lists[list].push(both);
    }
    lists[list].push(...b[list].filter(({ name }) => named(a[list], name) === undefined));
  }
  return { path, method: a.method ?? b.method, ...lists };
}

/**
 * A part of `a` that contains all requests which `b` takes as well, with the same precedence as `b`: it has the
 * conditions of `b` wherever `a` has none.
 */
export function strengthen(a: Guard, b: Guard): Guard {
  const union = (list: (typeof LISTS)[number]): readonly HeaderMatch[] => [
    ...a[list],
    ...b[list].filter(({ name }) => named(a[list], name) === undefined),
  ];
  return {
    path: strengthenPath(a.path, b.path),
    method: a.method ?? b.method,
    headers: union('headers'),
    queryParams: union('queryParams'),
  };
}
