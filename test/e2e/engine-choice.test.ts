/** `--engine uws`: which connections it carries, and which go to the native engine. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { withoutUws } from '../support/uws-loads.ts';

/** Their server knows HTTP/1.1 alone. */
const SERVICES = serviceFile('web', 'v1').replaceAll('port: 80', 'port: 80, appProtocol: kubernetes.io/ws');

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

t.test(
  'retries and mirrors are carried by it, edits of Date and HTTP/2 by the native engine',
  { skip: withoutUws },
  async (t) => {
    const { cluster, directory } = clusterOf(t);
    const client = cluster.addPod('client');
    const server = cluster.addPod('server');
    for (const [index, name] of ['web', 'v1'].entries()) {
      cluster.addService(`10.96.0.${10 + index}`, 80, [{ address: server.v4, port: 8000 + index }]);
      await startFixture(server, 'hello-server', String(8000 + index), name);
    }
    const volume = new ConfigMapMount(join(directory.path, 'routes'), files(''));
    const sidecar = await Sidecar.start(client, volume.path, '--engine', 'uws');
    const ask = (...flags: string[]) =>
      client.run(['curl', '-sS', ...flags, '--max-time', '10', 'http://10.96.0.10/']).stdout;
    /** Which engine has the connection of a request, while it waits for its answer. */
    const carrier = async (...flags: string[]): Promise<string> => {
      const caller = client.spawn(['curl', '-sS', ...flags, 'http://10.96.0.10/?delay=600000'], { stdio: 'ignore' });
      try {
        return await eventually('a connection', () => {
          const view = JSON.parse(
            client.must(['curl', '-sS', '--max-time', '5', 'http://127.0.0.1:15000/connections']),
          ) as { unlisted: number; downstream: { request: object | null }[] };
          if (view.downstream.some(({ request }) => request !== null)) return 'native';
          return view.unlisted > 0 ? 'uws' : null;
        });
      } finally {
        caller.kill('SIGKILL');
        await eventually(
          'the connection to be closed',
          () => sidecar.metric(/^sideroute_downstream_connections /) === 0,
        );
      }
    };

    t.equal(ask(), 'Hello from Version v1\n');
    t.equal(await carrier(), 'uws');
    t.equal(ask('--http2-prior-knowledge'), 'Hello from Version v1\n');
    t.equal(await carrier('--http2-prior-knowledge'), 'native');
    volume.write(files(', retry: {attempts: 2, codes: [503]}'));
    await sidecar.applied(2);
    t.equal(ask(), 'Hello from Version v1\n');
    t.equal(await carrier(), 'uws');
    volume.write(files(', filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]'));
    await sidecar.applied(3);
    t.equal(ask(), 'Hello from Version v1\n');
    const copies = /^sideroute_mirrored_requests_total\{.*backend_name="web",.*result="answered"\}/;
    await eventually('the copy of this one', () => sidecar.metric(copies) === 1);
    t.equal(await carrier(), 'uws');
    const date = '{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: date, value: today}]}}';
    volume.write(files(`, filters: [${date}]`));
    await sidecar.applied(4);
    t.match(client.run(['curl', '-sSi', '--max-time', '10', 'http://10.96.0.10/']).stdout, /\r\ndate: today\r\n/);
    t.equal(await carrier(), 'native');
    t.equal(await sidecar.stop(), 0);
  },
);

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
