/**
 * `spec` of an HTTPRoute, defaulted and checked as the API server would with the v1.7.0 CRD.
 *
 * Stage before: `documents.ts` has read apiVersion, kind and metadata. Every problem is reported; the route is usable only
 * when none is an error.
 */
import type { Steps } from '../slices.ts';
import { parseDuration } from './durations.ts';
import type { Fields } from './fields.ts';
import { readFilters, type FilterItem } from './filters.ts';
import { MAX_ITEMS, MAX_WEIGHT, quote, routeHostname, type Check } from './limits.ts';
import { DEFAULT_MATCH, readMatches } from './matches.ts';
import { readBackendRef, readParentRefs } from './references.ts';
import type { RegexChecks } from './regex-checks.ts';
import { readRuleName, reportRepeatedRuleNames } from './rule-names.ts';
import type {
  HttpBackendRef,
  HttpRoute,
  HttpRouteMatch,
  HttpRouteRetry,
  HttpRouteRule,
  HttpRouteTimeouts,
} from './types.ts';

const SPEC_FIELDS = ['parentRefs', 'hostnames', 'rules', 'useDefaultGateways'];
const RULE_FIELDS = ['name', 'matches', 'filters', 'backendRefs', 'timeouts', 'retry', 'sessionPersistence'];
const MATCH_PLACES = ['matches[].path', 'matches[].headers', 'matches[].queryParams', 'matches[].method'];

type RouteSpec = Pick<HttpRoute, 'parentRefs' | 'hostnames' | 'rules'>;

/** Pauses on the way. Regular expressions are added to `regexes`; what is wrong with them is found later. */
export function* readHttpRouteSpec(spec: Fields, routeNamespace: string, regexes: RegexChecks): Steps<RouteSpec> {
  spec.only(
    SPEC_FIELDS,
    RULE_FIELDS.map((field) => `spec.rules[].${field}`),
  );
  if (spec.oneOf('useDefaultGateways', ['All', 'None']) === 'All') {
    spec.warn('useDefaultGateways', 'not-carried-yet', 'has no effect: sideroute is not a Gateway');
  }
  return {
    parentRefs: readParentRefs(spec, routeNamespace),
    hostnames: spec.textList('hostnames', MAX_ITEMS.hostnames, routeHostname).map(({ value }) => value),
    rules: yield* readRules(spec, routeNamespace, regexes),
  };
}

function* readRules(spec: Fields, routeNamespace: string, regexes: RegexChecks): Steps<HttpRouteRule[]> {
  // A route without rules has one that matches everything.
  if (!spec.has('rules')) return [defaultRule()];
  const items = spec.list('rules', MAX_ITEMS.rules, 1);
  const rules: HttpRouteRule[] = [];
  for (const [index, item] of items.entries()) rules.push(yield* readRule(item, index, routeNamespace, regexes));
  reportRepeatedRuleNames(items);
  const matchCount = rules.reduce((count, rule) => count + rule.matches.length, 0);
  if (matchCount > MAX_ITEMS.matchesPerRoute) {
    const message = `must have at most ${MAX_ITEMS.matchesPerRoute} matches in all rules together, got ${matchCount}`;
    spec.error('rules', 'too-many-matches', message);
  }
  return rules;
}

function defaultRule(): HttpRouteRule {
  return {
    index: 0,
    name: null,
    matches: [DEFAULT_MATCH],
    filters: [],
    backendRefs: [],
    timeouts: { requestMs: null, backendRequestMs: null },
    retry: null,
  };
}

function* readRule(item: Fields, index: number, routeNamespace: string, regexes: RegexChecks): Steps<HttpRouteRule> {
  item.only(RULE_FIELDS, MATCH_PLACES);
  const matches = yield* readMatches(item, regexes);
  // An empty list of matches means the same as none, but to an API server it is not one match.
  const written = item.tree('matches');
  const counted = written?.type === 'list' && written.items.length === 0 ? [] : matches;
  const filters = readFilters(item, routeNamespace);
  checkPrefixReplacement(filters, counted);
  const redirect = filters.find(({ filter }) => filter.type === 'RequestRedirect');
  const backendRefs: HttpBackendRef[] = [];
  for (const backend of item.list('backendRefs', MAX_ITEMS.backendRefs)) {
    yield;
    const backendFilters = readFilters(backend, routeNamespace);
    checkPrefixReplacement(backendFilters, counted);
    backendRefs.push({
      ...readBackendRef(backend, routeNamespace, ['weight', 'filters']),
      weight: backend.integer('weight', 0, MAX_WEIGHT) ?? 1,
      filters: backendFilters.map(({ filter }) => filter),
      path: backend.path,
    });
  }
  if (redirect !== undefined && backendRefs.length > 0) {
    const message = `must be empty, because ${redirect.fields.path} redirects every request of this rule`;
    item.error('backendRefs', 'incompatible-filters', message);
  }
  readSessionPersistence(item);
  return {
    index,
    name: readRuleName(item),
    matches,
    filters: filters.map(({ filter }) => filter),
    backendRefs,
    timeouts: readTimeouts(item),
    retry: readRetry(item),
  };
}

/** The prefix that is replaced must be the only one the rule can match. */
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

const duration: Check = (value) => {
  if (parseDuration(value) !== null) return null;
  const rule =
    'must be 1 to 4 whole numbers of at most 5 digits, each with a unit h, m, s or ms, such as 1m30s or 500ms';
  return { code: 'bad-duration', message: `${rule}; got ${quote(value)}` };
};

function readDuration(item: Fields, name: string): number | null {
  const text = item.string(name, duration);
  return text === null ? null : parseDuration(text);
}

/** Zero disables; one attempt cannot outlast the request, unless the request has no limit. */
function readTimeouts(rule: Fields): HttpRouteTimeouts {
  const item = rule.fields('timeouts');
  if (item === null) return { requestMs: null, backendRequestMs: null };
  item.only(['request', 'backendRequest']);
  const requestMs = readDuration(item, 'request');
  const backendRequestMs = readDuration(item, 'backendRequest');
  if (requestMs !== null && requestMs > 0 && backendRequestMs !== null && backendRequestMs > requestMs) {
    const message = `must be at most the request timeout of ${requestMs} ms, got ${backendRequestMs} ms`;
    item.error('backendRequest', 'timeout-order', message);
  }
  return { requestMs, backendRequestMs };
}

/** Attempts default to one; only statuses of errors can be retried. */
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

const SESSION_FIELDS = ['sessionName', 'absoluteTimeout', 'idleTimeout', 'type', 'cookieConfig', 'cookie', 'header'];

/**
 * Fields of v1.6 and of v1.7; only their names are checked, for nothing of it is carried. v1.7 has session
 * persistence in XBackend and deprecates it here.
 */
function readSessionPersistence(rule: Fields): void {
  const item = rule.fields('sessionPersistence');
  if (item === null) return;
  item.only(SESSION_FIELDS);
  item.oneOf('type', ['Cookie', 'Header']);
  readDuration(item, 'absoluteTimeout');
  readDuration(item, 'idleTimeout');
  const message =
    'has no effect: endpoints are not chosen here; Gateway API deprecates it in routes and has it in XBackend, which is ' +
    'not carried either';
  rule.warn('sessionPersistence', 'not-carried-yet', message);
}
