/**
 * A table of calls of gRPC, through real REDIRECT: what each comes to on the wire, what the running sidecar and the command say of it
 * (`/explain?grpc=`, `sideroute explain --grpc`), and what `check` says of the routes, are the same.
 */
import { join } from 'node:path';
import t from 'tap';
import type { Explanation } from '../../src/routing/explain.ts';
import { GRPC_CODES, type GrpcCode } from '../../src/grpc-status.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { Echo, ECHO_PORT } from '../support/echo.ts';
import { ExchangeClient, type Answer } from '../support/exchange.ts';
import { Sidecar, SIDEROUTE } from '../support/sidecar.ts';

const WEB = '10.96.0.10';
const OLD = '10.96.0.11';

const SERVICES = ['web', 'old', 'v1', 'v2']
  .map(
    (name, index) => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: prod }
spec: { clusterIP: 10.96.0.${10 + index}, ports: [{ port: 80 }] }
`,
  )
  .join('---\n');

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: web, namespace: prod }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
    - matches: [{ method: { service: a.B, method: Get } }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: x-rule, value: exact }], remove: [x-gone] }
      backendRefs: [{ name: v1, port: 80 }]
    - matches: [{ method: { service: a.B, method: Get }, headers: [{ name: version, value: new }] }]
      backendRefs: [{ name: v2, port: 80 }]
    - matches: [{ method: { service: a.B } }]
      backendRefs: [{ name: v2, port: 80 }]
    - matches: [{ method: { method: Ping } }]
      backendRefs: [{ name: v1, port: 80 }]
    - matches: [{ method: { type: RegularExpression, service: 'c[.].*', method: 'L.*' } }]
      backendRefs: [{ name: v2, port: 80 }]
    - matches: [{ method: { service: weighted.S } }]
      backendRefs: [{ name: v1, port: 80, weight: 1 }, { name: v2, port: 80, weight: 1 }]
    - matches: [{ method: { service: missing.S } }]
      backendRefs: [{ name: v1, port: 81 }]
    - matches: [{ method: { service: half.S } }]
      backendRefs: [{ name: v1, port: 80, weight: 1 }, { name: v1, port: 81, weight: 1 }]
    - matches: [{ method: { service: none.S } }]
    - matches: [{ method: { service: filtered.S } }]
      filters: [{ type: ExtensionRef, extensionRef: { group: example.com, kind: Limit, name: a } }]
      backendRefs: [{ name: v1, port: 80 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: old, namespace: prod }
spec:
  parentRefs: [{ group: "", kind: Service, name: old, port: 80 }]
  rules:
    - matches: [{ path: { type: Exact, value: /a.B/Get } }]
      timeouts: { request: 10s }
      backendRefs: [{ name: v2, port: 80 }]
    - matches: [{ path: { type: PathPrefix, value: /moved.S } }]
      filters: [{ type: RequestRedirect, requestRedirect: { hostname: other.example } }]
    - matches: [{ path: { type: PathPrefix, value: /missing.S } }]
      backendRefs: [{ name: v1, port: 81 }]
`;

interface Call {
  readonly name: string;
  /** Default: the Service of the GRPCRoute. */
  readonly service?: 'web' | 'old';
  readonly headers?: readonly (readonly [string, string])[];
  /** So often; each of what may happen has to. */
  readonly times?: number;
}

