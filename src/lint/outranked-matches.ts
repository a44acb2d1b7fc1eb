/**
 * Finds matches of a GRPCRoute that have only headers and whose calls go elsewhere: a match by service or method
 * outranks any number of headers, so a rule with such a match and no headers also takes the calls with the header. The
 * author of a canary by header seldom intends this.
 *
 * Used by `route-input.ts`. A match that repeats the service or method together with the header shows that the author
 * knows.
 */
import { problemAt } from '../config/progress.ts';
import type {
  GrpcMethodMatch,
  GrpcRoute,
  GrpcRouteMatch,
  HeaderMatch,
  Problem,
  Resource,
} from '../gateway-api/types.ts';

interface Placed {
  readonly rule: number;
  readonly match: GrpcRouteMatch;
  readonly path: string;
}

export function outrankedMatches(resources: readonly Resource[]): Problem[] {
  return resources.flatMap((resource) => (resource.kind === 'GRPCRoute' ? outrankedMatchesOf(resource) : []));
}

function outrankedMatchesOf(route: GrpcRoute): Problem[] {
  const placed = route.rules.flatMap((rule) =>
    rule.matches.map((match, index): Placed => {
      return { rule: rule.index, match, path: `spec.rules[${rule.index}].matches[${index}]` };
    }),
  );
  const byHeaders = placed.filter(({ match }) => match.method === null && match.headers.length > 0);
  return byHeaders.flatMap((one): Problem[] => {
    const [first, ...others] = placed.filter(
      (other) => other.rule !== one.rule && outranks(other.match, one.match, placed),
    );
    if (first === undefined) return [];
    const which = others.length === 0 ? `${first.path} matches` : `${first.path} and ${others.length} more match`;
    const message =
      `takes no call that ${which}, whatever its headers: a service or method comes before any number of headers; ` +
      'to take them, say the same method here as well';
    return [{ ...problemAt(route, one.path), severity: 'warning', code: 'outranked-match', message }];
  });
}

/**
 * True when calls with the headers of `one` go to `other`, and not to another match for its service or method that
 * tests these headers.
 */
function outranks(other: GrpcRouteMatch, one: GrpcRouteMatch, all: readonly Placed[]): boolean {
  if (other.method === null || other.headers.length > 0) return false;
  const key = methodKey(other.method);
  return !all.some(({ match }) => match.headers.length > 0 && methodKey(match.method) === key && isPart(match, one));
}

function methodKey(method: GrpcMethodMatch | null): string {
  return JSON.stringify([method?.type, method?.service, method?.method]);
}

/** True when `match` requires only headers that `one` requires, too. */
function isPart(match: GrpcRouteMatch, one: GrpcRouteMatch): boolean {
  const asked = new Set(one.headers.map(headerKey));
  return match.headers.every((header) => asked.has(headerKey(header)));
}

function headerKey({ name, type, value }: HeaderMatch): string {
  return JSON.stringify([name.toLowerCase(), type, value]);
}
