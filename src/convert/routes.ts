/**
 * Writes entries in the order of the Gateway API as HTTPRoutes.
 *
 * Stage before: `order.ts`. Stage after: `convert.ts`.
 */
import { dnsSubdomain, MAX_ITEMS } from '../gateway-api/limits.ts';
import type { HttpRouteMatch } from '../gateway-api/types.ts';
import type { Entry, Json, ServiceName } from './model.ts';
import { elementsOf } from './paths.ts';
import { pathModifier } from './rewrites.ts';

export interface RouteTarget {
  readonly name: string;
  /** Namespace of the route: that of its parent, or that of clients elsewhere. */
  readonly namespace: string;
  readonly parent: ServiceName;
  /** Null: all ports. */
  readonly ports: readonly number[] | null;
}

/** A rule, with the number of its matches. */
interface Rule {
  readonly written: Json;
  readonly matches: number;
}

/** `port`: the port for which the actions are computed. */
export function rulesOf(entries: readonly Entry[], port: number | null): Rule[] {
  const rules: Rule[] = [];
  const names = new Set<string>();
  let group: Entry[] = [];
  const close = (): void => {
    if (group.length > 0) rules.push(ruleOf(group, port, names));
    group = [];
  };
  for (const entry of entries) {
    const [first] = group;
    const together = first?.origin === entry.origin && sameFilters(first, entry) && group.length < MAX_ITEMS.matches;
    if (!together) close();
    group.push(entry);
  }
  close();
  return rules;
}

function sameFilters(a: Entry, b: Entry): boolean {
  const [one, other] = [a, b].map(({ rewrite, guard }) => pathModifier(rewrite, guard));
  // A prefix can be replaced only in a rule with one match.
  if (one?.['type'] === 'ReplacePrefixMatch') return false;
  return JSON.stringify(one) === JSON.stringify(other);
}

function ruleOf(group: readonly Entry[], port: number | null, names: Set<string>): Rule {
  const [{ origin, guard, rewrite, redirects }] = group as [Entry];
  const { filters, backendRefs, timeouts, retry } = origin.action(port);
  const matches = group.map((entry) => matchOf(entry.guard));
  const modified = withPath(filters, pathModifier(rewrite, guard), redirects);
  const name = freeName(origin.name, names);
  const everything = matches.length === 1 && Object.keys(matches[0]!).length === 0;
  return {
    matches: matches.length,
    written: {
      ...(name === null ? {} : { name }),
      ...(everything ? {} : { matches }),
      ...(modified.length > 0 ? { filters: modified } : {}),
      ...(backendRefs.length > 0 ? { backendRefs } : {}),
      ...(timeouts === null ? {} : { timeouts }),
      ...(retry === null ? {} : { retry }),
    },
  };
}

/** When several rules come from one, all except the first get a number. */
function freeName(wanted: string | null, names: Set<string>): string | null {
  if (wanted === null || !isRuleName(wanted)) return null;
  let name = wanted;
  for (let number = 2; names.has(name); number++) name = `${wanted.slice(0, 240)}-${number}`;
  names.add(name);
  return name;
}

export function isRuleName(name: string): boolean {
  return dnsSubdomain(name) === null;
}

function withPath(filters: readonly Json[], path: Json | null, redirects: boolean): readonly Json[] {
  if (path === null) return filters;
  const type = redirects ? 'RequestRedirect' : 'URLRewrite';
  const field = redirects ? 'requestRedirect' : 'urlRewrite';
  const found = filters.find((filter) => filter['type'] === type);
  const merged = { type, [field]: { ...(found?.[field] as Json | undefined), path } };
  if (found !== undefined) return filters.map((filter) => (filter === found ? merged : filter));
  // Mirrors receive the request as changed by the filters before them.
  const at = filters.findIndex((filter) => filter['type'] === 'RequestMirror');
  return at < 0 ? [...filters, merged] : filters.toSpliced(at, 0, merged);
}

function matchOf({ path, headers, queryParams, method }: HttpRouteMatch): Json {
  const everyPath = path.type === 'PathPrefix' && elementsOf(path) === '';
  return {
    ...(everyPath ? {} : { path }),
    ...(method === null ? {} : { method }),
    ...(headers.length === 0 ? {} : { headers: headers.map(conditionOf) }),
    ...(queryParams.length === 0 ? {} : { queryParams: queryParams.map(conditionOf) }),
  };
}

function conditionOf({ type, name, value }: HttpRouteMatch['headers'][number]): Json {
  return type === 'Exact' ? { name, value } : { type, name, value };
}

/**
 * Split into as many documents as the limits require. Among equal matches the first name in the alphabet wins, so names
 * are sorted.
 */
export function httpRoutes(target: RouteTarget, rules: readonly Rule[]): Json[] {
  const parts: Rule[][] = [];
  let part: Rule[] = [];
  let matches = 0;
  for (const rule of rules) {
    if (part.length === MAX_ITEMS.rules || (part.length > 0 && matches + rule.matches > MAX_ITEMS.matchesPerRoute)) {
      parts.push(part);
      part = [];
      matches = 0;
    }
    part.push(rule);
    matches += rule.matches;
  }
  if (part.length > 0) parts.push(part);
  const digits = String(parts.length).length;
  return parts.map((each, index) => {
    const suffix = parts.length === 1 ? '' : `-${String(index + 1).padStart(digits, '0')}`;
    return httpRoute(target, `${target.name}${suffix}`, each);
  });
}

function httpRoute({ namespace, parent, ports }: RouteTarget, name: string, rules: readonly Rule[]): Json {
  const ref = { group: '', kind: 'Service', name: parent.name };
  const placed = parent.namespace === namespace ? ref : { ...ref, namespace: parent.namespace };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace },
    spec: {
      parentRefs: ports === null ? [placed] : ports.map((port) => ({ ...placed, port })),
      rules: rules.map(({ written }) => withoutOwnNamespace(written, namespace)),
    },
  };
}

/** References contain a namespace only when it differs. */
function withoutOwnNamespace(value: Json, own: string): Json {
  const strip = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(strip);
    if (typeof each !== 'object' || each === null) return each;
    const entries = Object.entries(each).filter(([name, inner]) => !(name === 'namespace' && inner === own));
    return Object.fromEntries(entries.map(([name, inner]) => [name, strip(inner)]));
  };
  return strip(value) as Json;
}