const CALLS: readonly Call[] = [
  { name: 'a.B/Get' },
  { name: 'a.B/Get', headers: [['x-gone', '1']] },
  { name: 'a.B/Get', headers: [['version', 'new']] },
  { name: 'a.B/get' },
  { name: 'a.B/Put' },
  { name: 'A.B/Put' },
  { name: 'a.B.C/Put' },
  { name: 'z.Z/Ping' },
  { name: 'a.B/Ping' },
  { name: 'c.D/List' },
  { name: 'cd.D/List' },
  { name: 'c.D/XList' },
  { name: 'weighted.S/M', times: 60 },
  { name: 'missing.S/M' },
  { name: 'half.S/M', times: 60 },
  { name: 'none.S/M' },
  { name: 'filtered.S/M' },
  { name: 'unknown.S/M' },
  { name: 'a.B/Get', headers: [['grpc-timeout', '0S']] },
  { name: 'a.B/Get', headers: [['grpc-timeout', '1H']] },
  { name: 'a.B/Get', headers: [['grpc-timeout', 'soon']] },
  { name: 'unknown.S/M', headers: [['grpc-timeout', '0S']] },
  { name: 'a.B/Get', service: 'old' },
  { name: 'a.B/Put', service: 'old' },
  { name: 'moved.S/M', service: 'old' },
  { name: 'missing.S/M', service: 'old' },
];

function codeName(status: string | undefined): string {
  return Object.entries(GRPC_CODES).find(([, code]) => String(code) === status)?.[0] ?? `status ${status}`;
}

/** What came back: the backend, or the reply. */
function described({ status, headers, body }: Answer): string {
  const fields = new Map(headers);
  const reason = fields.get('x-sideroute-reason');
  if (reason === undefined) return `prod/${(JSON.parse(body) as { pod: string }).pod}:80`;
  const grpc = fields.get('grpc-status');
  return grpc === undefined ? `${status} ${reason}` : `${status} ${reason} ${codeName(grpc)}`;
}

function reply(status: number, reason: string, grpc: GrpcCode | null): string {
  return grpc === null ? `${status} ${reason}` : `200 ${reason} ${grpc}`;
}

/** Everything that the explanation allows. */
function explained({ outcome }: Explanation): string[] {
  if (outcome.kind === 'original') return ['original'];
  if (outcome.kind === 'local') return [reply(outcome.status, outcome.reason, outcome.grpc)];
  return outcome.shares
    .filter(({ weight }) => weight > 0)
    .map(({ answer, backend }) => {
      if (answer.kind === 'local') return reply(answer.status, answer.reason, answer.grpc);
      return answer.kind === 'forward' && answer.callTimeoutMs === 0 ? '200 timeout DEADLINE_EXCEEDED' : backend;
    })
    .sort();
}

