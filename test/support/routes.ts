/** Short forms for the objects of `src/gateway-api/types.ts`, with defaults filled in. */
import type {
  CarriedRoute,
  GrpcMethodMatch,
  GrpcRoute,
  GrpcRouteMatch,
  GrpcRouteRule,
  HeaderMatch,
  HttpBackendRef,
  HttpMethod,
  HttpRoute,
  HttpRouteMatch,
  HttpRouteRule,
  OtherRoute,
  ParentRef,
  PathMatch,
  QueryParamMatch,
  RouteOf,
  RouteRule,
  Service,
  ServicePort,
  SourceLocation,
} from '../../src/gateway-api/types.ts';
import type { Backend, CompileDeps, RequestHead, SeriesLabels } from '../../src/routing/decision.ts';

let documents = 0;

/** Each call is a later document of one file. */
export function source(file = 'routes.yaml'): SourceLocation {
  documents++;
  return { file, document: documents, line: null };
}

export const exactPath = (value: string): PathMatch => ({ type: 'Exact', value });
export const pathPrefix = (value: string): PathMatch => ({ type: 'PathPrefix', value });
export const pathRegex = (value: string): PathMatch => ({ type: 'RegularExpression', value });
export const exactField = (name: string, value: string): HeaderMatch & QueryParamMatch => ({
  type: 'Exact',
  name,
  value,
});
export const regexField = (name: string, value: string): HeaderMatch & QueryParamMatch => ({
  type: 'RegularExpression',
  name,
  value,
});

export interface MatchOptions {
  readonly path?: PathMatch;
  readonly headers?: readonly HeaderMatch[];
  readonly queryParams?: readonly QueryParamMatch[];
  readonly method?: HttpMethod;
}

export function match(options: MatchOptions = {}): HttpRouteMatch {
  return {
    path: options.path ?? pathPrefix('/'),
    headers: options.headers ?? [],
    queryParams: options.queryParams ?? [],
    method: options.method ?? null,
  };
}

/** `ns/name:port`, weight 1. */
export function backend(key: string, options: Partial<HttpBackendRef> = {}): HttpBackendRef {
  const [, namespace, name, port] = /^(.*)\/(.*):(\d+)$/.exec(key)!;
  return {
    group: '',
    kind: 'Service',
    namespace: namespace!,
    name: name!,
    port: Number(port),
    weight: 1,
    filters: [],
    path: 'spec.rules[0].backendRefs[0]',
    ...options,
  };
}

/** `httpRoute` sets `index`. */
export function rule(options: Partial<HttpRouteRule> = {}): HttpRouteRule {
  return {
    index: 0,
    name: null,
    matches: [match()],
    filters: [],
    backendRefs: [],
    timeouts: { requestMs: null, backendRequestMs: null },
    retry: null,
    ...options,
  };
}

/** `ns/name`. */
export function parent(key: string, options: Partial<ParentRef> = {}): ParentRef {
  const [namespace, name] = key.split('/');
  return {
    group: '',
    kind: 'Service',
    namespace: namespace!,
    name: name!,
    sectionName: null,
    port: null,
    path: 'spec.parentRefs[0]',
    ...options,
  };
}

/** `ns/name`; parents are `ns/name` keys or complete references. */
export function httpRoute(
  key: string,
  parents: readonly (string | ParentRef)[],
  rules: readonly HttpRouteRule[],
  options: Partial<HttpRoute> = {},
): HttpRoute {
  return { ...routeOf('HTTPRoute', key, parents, rules), ...options };
}

/** The same for gRPC calls. */
export function grpcRoute(
  key: string,
  parents: readonly (string | ParentRef)[],
  rules: readonly GrpcRouteRule[],
  options: Partial<GrpcRoute> = {},
): GrpcRoute {
  return { ...routeOf('GRPCRoute', key, parents, rules), ...options };
}

function routeOf<Kind extends CarriedRoute['kind'], Rule extends RouteRule>(
  kind: Kind,
  key: string,
  parents: readonly (string | ParentRef)[],
  rules: readonly Rule[],
): RouteOf<Kind, Rule> {
  const [namespace, name] = key.split('/');
  return {
    kind,
    namespace: namespace!,
    name: name!,
    generation: null,
    creationTimestamp: null,
    parentRefs: parents.map((ref, index) => ({
      ...(typeof ref === 'string' ? parent(ref) : ref),
      path: `spec.parentRefs[${index}]`,
    })),
    hostnames: [],
    rules: rules.map((entry, index) => ({
      ...entry,
      index,
      backendRefs: entry.backendRefs.map((ref, position) => ({
        ...ref,
        path: `spec.rules[${index}].backendRefs[${position}]`,
      })),
    })),
    source: source(),
  };
}

