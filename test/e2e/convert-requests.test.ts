/**
 * VirtualServices of the shapes that Istio's own samples have, converted and served by a sidecar: each request goes where Istio
 * would send it, and arrives with the path it would have there.
 */
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { sideroute } from '../support/cli.ts';
import type { Pod } from '../support/cluster.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import type { EchoedRequest } from '../support/echo.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';
import { referenceOutcome, type MatchDocument, type Request } from '../support/virtual-service-reference.ts';

const PORT = 9080;
const VERSIONS = ['v1', 'v2', 'v3'] as const;

const toVersion = (subset: string, weight?: number) => ({
  destination: { host: 'reviews', subset },
  ...(weight === undefined ? {} : { weight }),
});

interface Sample {
  readonly http: readonly {
    readonly match?: readonly MatchDocument[];
    readonly rewrite?: { readonly uri: string };
    readonly route: readonly ReturnType<typeof toVersion>[];
  }[];
  readonly requests: readonly Partial<Request>[];
}

/** By the Service that they are for. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  // One user sees the next version.
  reviews: {
    http: [
      { match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [toVersion('v2')] },
      { route: [toVersion('v3')] },
    ],
    requests: [{}, { headers: { 'end-user': 'jason' } }, { headers: { 'end-user': 'Jason' } }],
  },
  // Everything goes to the first one.
  ratings: { http: [{ route: [toVersion('v1')] }], requests: [{}, { path: '/ratings/0' }] },
  // Pages of an application behind one rule, its API behind another, and the order of rules against Gateway API's.
  productpage: {
    http: [
      {
        match: [{ uri: { exact: '/productpage' } }, { uri: { prefix: '/static' } }, { uri: { exact: '/login' } }],
        route: [toVersion('v1')],
      },
      { match: [{ headers: { 'x-canary': {} }, withoutHeaders: { 'x-stable': {} } }], route: [toVersion('v3')] },
      { match: [{ uri: { prefix: '/api/v1/' }, method: { exact: 'GET' } }], route: [toVersion('v2')] },
      { route: [toVersion('v1')] },
    ],
    requests: [
      ...[
        '/productpage',
        '/productpages',
        '/statics/x',
        '/static',
        '/login',
        '/api/v1/products',
        '/api/v1',
        '/',
      ].flatMap((path) => [
        { path },
        { path, headers: { 'x-canary': '1' } },
        { path, headers: { 'x-canary': '1', 'x-stable': '' } },
      ]),
      { path: '/api/v1/products', method: 'POST' },
    ],
  },
  // A prefix that is replaced.
  catalog: {
    http: [
      {
        match: [{ uri: { prefix: '/wpcatalog/' } }, { uri: { prefix: '/consumercatalog/' } }],
        rewrite: { uri: '/newcatalog/' },
        route: [toVersion('v2')],
      },
      { match: [{ uri: { exact: '/old' } }], rewrite: { uri: '/new' }, route: [toVersion('v3')] },
      { route: [toVersion('v1')] },
    ],
    requests: ['/wpcatalog/a/b', '/consumercatalog/a', '/wpcatalog', '/wpcatalog/', '/old', '/older', '/'].map(
      (path) => ({ path }),
    ),
  },
};

const service = (name: string, selector: object, clusterIP?: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { selector, ports: [{ name: 'http', port: PORT, targetPort: 8080 }], ...(clusterIP ? { clusterIP } : {}) },
});

function convertSamples(): string {
  const istio = (kind: string, name: string, spec: object): object => ({
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: { name, namespace: 'default' },
    spec,
  });
  const documents = [
    ...Object.keys(SAMPLES).map((name) => service(name, { app: name })),
    istio('DestinationRule', 'reviews', {
      host: 'reviews',
      subsets: VERSIONS.map((version) => ({ name: version, labels: { version } })),
    }),
    ...Object.entries(SAMPLES).map(([name, { http }]) => istio('VirtualService', name, { hosts: [name], http })),
  ];
  const { status, stdout, stderr } = sideroute(['convert'], documents.map((each) => stringify(each)).join('---\n'));
  t.equal(status, 0, `nothing differs: ${stderr}`);
  return stdout;
}

function ask(
  client: Pod,
  address: string,
  { method = 'GET', path = '/', headers = {} }: Partial<Request>,
): EchoedRequest {
  const fields = Object.entries(headers).flatMap(([name, value]) => [
    '-H',
    value === '' ? `${name};` : `${name}: ${value}`,
  ]);
  const url = `http://${address}:${PORT}${path}`;
  return JSON.parse(client.must(['curl', '-sS', '--max-time', '10', '-X', method, ...fields, url])) as EchoedRequest;
}

t.test('requests through a sidecar go where Istio sends them', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const backends = VERSIONS.map((version) => ({ version, pod: cluster.addPod(version) }));
  const parents = Object.keys(SAMPLES).map((name, index) => ({ name, address: `10.96.0.${10 + index}` }));
  for (const { version, pod } of backends) await startFixture(pod, 'echo-server', '8080', '9000', 'default', version);
  for (const { address } of parents) {
    cluster.addService(address, PORT, [{ address: backends[0]!.pod.v4, port: 8080 }]);
  }
  const addressOf = (version: string): string => `10.96.0.2${version.slice(1)}`;
  for (const { version, pod } of backends)
    cluster.addService(addressOf(version), PORT, [{ address: pod.v4, port: 8080 }]);
  // Their addresses are what an API server would give them.
  const services = [
    ...parents.map(({ name, address }) => service(name, { app: name }, address)),
    ...VERSIONS.map((version) => service(`reviews-${version}`, { app: 'reviews', version }, addressOf(version))),
  ];
  const routes = convertSamples()
    .split(/^---\n/m)
    .filter((text) => text.includes('kind: HTTPRoute'));
  t.equal(routes.length, parents.length);
  const volume = new ConfigMapMount(join(directory.path, 'routes'), {
    'services.yaml': services.map((each) => stringify(each)).join('---\n'),
    'routes.yaml': routes.join('---\n'),
  });
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'default');
  for (const { name, address } of parents) {
    const { http, requests } = SAMPLES[name]!;
    for (const request of requests) {
      const whole = { method: 'GET', path: '/', headers: {}, queryParams: {}, ...request };
      const expected = referenceOutcome(http, whole)!;
      const { pod, path } = ask(client, address, request);
      const wanted = { pod: http[expected.rule]!.route[0]!.destination.subset, path: expected.path };
      t.same({ pod, path }, wanted, `${name}: ${JSON.stringify(request)}`);
    }
  }
  t.equal(await sidecar.stop(), 0);
});