t.test('SPEC E1, E2, E3, G4: the wire, explain and check agree on a table of calls', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const [v1, v2] = [await Echo.start(cluster.addPod('v1'), 'prod'), await Echo.start(cluster.addPod('v2'), 'prod')];
  const both = [v1, v2].map(({ pod }) => ({ address: pod.v4, port: ECHO_PORT }));
  cluster.addService(WEB, 80, both);
  cluster.addService(OLD, 80, both);
  cluster.addService('10.96.0.12', 80, both.slice(0, 1));
  cluster.addService('10.96.0.13', 80, both.slice(1));
  const volume = new ConfigMapMount(join(directory.path, 'routes'), {
    'services.yaml': SERVICES,
    'routes.yaml': ROUTES,
  });
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'prod');
  const exchange = new ExchangeClient(client);
  t.teardown(() => exchange.end());

  const told = new Map<string, number>();
  for (const { name, service = 'web', headers = [], times = 1 } of CALLS) {
    const title = `${name} of ${service} ${headers.map((pair) => pair.join(': ')).join(', ')}`;
    const answers = await exchange.send({
      ...{ address: service === 'web' ? WEB : OLD, port: 80, http2: true, times },
      requests: [
        {
          ...{ method: 'POST', target: `/${name}`, body: '' },
          headers: [['host', 'web'], ['content-type', 'application/grpc'], ['te', 'trailers'], ...headers],
        },
      ],
    });
    const seen = [...new Set(answers.map(described))].sort();
    const query = new URLSearchParams({ service: `${service}.prod:80`, grpc: name, format: 'json' });
    for (const pair of headers) query.append('header', pair.join(': '));
    const url = `http://127.0.0.1:15000/explain?${query.toString()}`;
    const live = JSON.parse(client.must(['curl', '-sS', '--max-time', '5', url])) as Explanation;
    t.same(seen, explained(live), title);
    for (const each of answers.map(described)) told.set(each, (told.get(each) ?? 0) + 1);
  }
  t.same(
    [...told.keys()].sort(),
    [
      ...['prod/v1:80', 'prod/v2:80', '302 redirect', '200 no_backend UNAVAILABLE', '200 no_backend UNIMPLEMENTED'],
      ...['200 no_route UNIMPLEMENTED', '200 timeout DEADLINE_EXCEEDED', '200 unsupported_filter UNIMPLEMENTED'],
    ].sort(),
    'the table has all of them',
  );

  await t.test('the metrics have each of these calls, with the code that was told', (t) => {
    const lines = sidecar
      .get('/metrics')
      .split('\n')
      .filter((line) => line.startsWith('sideroute_grpc_calls_total{'));
    const counted = new Map<string, number>();
    for (const line of lines) {
      const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
      const status = label('grpc_status');
      const key =
        label('reason') === ''
          ? `${label('backend_namespace')}/${label('backend_name')}:80 ${status}`
          : `${label('code')} ${label('reason')} ${status}`;
      counted.set(key, (counted.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
    }
    // Neither a redirect nor the echo servers speak gRPC.
    const expected = [...told].map(([each, times]): [string, number] => {
      return [/^(prod|302)/.test(each) ? `${each} missing` : each, times];
    });
    t.same([...counted].sort(), expected.sort());
    t.end();
  });

  await t.test('a filter does to the head of a call what explain says', async (t) => {
    v1.forget();
    const headers = [['x-gone', '1'] as const, ['x-rule', 'mine'] as const];
    const fields = [['host', 'web'] as const, ['content-type', 'application/grpc'] as const, ...headers];
    const requests = [{ method: 'POST', target: '/a.B/Get', headers: fields }];
    await exchange.send({ address: WEB, port: 80, http2: true, requests });
    const [request] = v1.seen().received;
    t.match(request, { proto: 'HTTP/2.0', method: 'POST', path: '/a.B/Get' });
    t.same(request!.headers['x-rule'], ['exact']);
    t.equal(request!.headers['x-gone'], undefined);
    const output = client.must([
      ...[...SIDEROUTE, 'explain', '--routes', volume.path, '--namespace', 'prod', '--service', 'web.prod:80'],
      ...['--grpc', 'a.B/Get', '-H', 'x-gone: 1', '-H', 'x-rule: mine'],
    ]);
    t.match(output, /POST \/a\.B\/Get HTTP\/2\n/);
    t.match(output, /x-rule: exact\n/);
    t.notMatch(output, /x-gone/);
  });

  await t.test('the command says the same as the running sidecar', (t) => {
    for (const { name, service = 'web' } of CALLS.filter(({ headers }) => headers === undefined).slice(0, 40)) {
      if (!/^(a\.B\/Get|half|none|moved|filtered)/.test(name)) continue;
      const output = client.must([
        ...[...SIDEROUTE, 'explain', '--routes', volume.path, '--namespace', 'prod', '--service', `${service}.prod:80`],
        ...['--grpc', name, '--output', 'json'],
      ]);
      const url = `http://127.0.0.1:15000/explain?service=${service}.prod:80&grpc=${name}&format=json`;
      const live = JSON.parse(client.must(['curl', '-sS', '--max-time', '5', url])) as Explanation;
      t.same(explained(JSON.parse(output) as Explanation), explained(live), `${name} of ${service}`);
    }
    t.end();
  });

  await t.test('check names the code that such calls get', (t) => {
    const { stdout } = client.run([...SIDEROUTE, 'check', volume.path, '-o', 'json']);
    t.match(stdout, /v1[^"]*UNAVAILABLE/);
    t.match(stdout, /ExtensionRef[^"]*UNIMPLEMENTED/);
    t.end();
  });
});
