/**
 * Matches of a GRPCRoute by headers alone whose calls go elsewhere: a match by service or method comes before any number of headers,
 * so that a rule of it that looks at no header takes those with the header as well. Who writes a canary by header seldom means that.
 *
 * Used by `route-input.ts`. A match that repeats the service or method with such a header says that this was thought of.
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

/** Whether calls with the headers of `one` go to `other`, and not to another match for its service or method that looks at them. */
function outranks(other: GrpcRouteMatch, one: GrpcRouteMatch, all: readonly Placed[]): boolean {
  if (other.method === null || other.headers.length > 0) return false;
  const key = methodKey(other.method);
  return !all.some(({ match }) => match.headers.length > 0 && methodKey(match.method) === key && isPart(match, one));
}

function methodKey(method: GrpcMethodMatch | null): string {
  return JSON.stringify([method?.type, method?.service, method?.method]);
}

/** Whether `match` asks for no header that `one` does not ask for. */
function isPart(match: GrpcRouteMatch, one: GrpcRouteMatch): boolean {
  const asked = new Set(one.headers.map(headerKey));
  return match.headers.every((header) => asked.has(headerKey(header)));
}

function headerKey({ name, type, value }: HeaderMatch): string {
  return JSON.stringify([name.toLowerCase(), type, value]);
}
