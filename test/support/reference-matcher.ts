/**
 * A slow, obviously correct matcher: implements docs/spec-rules.md rule by rule over the uncompiled types. It shares no
 * code with `src/routing`. Path, header and query expressions must be in the subset on which native regular expressions
 * and RE2 agree.
 */
import type {
  HeaderMatch,
  HttpRoute,
  HttpRouteMatch,
  HttpRouteRule,
  ParentRef,
  QueryParamMatch,
  Resource,
  Service,
} from '../../src/gateway-api/types.ts';

/** A request as sent on the wire. */
export interface WireRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface ReferenceShare {
  readonly weight: number;
  /** `namespace/name:port`, null when the share answers 500. */
  readonly backend: string | null;
}

export type ReferenceResult =
  /** No route is attached. */
  | { readonly kind: 'original' }
  /** Attached, nothing matches. */
  | { readonly kind: 'no_route' }
  | {
      readonly kind: 'rule';
      readonly route: HttpRoute;
      readonly rule: HttpRouteRule;
      readonly match: HttpRouteMatch;
      /** Shares that can be picked; empty: every request answers 500. */
      readonly shares: readonly ReferenceShare[];
    };

export interface ReferenceInput {
  readonly resources: readonly Resource[];
  /** Namespace of the client. */
  readonly clientNamespace: string;
  /** The Service and port the client connected to. */
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
}

interface Candidate {
  readonly route: HttpRoute;
  readonly rule: HttpRouteRule;
  readonly match: HttpRouteMatch;
  readonly matchIndex: number;
}

export function referenceRoute(input: ReferenceInput, request: WireRequest): ReferenceResult {
  const routes = applicableRoutes(input);
  if (routes.length === 0) return { kind: 'original' };
  const candidates: Candidate[] = [];
  for (const route of routes) {
    for (const rule of route.rules) {
      for (const [matchIndex, match] of rule.matches.entries()) candidates.push({ route, rule, match, matchIndex });
    }
  }
  candidates.sort(comparePrecedence);
  const winner = candidates.find((candidate) => matches(candidate.match, request));
  if (winner === undefined) return { kind: 'no_route' };
  const { route, rule, match } = winner;
  return { kind: 'rule', route, rule, match, shares: sharesOf(rule, input.resources) };
}

/** Routes in the client's namespace replace those in the Service's namespace; others do not apply. */
function applicableRoutes({ resources, clientNamespace, service }: ReferenceInput): HttpRoute[] {
  const document = findService(resources, service.namespace, service.name);
  const attached = resources
    .filter((resource): resource is HttpRoute => resource.kind === 'HTTPRoute')
    .filter((route) => route.parentRefs.some((parent) => covers(parent, service, document)));
  const consumers = attached.filter(
    (route) => route.namespace !== service.namespace && route.namespace === clientNamespace,
  );
  if (consumers.length > 0) return consumers;
  return attached.filter((route) => route.namespace === service.namespace);
}

function findService(resources: readonly Resource[], namespace: string, name: string): Service | undefined {
  return resources.find(
    (resource): resource is Service =>
      resource.kind === 'Service' && resource.namespace === namespace && resource.name === name,
  );
}

function covers(parent: ParentRef, service: ReferenceInput['service'], document: Service | undefined): boolean {
  if (parent.group !== '' || parent.kind !== 'Service') return false;
  if (parent.namespace !== service.namespace || parent.name !== service.name) return false;
  if (document === undefined) {
    return parent.sectionName === null && (parent.port === null || parent.port === service.port);
  }
  if (document.headless || document.type === 'ExternalName') return false;
  return document.ports.some(
    (port) =>
      port.protocol === 'TCP' &&
      port.port === service.port &&
      (parent.port === null || parent.port === port.port) &&
      (parent.sectionName === null || parent.sectionName === port.name),
  );
}

