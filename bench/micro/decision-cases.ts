/** Route tables and requests for measuring `decide`, and the dependencies for compiling tables. */
import type { HttpRoute, HttpRouteRule, PathMatch } from '../../src/gateway-api/types.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import type { Backend, CompileDeps, RequestHead } from '../../src/routing/decision.ts';

/** How the rules of a case differ. */
export interface Shape {
  readonly name: string;
  readonly path: (index: number) => PathMatch;
  readonly header: ((index: number) => string) | null;
  /** `salt`: makes targets for the same rule differ if the shape allows it. */
  readonly target: (index: number, salt: number) => string;
}

const path = (index: number): string => `/service${index % 97}/team${(index * 7) % 1013}/item${index}`;

export const SHAPES: readonly Shape[] = [
  {
    name: 'prefix paths',
    path: (index) => ({ type: 'PathPrefix', value: path(index) }),
    header: null,
    target: (index, salt) => `${path(index)}/a/${salt}`,
  },
  {
    name: 'exact paths',
    path: (index) => ({ type: 'Exact', value: path(index) }),
    header: null,
    target: path,
  },
  {
    name: 'one header, one value per rule',
    path: () => ({ type: 'PathPrefix', value: '/' }),
    header: (index) => `tenant-${index}`,
    target: (_, salt) => `/a/b/${salt}`,
  },
];

class BenchHead implements RequestHead {
  readonly method = 'GET';
  readonly path: string;
  readonly query = '';
  readonly #tenant: string | null;

  constructor(target: string, tenant: string | null) {
    this.path = target;
    this.#tenant = tenant;
  }

  header(name: string): string | null {
    return name === 'tenant' ? this.#tenant : null;
  }
}

/** Gives out ids of frontends, backends and series as a sidecar does; every backend has an address. */
export function compileDeps(): CompileDeps {
  const metrics = new Metrics();
  const frontends = new Map<string, number>();
  const backends = new Map<string, Backend>();
  return {
    internSeries: metrics.internSeries,
    frontendId(key) {
      const id = frontends.get(key) ?? frontends.size;
      frontends.set(key, id);
      return id;
    },
    internBackend(namespace, name, port) {
      const key = `${namespace}/${name}:${port}`;
      let backend = backends.get(key);
      if (backend === undefined) {
        backend = { namespace, name, port, key, id: backends.size, addresses: ['10.0.0.1'], state: 'resolved' };
        backends.set(key, backend);
      }
      return backend;
    },
  };
}

export function routes(shape: Shape, size: number): HttpRoute[] {
  const rules = Array.from({ length: size }, (_, index): HttpRouteRule => {
    const backend = { group: '', kind: 'Service', namespace: 'ns', port: 80, filters: [], path: '' };
    return {
      index: index % 16,
      name: null,
      matches: [
        {
          path: shape.path(index),
          headers: shape.header === null ? [] : [{ type: 'Exact', name: 'tenant', value: shape.header(index) }],
          queryParams: [],
          method: null,
        },
      ],
      filters: [],
      backendRefs: [
        { ...backend, name: 'v1', weight: 90 },
        { ...backend, name: 'v2', weight: 10 },
      ],
      timeouts: { requestMs: null, backendRequestMs: null },
      retry: null,
    };
  });
  const parent = { group: '', kind: 'Service', namespace: 'ns', name: 'web', sectionName: null, port: 80, path: '' };
  return Array.from({ length: Math.ceil(size / 16) }, (_, index): HttpRoute => ({
    kind: 'HTTPRoute',
    namespace: 'ns',
    name: `route-${index}`,
    generation: null,
    creationTimestamp: null,
    parentRefs: [parent],
    hostnames: [],
    rules: rules.slice(index * 16, index * 16 + 16),
    source: { file: 'bench.yaml', document: index + 1, line: null },
  }));
}

/** Makes `count` different requests, spread evenly over `hotRules` of the `size` rules. */
export function requests(shape: Shape, size: number, hotRules: number, count: number): RequestHead[] {
  return Array.from({ length: count }, (_, request): RequestHead => {
    const index = Math.floor(((request % hotRules) * size) / hotRules);
    return new BenchHead(shape.target(index, request), shape.header === null ? null : shape.header(index));
  });
}
