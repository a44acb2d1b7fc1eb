/**
 * Reads `spec` of an HTTPRoute, with the defaults and checks of an API server with the v1.7.0 CRD.
 *
 * Stage before: `documents.ts` has read apiVersion, kind and metadata. Every problem is reported; the route is usable
 * only when none of them is an error.
 */
import type { Steps } from '../slices.ts';
import type { Fields } from './fields.ts';
import { HTTP_FILTER_TYPES, type FilterItem } from './filters.ts';
import { DEFAULT_MATCH, readMatches } from './matches.ts';
import type { RegexChecks } from './regex-checks.ts';
import { exact } from './shared-objects.ts';
import { readDuration, readRouteSpec, readRuleParts, type RouteSpec } from './route-rules.ts';
import type { HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteTimeouts } from './types.ts';

const RULE_FIELDS = ['name', 'matches', 'filters', 'backendRefs', 'timeouts', 'retry', 'sessionPersistence'];
const MATCH_PLACES = ['matches[].path', 'matches[].headers', 'matches[].queryParams', 'matches[].method'];

const NO_TIMEOUTS: HttpRouteTimeouts = { requestMs: null, backendRequestMs: null };
const DEFAULT_RULE: HttpRouteRule = {
  index: 0,
  name: null,
  matches: [DEFAULT_MATCH],
  filters: [],
  backendRefs: [],
  timeouts: NO_TIMEOUTS,
  retry: null,
};

/** Pauses on the way. Regular expressions are added to `regexes` and checked later. */
export function readHttpRouteSpec(
  spec: Fields,
  routeNamespace: string,
  regexes: RegexChecks,
): Steps<RouteSpec<HttpRouteRule>> {
  const read = (item: Fields, index: number) => readRule(item, index, routeNamespace, regexes);
  return readRouteSpec(spec, routeNamespace, {
    ...{ fields: RULE_FIELDS, read, absent: DEFAULT_RULE },
    ...{ minRules: 1, matchesByDefault: 1 },
  });
}

function* readRule(item: Fields, index: number, routeNamespace: string, regexes: RegexChecks): Steps<HttpRouteRule> {
  item.only(RULE_FIELDS, MATCH_PLACES);
  const matches = yield* readMatches(item, regexes);
  // An empty list of matches means the same as an absent one. But an API server counts an absent list as one match and
  // an empty list as none.
  const written = item.tree('matches');
  const counted = written?.type === 'list' && written.items.length === 0 ? [] : matches;
  const { name, filters, backendRefs } = yield* readRuleParts(item, routeNamespace, HTTP_FILTER_TYPES, (list) =>
    checkPrefixReplacement(list, counted),
  );
  const redirect = filters.find(({ filter }) => filter.type === 'RequestRedirect');
  if (redirect !== undefined && backendRefs.length > 0) {
    const message = `must be empty, because ${redirect.fields.path} redirects every request of this rule`;
    item.error('backendRefs', 'incompatible-filters', message);
  }
  return {
    index,
    name,
    matches,
    filters: exact(filters.map(({ filter }) => filter)),
    backendRefs,
    timeouts: readTimeouts(item),
    retry: readRetry(item),
  };
}

/** The prefix to be replaced must be the only path the rule can match. */
function checkPrefixReplacement(filters: readonly FilterItem[], matches: readonly HttpRouteMatch[]): void {
  if (matches.length === 1 && matches[0]!.path.type === 'PathPrefix') return;
  for (const { filter, fields } of filters) {
    const path =
      filter.type === 'URLRewrite'
        ? filter.urlRewrite.path
        : filter.type === 'RequestRedirect'
          ? filter.requestRedirect.path
          : null;
    if (path?.type !== 'ReplacePrefixMatch') continue;
    const found = matches.length === 1 ? `a match of type ${matches[0]!.path.type}` : `${matches.length} matches`;
    const payload = filter.type === 'URLRewrite' ? 'urlRewrite' : 'requestRedirect';
    const message = `ReplacePrefixMatch needs exactly one match of the rule, of type PathPrefix; got ${found}`;
    fields.error(`${payload}.path`, 'prefix-match-needed', message);
  }
}

/**
 * Zero disables a timeout. The timeout of one attempt must not exceed that of the request, unless the request has none.
 */
function readTimeouts(rule: Fields): HttpRouteTimeouts {
  const item = rule.fields('timeouts');
  if (item === null) return NO_TIMEOUTS;
  item.only(['request', 'backendRequest']);
  const requestMs = readDuration(item, 'request');
  const backendRequestMs = readDuration(item, 'backendRequest');
  if (requestMs !== null && requestMs > 0 && backendRequestMs !== null && backendRequestMs > requestMs) {
    const message = `must be at most the request timeout of ${requestMs} ms, got ${backendRequestMs} ms`;
    item.error('backendRequest', 'timeout-order', message);
  }
  return { requestMs, backendRequestMs };
}

/** Attempts default to one. Only error statuses can be retried. */
function readRetry(rule: Fields): HttpRouteRetry | null {
  const item = rule.fields('retry');
  if (item === null) return null;
  item.only(['codes', 'attempts', 'backoff']);
  return {
    codes: item.integerSet('codes', 400, 599, 200),
    attempts: item.integer('attempts', 0, Number.MAX_SAFE_INTEGER) ?? 1,
    backoffMs: readDuration(item, 'backoff'),
  };
}