/** Path, method, headers, parameters, then age, name and position; a trailing slash does not make a prefix longer. */
function comparePrecedence(a: Candidate, b: Candidate): number {
  const pathTypes = ['Exact', 'RegularExpression', 'PathPrefix'];
  const byType = pathTypes.indexOf(a.match.path.type) - pathTypes.indexOf(b.match.path.type);
  if (byType !== 0) return byType;
  if (a.match.path.type === 'PathPrefix') {
    const byLength = stripSlash(b.match.path.value).length - stripSlash(a.match.path.value).length;
    if (byLength !== 0) return byLength;
  }
  if ((a.match.method !== null) !== (b.match.method !== null)) return a.match.method !== null ? -1 : 1;
  if (a.match.headers.length !== b.match.headers.length) return b.match.headers.length - a.match.headers.length;
  if (a.match.queryParams.length !== b.match.queryParams.length) {
    return b.match.queryParams.length - a.match.queryParams.length;
  }
  const aTime = a.route.creationTimestamp;
  const bTime = b.route.creationTimestamp;
  if (aTime !== null && bTime !== null && aTime !== bTime) return aTime - bTime;
  if (aTime !== null && bTime === null) return -1;
  if (aTime === null && bTime !== null) return 1;
  const aName = `${a.route.namespace}/${a.route.name}`;
  const bName = `${b.route.namespace}/${b.route.name}`;
  if (aName !== bName) return aName < bName ? -1 : 1;
  if (a.rule.index !== b.rule.index) return a.rule.index - b.rule.index;
  return a.matchIndex - b.matchIndex;
}

function stripSlash(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
}

/** Everything that a match asks for must hold. */
function matches(match: HttpRouteMatch, request: WireRequest): boolean {
  const [path] = request.target.split('?', 1);
  const query = request.target.slice(path!.length + 1);
  return (
    pathMatches(match, path!) &&
    (match.method === null || match.method === request.method) &&
    match.headers.every((header) => fieldMatches(header, headerValue(request, header.name))) &&
    match.queryParams.every((param) => fieldMatches(param, queryValue(query, param.name)))
  );
}

/** The raw path: nothing is decoded or normalised. */
function pathMatches({ path: { type, value } }: HttpRouteMatch, path: string): boolean {
  if (type === 'Exact') return path === value;
  if (type === 'RegularExpression') return fullMatch(value, path);
  const wanted = segments(stripSlash(value));
  const given = segments(path);
  return wanted.every((segment, index) => given[index] === segment);
}

/** The elements between slashes; none for the empty prefix. */
function segments(path: string): string[] {
  return path.split('/').slice(1);
}

function fullMatch(expression: string, value: string): boolean {
  return new RegExp(`^(?:${expression})$`).test(value);
}

function fieldMatches(field: HeaderMatch | QueryParamMatch, value: string | null): boolean {
  if (value === null) return false;
  return field.type === 'Exact' ? field.value === value : fullMatch(field.value, value);
}

/** Repeated fields are joined with a comma. */
function headerValue(request: WireRequest, name: string): string | null {
  const values = request.headers.filter(([field]) => field.toLowerCase() === name.toLowerCase());
  return values.length === 0 ? null : values.map(([, value]) => value).join(',');
}

/** The first value, undecoded. */
function queryValue(query: string, name: string): string | null {
  for (const pair of query.split('&')) {
    const [key] = pair.split('=', 1);
    if (key === name && pair !== '') return pair.slice(name.length + 1);
  }
  return null;
}

/** A backend with weight 0 is never chosen; one that cannot be used keeps its weight. */
function sharesOf(rule: HttpRouteRule, resources: readonly Resource[]): ReferenceShare[] {
  return rule.backendRefs
    .filter((ref) => ref.weight > 0)
    .map((ref) => {
      const key = `${ref.namespace}/${ref.name}:${ref.port}`;
      if (ref.group !== '' || ref.kind !== 'Service' || ref.port === null) return { weight: ref.weight, backend: null };
      const document = findService(resources, ref.namespace, ref.name);
      const usable =
        document === undefined ||
        (!document.headless &&
          document.type !== 'ExternalName' &&
          document.ports.some((port) => port.protocol === 'TCP' && port.port === ref.port));
      return { weight: ref.weight, backend: usable ? key : null };
    });
}
