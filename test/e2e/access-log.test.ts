/** The access log of a running sidecar: requests through both engines, tunnels, what is dropped, metrics, SIGTERM. */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { PROXY_UID, SIDEROUTE, Sidecar } from '../support/sidecar.ts';
import { stopProcess, waitForLine } from '../support/processes.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { withoutUws } from '../support/uws-loads.ts';
import { matches } from '../support/match.ts';

const SERVICES = ['web 10.96.0.10', 'v1 10.96.0.11']
  .map((entry) => entry.split(' '))
  .map(
    ([name, ip]) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {clusterIP: ${ip}, ports: [{port: 80}]}\n`,
  )
  .join('---\n');
const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
  - name: blue
    matches: [{path: {value: /blue}}]
    backendRefs: [{name: v1, port: 80}]
  - matches: [{path: {value: /missing}}]
    backendRefs: [{name: nowhere, port: 80}]
`;

type Line = Readonly<Record<string, unknown>>;

/** What the sidecar writes to standard output, parsed: anything but JSON objects fails. */
function accessLines(sidecar: Sidecar): () => Line[] {
  let text = '';
  sidecar.process.stdout!.on('data', (chunk: string) => (text += chunk));
  return () =>
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
}

t.test('the access log of a sidecar', async (t) => {
  const { cluster, client, server, directory } = await startTwoPods(t);
  cluster.addService('10.96.0.12', 80, [{ address: server.v4, port: 8000 }]);
  cluster.addService('10.96.0.13', 80, [{ address: server.v4, port: 8009 }]);
  const curl = (...args: string[]) => client.run(['curl', '-sS', '--max-time', '10', ...args]);
  const routes = join(directory, 'routes');
  new ConfigMapMount(routes, { 'services.yaml': SERVICES, 'route.yaml': ROUTE });

  for (const engine of ['native', 'uws'] as const) {
    await t.test(`${engine}, all: requests and connections`, { skip: engine === 'uws' && withoutUws }, async (t) => {
      const flags = ['--access-log', 'all', '--engine', engine];
      const sidecar = await (engine === 'native'
        ? Sidecar.start(client, routes, ...flags)
        : Sidecar.startProxy(client, routes, ...flags));
      const lines = accessLines(sidecar);
      t.equal(curl('-H', 'x-request-id: one', 'http://10.96.0.10/blue').stdout, 'Hello from Version 1\n');
      curl('http://10.96.0.10/missing', 'http://10.96.0.10/other');
      t.equal(curl('http://10.96.0.12/').stdout, 'Hello from Version parent\n', 'no route: tunnelled');
      curl('http://10.96.0.13/');
      await eventually('five lines', () => lines().length >= 5);
      const [request, missing, other, ...connections] = lines();
      const web = { kind: 'request', frontend: 'shop/web:80', destination: '10.96.0.10:80', host: '10.96.0.10' };
      t.match(request, {
        ...{ ...web, path: '/blue', code: 200, reason: null, request_id: 'one', user_agent: /^curl/ },
        ...{ route: 'shop/web', rule: 'blue', backend: 'shop/v1:80', upstream: '10.96.0.11:80' },
      });
      t.match(missing, {
        ...web,
        code: 503,
        reason: 'unresolved',
        rule: '1',
        backend: 'shop/nowhere:80',
        upstream: null,
      });
      t.match(other, { ...web, code: 404, reason: 'no_route', route: null, rule: null, backend: null });
      t.match(
        connections.find(({ reason }) => reason === 'unrouted'),
        {
          ...{ kind: 'connection', destination: '10.96.0.12:80', reset: false, error: null },
          downstream: new RegExp(`^${client.v4.replaceAll('.', '\\.')}:\\d+$`),
        },
      );
      t.ok((connections.find(({ reason }) => reason === 'unrouted')!['bytes_sent'] as number) > 0);
      t.match(
        connections.find(({ reason }) => reason === 'connect_failure'),
        {
          ...{ kind: 'connection', destination: '10.96.0.13:80', reset: true, error: 'ECONNREFUSED', bytes_sent: 0 },
        },
      );
      t.equal(sidecar.metric(/^sideroute_access_log_lines_total /), 5);
      t.equal(sidecar.metric(/^sideroute_access_log_dropped_lines_total /), 0);
      t.equal(await sidecar.stop(), 0);
      t.ok(
        sidecar.log.every((line) => !line.includes('"kind"')),
        'standard error has none of it',
      );
    });
  }

  await t.test('errors, the default; what waits is written at SIGTERM', async (t) => {
    const sidecar = await Sidecar.startProxy(client, routes);
    const lines = accessLines(sidecar);
    curl('http://10.96.0.10/blue', 'http://10.96.0.12/', 'http://10.96.0.10/other');
    curl('http://127.0.0.1:15001/');
    t.equal(await sidecar.stop(), 0);
    await eventually('the lines', () => lines().length >= 2);
    matches(t, lines(), [
      { kind: 'request', path: '/other', code: 404, reason: 'no_route' },
      { kind: 'connection', reason: 'loop', downstream: /^127\.0\.0\.1:\d+$/, destination: '127.0.0.1:15001' },
    ]);
    t.equal(lines().length, 2);
  });

  await t.test('standard output closed: requests are served, lines are counted as lost', async (t) => {
    const script = [...SIDEROUTE, 'proxy', '--routes', routes, '--drain-quiet', '0s', '--access-log', 'all'].join(' ');
    // The reader of the pipe ends at once.
    const child = client.spawn(['bash', '-c', `exec ${script} > >(exec true)`], { asUid: PROXY_UID });
    t.teardown(() => stopProcess(child));
    await waitForLine(child, /"message":"ready"/);
    const lost = () =>
      Number(
        /^sideroute_access_log_dropped_lines_total (\d+)$/m.exec(curl('http://127.0.0.1:15020/metrics').stdout)?.[1],
      );
    for (let i = 1; i <= 3; i++) t.equal(curl('http://10.96.0.10/blue').stdout, 'Hello from Version 1\n');
    await eventually('the lines are lost', () => lost() === 3);
  });
});
