/** `--engine uws`: connections of a frontend whose rules ask for more than that engine carries go to the native one. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { withoutUws } from '../support/uws-loads.ts';

const SERVICES = serviceFile('web', 'v1');

function files(rule: string): Record<string, string> {
  const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]${rule}}]
`;
  return { 'all.yaml': `${SERVICES}---\n${route}` };
}

t.test('retries and mirrors are carried whatever the engine', { skip: withoutUws }, async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  for (const [index, name] of ['web', 'v1'].entries()) {
    cluster.addService(`10.96.0.${10 + index}`, 80, [{ address: server.v4, port: 8000 + index }]);
    await startFixture(server, 'hello-server', String(8000 + index), name);
  }
  const volume = new ConfigMapMount(join(directory.path, 'routes'), files(''));
  const sidecar = await Sidecar.start(client, volume.path, '--engine', 'uws');
  const connects = () => sidecar.metric(/^sideroute_upstream_connects_total /);
  const ask = () => client.run(['curl', '-sS', '--max-time', '10', 'http://10.96.0.10/']).stdout;

  t.equal(ask(), 'Hello from Version v1\n');
  t.equal(connects(), 0, 'the native engine had no part in it');
  volume.write(files(', retry: {attempts: 2, codes: [503]}'));
  await sidecar.applied(2);
  t.equal(ask(), 'Hello from Version v1\n');
  t.equal(connects(), 1, 'the native engine carried it');
  volume.write(files(', filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]'));
  await sidecar.applied(3);
  t.equal(ask(), 'Hello from Version v1\n');
  const copies = /^sideroute_mirrored_requests_total\{.*backend_name="web",.*result="answered"\}/;
  await eventually('the copy of this one', () => sidecar.metric(copies) === 1);
  t.equal(await sidecar.stop(), 0);
});

const withUws = withoutUws === false && 'this Node has uWebSockets.js';
t.test(
  'where uWebSockets.js has no binary, --engine uws ends at once and says with which Node it starts',
  { skip: withUws },
  (t) => {
    const { directory } = clusterOf(t);
    const [node, ...program] = SIDEROUTE;
    const flags = ['proxy', '--routes', directory.path, '--engine', 'uws'];
    const { status, stderr } = spawnSync(node, [...program, ...flags], { encoding: 'utf8' });
    t.equal(status, 1);
    const said = `sideroute: --engine uws: uWebSockets.js has no binary for Node ${process.version} (linux ${process.arch}), only for Node 20 and 22; `;
    t.ok(stderr.includes(said), stderr);
    t.end();
  },
);
