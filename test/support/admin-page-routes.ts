/** A shop with routes of several kinds, for the tests of the admin page: its Services, route files and load. */
import type { Cluster, Pod } from './cluster.ts';
import type { ConfigMapMount } from './config-map-mount.ts';
import { startFixture } from './sidecar.ts';

/** By name: the last part of the ClusterIP, and the port of the server behind it. */
const SERVICES = {
  web: [10, 8010],
  'web-v1': [11, 8011],
  'web-v2': [12, 8012],
  cart: [13, 8013],
  'cart-v1': [14, 8014],
  payments: [15, 8015],
  'payments-v1': [16, 8016],
  queue: [17, 8017],
  /** Without any route. */
  static: [18, 8018],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

type Name = keyof typeof SERVICES;

export function clusterIP(name: Name): string {
  return `10.96.0.${SERVICES[name][0]}`;
}

export interface Shop {
  /** Ends the server of a Service, whose ClusterIP then refuses connections. */
  stop(name: Name): Promise<void>;
}

export async function startShop(cluster: Cluster, server: Pod): Promise<Shop> {
  const running = new Map<Name, Awaited<ReturnType<typeof startFixture>>>();
  for (const [name, [, port]] of Object.entries(SERVICES) as [Name, readonly [number, number]][]) {
    cluster.addService(clusterIP(name), 80, [{ address: server.v4, port }]);
    running.set(name, await startFixture(server, 'hello-server', String(port), name));
  }
  return {
    async stop(name) {
      const child = running.get(name)!;
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}

/** Requests to web-v2 are always HTTP/1.1, whatever the caller uses. */
const PROTOCOLS: Partial<Record<Name, string>> = { 'web-v2': 'kubernetes.io/ws' };

function serviceDocuments(): string {
  const documents = (Object.keys(SERVICES) as Name[])
    .filter((name) => name !== 'static')
    .map(
      (name) => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${clusterIP(name)}, ports: [{port: 80, appProtocol: ${PROTOCOLS[name] ?? 'http'}}]}
`,
    );
  return documents.join('---\n');
}

function route(name: string, rules: string, parent = name): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: ${parent}, port: 80}]
  rules:
${rules}`;
}

const WEB = `    - name: preview
      matches: [{headers: [{name: version, value: new}]}]
      backendRefs: [{name: web-v2, port: 80}]
    - name: search
      matches: [{path: {type: PathPrefix, value: /search}, method: GET}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Tier, value: search}], remove: [Cookie]}}]
      timeouts: {request: 2s}
      retry: {attempts: 2, codes: [503], backoff: 50ms}
      backendRefs: [{name: web-v1, port: 80, weight: 3}, {name: web-v2, port: 80, weight: 1}]
    - backendRefs: [{name: web-v1, port: 80, weight: 90}, {name: web-v2, port: 80, weight: 10}]
`;
const CART = `    - matches: [{path: {type: Exact, value: /basket}}]
      filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /cart}, statusCode: 301}}]
    - matches: [{path: {type: PathPrefix, value: /cart}}]
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web-v2, port: 80}, percent: 20}}]
      backendRefs: [{name: cart-v1, port: 80}]
`;
const PAYMENTS = `    - backendRefs: [{name: payments-v1, port: 80}]
`;
/** The Service has no such port. */
const QUEUE = `    - backendRefs: [{name: queue, port: 81}]
`;

/** `more`: further files. */
export function shopFiles(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const routes = [route('web', WEB), route('cart', CART), route('payments', PAYMENTS), route('queue', QUEUE)];
  return { 'shop.yaml': [serviceDocuments(), ...routes].join('---\n'), ...more };
}

/** Adds a rule for `web`, before all others, to the files of `mount`. */
export function addRule(mount: ConfigMapMount, path: string, backend: Name | 'no-such'): void {
  const rule = `    - matches: [{path: {type: Exact, value: ${path}}}]
      backendRefs: [{name: ${backend}, port: 80}]
`;
  mount.write(shopFiles({ 'more.yaml': route('added', rule, 'web') }));
}

export const HOSTILE = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';

/** A route with markup in all values where the API allows it, and one with markup where it is not allowed. */
export function hostileFiles(): Record<string, string> {
  const rules = `    - matches: [{headers: [{name: x-note, value: '${HOSTILE}'}], queryParams: [{name: q, value: '${HOSTILE}'}]}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Note, value: '${HOSTILE}'}]}}]
      backendRefs: [{name: web-v2, port: 80}]
`;
  const refused = `    - matches: [{path: {value: '${HOSTILE}'}}]
      backendRefs: [{name: no-such-service, port: 80}]
`;
  return shopFiles({
    'hostile.yaml': route('hostile', rules, 'web'),
    'refused.yaml': route('refused', refused, 'cart'),
  });
}

/** Requests per second, by target. */
export const LOAD = [
  { url: `http://${clusterIP('web')}/`, perSecond: 60 },
  { url: `http://${clusterIP('web')}/start`, perSecond: 20, headers: { version: 'new' } },
  { url: `http://${clusterIP('web')}/search?q=shoes&delay=20`, perSecond: 12 },
  { url: `http://${clusterIP('cart')}/cart/7`, perSecond: 25 },
  { url: `http://${clusterIP('cart')}/basket`, perSecond: 3 },
  { url: `http://${clusterIP('payments')}/pay`, perSecond: 8 },
  { url: `http://${clusterIP('static')}/logo.png`, perSecond: 2, headers: { connection: 'close' } },
] as const;
