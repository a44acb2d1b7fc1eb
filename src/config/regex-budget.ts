/**
 * Limits the total size of the regular expressions of all routes. Each route has its own limit
 * (`gateway-api/limits.ts`), but the number of routes is not limited.
 *
 * Stage before: `attach.ts`, with each route once. Stage after: the same, with a `RefusedRoute` for each route beyond
 * the limit.
 */
import { regexesOf } from '../gateway-api/match-regexes.ts';
import type { CarriedRoute, Problem, Resource } from '../gateway-api/types.ts';
import { scanRegex } from '../regex/syntax.ts';
import type { Steps } from '../slices.ts';
import { problemAt } from './progress.ts';
import { isCarriedRoute } from './support.ts';

/** Counted in instructions of about a hundred bytes each. */
export const MAX_REGEX_SIZE = 524_288;

/** Instructions by expression, computed once for each route. A route stays the same object as long as its file does. */
const sizes = new WeakMap<CarriedRoute, ReadonlyMap<string, number>>();

function sizesOf(route: CarriedRoute): ReadonlyMap<string, number> {
  const known = sizes.get(route);
  if (known !== undefined) return known;
  const found = new Map<string, number>();
  for (const { matches } of route.rules) {
    for (const source of matches.flatMap(regexesOf)) {
      if (!found.has(source)) found.set(source, scanRegex(source).size);
    }
  }
  sizes.set(route, found);
  return found;
}

/** `resources`: in file order, which decides which of them fit. Equal expressions count once. */
export function* withinRegexBudget(resources: readonly Resource[], problems: Problem[]): Steps<Resource[]> {
  const counted = new Set<string>();
  let total = 0;
  const kept: Resource[] = [];
  for (const resource of resources) {
    yield;
    if (!isCarriedRoute(resource)) {
      kept.push(resource);
      continue;
    }
    const added = [...sizesOf(resource)].filter(([source]) => !counted.has(source));
    const size = added.reduce((sum, [, each]) => sum + each, 0);
    if (total + size <= MAX_REGEX_SIZE) {
      total += size;
      for (const [source] of added) counted.add(source);
      kept.push(resource);
      continue;
    }
    const message =
      `the regular expressions of all routes must have at most ${MAX_REGEX_SIZE} instructions together; those of the routes ` +
      `before this one have ${total}, and it has ${size}`;
    problems.push({ ...problemAt(resource, 'spec.rules'), severity: 'error', code: 'too-many-regexes', message });
    const { kind: routeKind, namespace, name, generation, parentRefs, source } = resource;
    kept.push({
      ...{ kind: 'RefusedRoute', routeKind, namespace, name, generation, parentRefs },
      ...{ reason: 'Invalid', message, source },
    });
  }
  return kept;
}
