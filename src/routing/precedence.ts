/**
 * The total order in which matches are tried: the first that matches a request wins.
 *
 * Stage before: `config/attach.ts` (unordered rules). Stage after: `routing/table.ts` sorts by it, `routing/explain.ts`
 * names the criterion that decided.
 */
import type {
  CarriedRoute,
  GrpcMethodMatch,
  GrpcRouteMatch,
  HttpRouteMatch,
  PathMatchType,
  RouteMatch,
  RouteRule,
} from '../gateway-api/types.ts';

/** One entry of `rules[].matches`, with the data that breaks ties. */
export interface RankedMatch extends Ranked<RouteMatch> {
  readonly route: CarriedRoute;
  readonly rule: RouteRule;
}

interface Ranked<Match> {
  readonly route: Pick<CarriedRoute, 'creationTimestamp' | 'namespace' | 'name'>;
  readonly rule: Pick<RouteRule, 'index'>;
  readonly match: Match;
  /** Index in `rule.matches`. */
  readonly matchIndex: number;
}

/** The criterion that decided between two matches, worded to complete "wins by". */
export type PrecedenceCriterion =
  | 'type of path match'
  | 'longer path prefix'
  | 'method match'
  | 'number of header matches'
  | 'number of query parameter matches'
  | 'type of service match'
  | 'longer service'
  | 'type of method match'
  | 'longer method'
  | 'age of the route'
  | 'namespace and name of the route'
  | 'position of the rule'
  | 'position of the match';

/** Exact before RegularExpression before PathPrefix: a prefix `/` must not hide a regular expression. */
const PATH_RANK: Readonly<Record<PathMatchType, number>> = { Exact: 0, RegularExpression: 1, PathPrefix: 2 };

/** The form in which prefixes are compared: without the trailing `/`, so that `/` is empty. */
export function normalizePrefix(value: string): string {
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

function prefixLength(match: HttpRouteMatch): number {
  return match.path.type === 'PathPrefix' ? normalizePrefix(match.path.value).length : 0;
}

/** A route without a timestamp counts as younger than any route with one. */
function age(route: Ranked<unknown>['route']): number {
  return route.creationTimestamp ?? Number.POSITIVE_INFINITY;
}

function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareNames(a: Ranked<unknown>['route'], b: Ranked<unknown>['route']): number {
  const left = `${a.namespace}/${a.name}`;
  const right = `${b.namespace}/${b.name}`;
  return left < right ? -1 : left > right ? 1 : 0;
}

type Comparison<Match> = (a: Ranked<Match>, b: Ranked<Match>) => number;
type Criteria<Match> = readonly (readonly [PrecedenceCriterion, Comparison<Match>])[];

/** Tie-breakers between matches that are equally specific. */
const BETWEEN_EQUALS: Criteria<unknown> = [
  ['age of the route', (a, b) => compareNumbers(age(a.route), age(b.route))],
  ['namespace and name of the route', (a, b) => compareNames(a.route, b.route)],
  ['position of the rule', (a, b) => a.rule.index - b.rule.index],
  ['position of the match', (a, b) => a.matchIndex - b.matchIndex],
];

/** Criteria for HTTPRoutes, in the order of their priority. */
const HTTP_CRITERIA: Criteria<HttpRouteMatch> = [
  ['type of path match', (a, b) => PATH_RANK[a.match.path.type] - PATH_RANK[b.match.path.type]],
  ['longer path prefix', (a, b) => prefixLength(b.match) - prefixLength(a.match)],
  ['method match', (a, b) => Number(a.match.method === null) - Number(b.match.method === null)],
  ['number of header matches', (a, b) => b.match.headers.length - a.match.headers.length],
  ['number of query parameter matches', (a, b) => b.match.queryParams.length - a.match.queryParams.length],
  ...BETWEEN_EQUALS,
];

/**
 * Exact before RegularExpression before no name: the length of an expression says nothing about the length of a name.
 */
function nameRank(call: GrpcMethodMatch | null, part: 'service' | 'method'): number {
  if ((call?.[part] ?? null) === null) return 2;
  return call?.type === 'Exact' ? 0 : 1;
}

function nameLength(call: GrpcMethodMatch | null, part: 'service' | 'method'): number {
  return call?.[part]?.length ?? 0;
}

/** Criteria for GRPCRoutes, in the order of their priority. */
const GRPC_CRITERIA: Criteria<GrpcRouteMatch> = [
  ['type of service match', (a, b) => nameRank(a.match.method, 'service') - nameRank(b.match.method, 'service')],
  ['longer service', (a, b) => nameLength(b.match.method, 'service') - nameLength(a.match.method, 'service')],
  ['type of method match', (a, b) => nameRank(a.match.method, 'method') - nameRank(b.match.method, 'method')],
  ['longer method', (a, b) => nameLength(b.match.method, 'method') - nameLength(a.match.method, 'method')],
  ['number of header matches', (a, b) => b.match.headers.length - a.match.headers.length],
  ...BETWEEN_EQUALS,
];

/** All matches of one frontend belong to one kind of route. */
function criteriaOf({ kind }: CarriedRoute): Criteria<RouteMatch> {
  return (kind === 'GRPCRoute' ? GRPC_CRITERIA : HTTP_CRITERIA) as Criteria<unknown>;
}

/** Negative when `a` is tried before `b`. */
export function compareMatches(a: RankedMatch, b: RankedMatch): number {
  for (const [, compare] of criteriaOf(a.route)) {
    const order = compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** The first criterion by which two matches differ; null when both are the same match. */
export function decidingCriterion(a: RankedMatch, b: RankedMatch): PrecedenceCriterion | null {
  for (const [criterion, compare] of criteriaOf(a.route)) if (compare(a, b) !== 0) return criterion;
  return null;
}
