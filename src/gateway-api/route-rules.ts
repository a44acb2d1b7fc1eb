/**
 * Reads the parts that all kinds of routes share: parents, hostnames, and rules with names, filters and backendRefs.
 *
 * Stage before: `documents.ts`. Used by `http-route.ts` and `grpc-route.ts`, which read the parts of one kind.
 */
import type { Steps } from '../slices.ts';
import { parseDuration } from './durations.ts';
import type { Fields } from './fields.ts';
import { readFilters, type FilterItem, type FilterOf, type FilterType } from './filters.ts';
import { MAX_ITEMS, MAX_WEIGHT, quote, routeHostname, type Check } from './limits.ts';
import { readBackendRef, readParentRefs } from './references.ts';
import { readRuleName, reportRepeatedRuleNames } from './rule-names.ts';
import type { BackendRefOf, ParentRef } from './types.ts';
import { exact, SharedObjects } from './shared-objects.ts';
import { sharedPlace } from './shared-texts.ts';
import { untilLoaded } from './until-loaded.ts';

const SPEC_FIELDS = ['parentRefs', 'hostnames', 'rules', 'useDefaultGateways'];

/** How a kind of route defines its rules. */
export interface RuleKind<Rule> {
  /** Field names of a rule. */
  readonly fields: readonly string[];
  /** Pauses on the way. */
  readonly read: (item: Fields, index: number) => Steps<Rule>;
  /** The default when no rules are given: one rule that matches everything. */
  readonly absent: Rule;
  /** Minimum number of rules in a list that is given. */
  readonly minRules: 0 | 1;
  /** The number of matches that an API server counts for a rule without matches. */
  readonly matchesByDefault: 0 | 1;
}

export interface RouteSpec<Rule> {
  readonly parentRefs: readonly ParentRef[];
  readonly hostnames: readonly string[];
  readonly rules: readonly Rule[];
}

/** Pauses on the way. */
export function* readRouteSpec<Rule>(
  spec: Fields,
  routeNamespace: string,
  kind: RuleKind<Rule>,
): Steps<RouteSpec<Rule>> {
  spec.only(
    SPEC_FIELDS,
    kind.fields.map((field) => `spec.rules[].${field}`),
  );
  if (spec.oneOf('useDefaultGateways', ['All', 'None']) === 'All') {
    spec.warn('useDefaultGateways', 'not-carried-yet', 'has no effect: sideroute is not a Gateway');
  }
  return {
    parentRefs: readParentRefs(spec, routeNamespace),
    hostnames: exact(spec.textList('hostnames', MAX_ITEMS.hostnames, routeHostname).map(({ value }) => value)),
    rules: yield* readRules(spec, kind),
  };
}

function* readRules<Rule>(spec: Fields, kind: RuleKind<Rule>): Steps<readonly Rule[]> {
  if (!spec.has('rules')) return [kind.absent];
  const items = spec.list('rules', MAX_ITEMS.rules, kind.minRules);
  const rules: Rule[] = [];
  for (const [index, item] of items.entries()) rules.push(yield* kind.read(item, index));
  reportRepeatedRuleNames(items);
  const matchCount = items.reduce((count, item) => count + countMatches(item, kind), 0);
  if (matchCount > MAX_ITEMS.matchesPerRoute) {
    const message = `must have at most ${MAX_ITEMS.matchesPerRoute} matches in all rules together, got ${matchCount}`;
    spec.error('rules', 'too-many-matches', message);
  }
  return rules.length === 0 ? [kind.absent] : exact(rules);
}

function countMatches(rule: Fields, { matchesByDefault }: Pick<RuleKind<unknown>, 'matchesByDefault'>): number {
  const written = rule.tree('matches');
  return written?.type === 'list' ? written.items.length : matchesByDefault;
}

/** Cache of backendRefs without filters, for any kind of route. */
const plainRefs = untilLoaded(new SharedObjects<BackendRefOf<never>>());
const plainLists = untilLoaded(new SharedObjects<readonly BackendRefOf<never>[]>());
/** Longer lists rarely recur. */
const MOST_SHARED = 4;

function listOf<Filter>(refs: readonly BackendRefOf<Filter>[]): readonly BackendRefOf<Filter>[] {
  if (refs.length > MOST_SHARED || !refs.every(isPlain)) return exact(refs);
  return plainLists.of(JSON.stringify(refs), () => exact(refs));
}

function isPlain(ref: BackendRefOf<unknown>): ref is BackendRefOf<never> {
  return ref.filters.length === 0;
}

/** The parts of a rule, of any kind, besides its matches. */
export interface RuleParts<Type extends FilterType> {
  readonly name: string | null;
  /** Filters of the rule. */
  readonly filters: readonly FilterItem<Type>[];
  readonly backendRefs: readonly BackendRefOf<FilterOf<Type>>[];
}

/**
 * Pauses between the backendRefs. `types`: the filters the kind allows. `check` receives each list of filters, that of
 * the rule first.
 */
export function* readRuleParts<Type extends FilterType>(
  item: Fields,
  routeNamespace: string,
  types: readonly Type[],
  check: (filters: readonly FilterItem<Type>[]) => void = () => undefined,
): Steps<RuleParts<Type>> {
  const filters = readFilters(item, routeNamespace, types);
  check(filters);
  const backendRefs: BackendRefOf<FilterOf<Type>>[] = [];
  for (const backend of item.list('backendRefs', MAX_ITEMS.backendRefs)) {
    yield;
    const own = readFilters(backend, routeNamespace, types);
    check(own);
    const { group, kind, namespace, name, port } = readBackendRef(backend, routeNamespace, ['weight', 'filters']);
    const weight = backend.integer('weight', 0, MAX_WEIGHT) ?? 1;
    // No spread here: V8 stores properties added to a copy outside of the object, with spare space.
    const refer = <Filter>(filters: readonly Filter[]): BackendRefOf<Filter> => {
      return { group, kind, namespace, name, port, weight, filters, path: sharedPlace(backend.path) };
    };
    const key = JSON.stringify([group, kind, namespace, name, port, weight, backend.path]);
    backendRefs.push(
      own.length > 0 ? refer(own.map(({ filter }) => filter)) : plainRefs.of(key, () => refer<never>(exact([]))),
    );
  }
  readSessionPersistence(item);
  return { name: readRuleName(item), filters, backendRefs: listOf(backendRefs) };
}

const duration: Check = (value) => {
  if (parseDuration(value) !== null) return null;
  const rule =
    'must be 1 to 4 whole numbers of at most 5 digits, each with a unit h, m, s or ms, such as 1m30s or 500ms';
  return { code: 'bad-duration', message: `${rule}; got ${quote(value)}` };
};

export function readDuration(item: Fields, name: string): number | null {
  const text = item.string(name, duration);
  return text === null ? null : parseDuration(text);
}

const SESSION_FIELDS = ['sessionName', 'absoluteTimeout', 'idleTimeout', 'type', 'cookieConfig', 'cookie', 'header'];

/**
 * Fields of v1.6 and v1.7. Only their names are checked, because session persistence is not carried. v1.7 moves it to
 * XBackend and deprecates it here.
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