/** `ns/name`: a route of a kind that is not supported yet. */
export function otherRoute(
  routeKind: OtherRoute['routeKind'],
  key: string,
  parents: readonly (string | ParentRef)[],
  options: Partial<OtherRoute> = {},
): OtherRoute {
  const { namespace, name, parentRefs } = httpRoute(key, parents, []);
  return { kind: 'OtherRoute', routeKind, namespace, name, generation: null, parentRefs, source: source(), ...options };
}

/** A rule that sends all matched requests to `v/NAME:80`, which identifies it. */
export function ruleTo(name: string, ...matches: readonly MatchOptions[]): HttpRouteRule {
  return rule({
    name,
    matches: matches.length === 0 ? [match()] : matches.map(match),
    backendRefs: [backend(`v/${name}:80`)],
  });
}

export const exactCall = (service: string | null, method: string | null = null): GrpcMethodMatch => ({
  type: 'Exact',
  service,
  method,
});
export const callRegex = (service: string | null, method: string | null = null): GrpcMethodMatch => ({
  type: 'RegularExpression',
  service,
  method,
});

export function grpcMatch(method: GrpcMethodMatch | null = null, headers: readonly HeaderMatch[] = []): GrpcRouteMatch {
  return { method, headers };
}

/** `grpcRoute` sets `index`. */
export function grpcRule(options: Partial<GrpcRouteRule> = {}): GrpcRouteRule {
  const { timeouts, retry } = rule();
  return {
    ...{ index: 0, name: null, matches: [grpcMatch()], filters: [], backendRefs: [], timeouts, retry },
    ...options,
  };
}

/** Like `ruleTo`. */
export function grpcRuleTo(name: string, ...matches: readonly GrpcRouteMatch[]): GrpcRouteRule {
  const { backendRefs } = ruleTo(name);
  const backends = backendRefs.map((ref) => ({ ...ref, filters: [] }));
  return grpcRule({ name, matches: matches.length === 0 ? [grpcMatch()] : matches, backendRefs: backends });
}

/** A gRPC call: `my.pkg.Service/Method`. */
export function callHead(
  name: string,
  headers: readonly (readonly [name: string, value: string])[] = [],
): ReturnType<typeof requestHead> {
  return requestHead({
    method: 'POST',
    target: `/${name}`,
    headers: [['content-type', 'application/grpc'], ['te', 'trailers'], ...headers],
  });
}

/** `ns/name` with ports as numbers or in full. */
export function service(
  key: string,
  ports: readonly (number | Partial<ServicePort>)[],
  options: Partial<Service> = {},
): Service {
  const [namespace, name] = key.split('/');
  return {
    kind: 'Service',
    namespace: namespace!,
    name: name!,
    type: 'ClusterIP',
    headless: false,
    clusterIPs: ['10.96.0.1'],
    managed: false,
    ports: ports.map((port) => ({
      name: null,
      port: 80,
      protocol: 'TCP',
      appProtocol: null,
      ...(typeof port === 'number' ? { port } : port),
    })),
    source: source(),
    ...options,
  };
}

export interface HeadOptions {
  readonly method?: string;
  /** With the query. */
  readonly target?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** A request head over plain values; `reads` counts the calls of `header` by name. */
export function requestHead(options: HeadOptions = {}): RequestHead & { readonly reads: Map<string, number> } {
  const target = options.target ?? '/';
  const mark = target.indexOf('?');
  const reads = new Map<string, number>();
  return {
    method: options.method ?? 'GET',
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    header(name) {
      reads.set(name, (reads.get(name) ?? 0) + 1);
      const values = (options.headers ?? []).filter(([field]) => field.toLowerCase() === name);
      return values.length === 0 ? null : values.map(([, value]) => value).join(',');
    },
    reads,
  };
}

/** What the process around a route table provides, kept in maps that tests can look into. */
export interface TestDeps extends CompileDeps {
  readonly frontendIds: Map<string, number>;
  readonly backends: Map<string, Backend>;
  readonly series: SeriesLabels[];
}

/** All backends resolve to 10.0.0.1 at first. */
export function testDeps(random: () => number = () => 0): TestDeps {
  const frontendIds = new Map<string, number>();
  const backends = new Map<string, Backend>();
  const series: SeriesLabels[] = [];
  const seriesIds = new Map<string, number>();
  return {
    frontendIds,
    backends,
    series,
    random,
    frontendId(key) {
      const id = frontendIds.get(key) ?? frontendIds.size;
      frontendIds.set(key, id);
      return id;
    },
    internBackend(namespace, name, port) {
      const key = `${namespace}/${name}:${port}`;
      const known = backends.get(key) ?? {
        namespace,
        name,
        port,
        key,
        id: backends.size,
        addresses: ['10.0.0.1'],
        state: 'resolved',
      };
      backends.set(key, known);
      return known;
    },
    internSeries(labels) {
      const key = JSON.stringify(labels);
      const known = seriesIds.get(key);
      if (known !== undefined) return known;
      seriesIds.set(key, series.length);
      series.push(labels);
      return series.length - 1;
    },
  };
}
