/**
 * Reads `spec` of a GRPCRoute, with the defaults and checks of an API server with the v1.7.0 CRD.
 *
 * Stage before: `documents.ts` has read apiVersion, kind and metadata. Every problem is reported; the route is usable
 * only when none of them is an error. `route-rules.ts`, `matches.ts` and `filters.ts` read what it shares with an
 * HTTPRoute.
 */
import type { Steps } from '../slices.ts';
import type { Fields } from './fields.ts';
import { GRPC_FILTER_TYPES } from './filters.ts';
import { grpcMethod, grpcRegex, grpcService, MAX_ITEMS, quote, type Check } from './limits.ts';
import { readHeaders, readType, VALUE_TYPES } from './matches.ts';
import type { RegexChecks } from './regex-checks.ts';
import { readRouteSpec, readRuleParts, type RouteSpec } from './route-rules.ts';
import type { GrpcMethodMatch, GrpcRouteMatch, GrpcRouteRule } from './types.ts';
import { exact } from './shared-objects.ts';

const RULE_FIELDS = ['name', 'matches', 'filters', 'backendRefs', 'sessionPersistence'];
const MATCH_PLACES = ['matches[].method', 'matches[].headers'];
const METHOD_PLACES = ['method.type', 'method.service'];

const EVERY_CALL: GrpcRouteMatch = { method: null, headers: [] };
const NO_LIMITS = { timeouts: { requestMs: null, backendRequestMs: null }, retry: null };
const DEFAULT_RULE: GrpcRouteRule = {
  ...{ index: 0, name: null, matches: [EVERY_CALL], filters: [], backendRefs: [] },
  ...NO_LIMITS,
};

/** Pauses on the way. Regular expressions are added to `regexes` and checked later. */
export function readGrpcRouteSpec(
  spec: Fields,
  routeNamespace: string,
  regexes: RegexChecks,
): Steps<RouteSpec<GrpcRouteRule>> {
  const read = (item: Fields, index: number) => readRule(item, index, routeNamespace, regexes);
  return readRouteSpec(spec, routeNamespace, {
    ...{ fields: RULE_FIELDS, read, absent: DEFAULT_RULE },
    ...{ minRules: 0, matchesByDefault: 0 },
  });
}

function* readRule(item: Fields, index: number, routeNamespace: string, regexes: RegexChecks): Steps<GrpcRouteRule> {
  item.only(RULE_FIELDS, MATCH_PLACES);
  const matches: GrpcRouteMatch[] = [];
  for (const match of item.list('matches', MAX_ITEMS.matches)) {
    match.only(['method', 'headers'], METHOD_PLACES);
    matches.push({ method: readMethod(match, regexes), headers: readHeaders(match, regexes) });
    yield;
  }
  const { name, filters, backendRefs } = yield* readRuleParts(item, routeNamespace, GRPC_FILTER_TYPES);
  return {
    index,
    name,
    matches: matches.length === 0 ? [EVERY_CALL] : exact(matches),
    filters: exact(filters.map(({ filter }) => filter)),
    backendRefs,
    ...NO_LIMITS,
  };
}

/** An empty expression is allowed and matches any name; an empty exact name is not allowed. */
function readMethod(match: Fields, regexes: RegexChecks): GrpcMethodMatch | null {
  const item = match.fields('method');
  if (item === null) return null;
  item.only(['type', 'service', 'method']);
  if (!item.has('service') && !item.has('method')) {
    const message = 'must name a service, a method, or both; a match without method is one of every call';
    match.error('method', 'missing-field', message);
  }
  const type = readType(item, VALUE_TYPES, 'Exact');
  if (type === null) return null;
  const text = (field: 'service' | 'method', exact: Check): string | null => {
    const value = item.string(field, type === 'Exact' ? exact : grpcRegex);
    if (value === null || value === '') return null;
    if (type === 'RegularExpression') regexes.add(item, field, value);
    else if (value.startsWith('.')) {
      const rule = `can never match: clients of gRPC send names without a dot in front; write ${quote(value.slice(1))}`;
      item.warn(field, 'never-matches', rule);
    }
    return value;
  };
  const service = text('service', grpcService);
  const method = text('method', grpcMethod);
  return service === null && method === null ? null : { type, service, method };
}
