/** The private endpoint of a real sidecar: the configuration in force, explanations of the live table, and who may ask. */
import { join } from 'node:path';
import t from 'tap';
import type { Explanation } from '../../src/routing/explain.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { matches } from '../support/match.ts';

const SERVICES = serviceFile('web', 'v1', 'v2');

function route(backend: string, backendPort: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop, generation: 4}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: ${backend}, port: ${backendPort}}]}]
`;
}

interface Config {
  readonly generation: number;
  readonly hash: string;
  readonly valid: boolean;
  readonly frontends: readonly {
    readonly key: string;
    readonly addresses: readonly string[];
    readonly rules: readonly { readonly backends: readonly unknown[] }[];
  }[];
  readonly routes: readonly unknown[];
}

t.test('the private endpoint of a sidecar', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  const ports = { web: 8000, v1: 8001, v2: 8002 };
  for (const [index, [name, port]] of Object.entries(ports).entries()) {
    cluster.addService(`10.96.0.${10 + index}`, 80, [{ address: server.v4, port }]);
    await startFixture(server, 'hello-server', String(port), name);
  }
  const volume = new ConfigMapMount(join(directory.path, 'routes'), {
    'all.yaml': `${SERVICES}---\n${route('v1', 80)}`,
  });
  const sidecar = await Sidecar.start(client, volume.path);
  const curl = (...args: string[]) => client.run(['curl', '-sS', '--max-time', '10', ...args]);
  const config = () => JSON.parse(curl('http://127.0.0.1:15000/config').stdout) as Config;

  await t.test('/config has the frontend, its rules, and conditions with the generation of the route', async (t) => {
    matches(t, config(), {
      generation: 1,
      valid: true,
      routes: [{ name: 'web', observedGeneration: 4, parents: [{ parent: 'shop/web:80' }] }],
      frontends: [
        {
          key: 'shop/web:80',
          mode: 'http',
          addresses: ['10.96.0.10'],
          rules: [{ route: 'shop/web', backends: [{ name: 'v1', state: 'resolved', addresses: ['10.96.0.11'] }] }],
        },
      ],
    });
  });

  await t.test('/explain and the traffic agree, before and after a reload', async (t) => {
    for (const [generation, backend] of [
      [1, 'v1'],
      [2, 'v2'],
    ] as const) {
      if (generation > 1) volume.write({ 'all.yaml': `${SERVICES}---\n${route(backend, 80)}` });
      await sidecar.applied(generation);
      t.equal(curl('http://10.96.0.10/').stdout, `Hello from Version ${backend}\n`);
      const answer = curl('http://127.0.0.1:15000/explain?service=web.shop:80').stdout;
      const { outcome } = JSON.parse(answer) as Explanation;
      matches(t, outcome, { kind: 'shares', shares: [{ backend: `shop/${backend}:80`, percent: 100 }] });
      t.match(curl('http://127.0.0.1:15000/explain?service=web.shop&format=text').stdout, `shop/${backend}:80`);
    }
    t.equal(config().generation, 2);
  });

  await t.test('a condition that turns False is a metric, a line of the log and part of /config', async (t) => {
    volume.write({ 'all.yaml': `${SERVICES}---\n${route('v2', 81)}` });
    await sidecar.applied(3);
    const condition = /^sideroute_route_condition\{.*type="ResolvedRefs",reason="BackendNotFound"\} 0$/m;
    t.match(sidecar.get('/metrics'), condition);
    const [rule] = config().frontends[0]!.rules;
    matches(t, rule!.backends, [{ name: 'v2', port: 81, state: 'refused', message: /no TCP port 81/ }]);
    const logged = () => sidecar.log.filter((line) => line.includes('route condition ResolvedRefs is False'));
    await eventually('the log', () => logged().length > 0);
    t.match(JSON.parse(logged()[0]!), {
      level: 'warn',
      route: 'HTTPRoute shop/web',
      parent: 'shop/web:80',
      type: 'ResolvedRefs',
      reason: 'BackendNotFound',
    });
    volume.write({ 'all.yaml': `${SERVICES}---\n${route('v2', 81)}# another content\n` });
    await sidecar.applied(4);
    t.equal(logged().length, 1, 'once');
  });

  await t.test('sideroute status shows the conditions, and waits for a hash', (t) => {
    const { hash } = config();
    const { status, stdout } = client.run([...SIDEROUTE, 'status', '--wait', hash, '--timeout', '10s']);
    t.equal(status, 0);
    const [first, ...lines] = stdout.split('\n');
    t.equal(first, `generation 4, hash ${hash}, valid`);
    matches(t, lines, [
      /^HTTPRoute shop\/web -> shop\/web:80: Accepted=True Accepted: /,
      /^HTTPRoute shop\/web -> shop\/web:80: ResolvedRefs=False BackendNotFound: .*no TCP port 81/,
      /^1 frontends$/,
      /^$/,
    ]);
    t.end();
  });

  await t.test('only loopback is asked, only by a loopback name, and only to read', async (t) => {
    const status = (...args: string[]) => curl('-o', '/dev/null', '-w', '%{http_code}', ...args).stdout;
    t.equal(status('http://localhost:15000/'), '200');
    t.equal(status('-H', 'Host: evil.example', 'http://127.0.0.1:15000/config'), '403');
    t.equal(status('-X', 'POST', 'http://127.0.0.1:15000/config'), '405');
    t.equal(curl(`http://${client.v4}:15000/`).status, 7, 'refused');
    t.equal(server.run(['curl', '-sS', '--max-time', '5', `http://${client.v4}:15000/`]).status, 7, 'refused');
  });
  t.equal(await sidecar.stop(), 0);

  await t.test('none turns it off', async (t) => {
    const without = await Sidecar.startProxy(client, volume.path, '--admin', 'none');
    t.equal(curl('http://127.0.0.1:15000/').status, 7, 'refused');
    await without.stop();
  });
});
