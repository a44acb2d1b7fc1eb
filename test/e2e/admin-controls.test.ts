/** What a person does to a running sidecar through its private endpoint: look at connections, change the log level, quit. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { Http2Client } from '../support/http2-client.ts';
import { stopProcess, waitForLine } from '../support/processes.ts';
import { serviceFile } from '../support/services.ts';
import { Sidecar, SIDEROUTE } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { matches } from '../support/match.ts';

const WEB = '10.96.0.10';
const UNROUTED = '10.96.0.12';
/** Their servers know HTTP/1.1 alone. */
const SERVICES = serviceFile('web', 'v1').replaceAll('port: 80', 'port: 80, appProtocol: kubernetes.io/ws');
const ROUTES = `${SERVICES}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;

interface Row {
  readonly id: string;
  readonly state: string;
  readonly request?: { readonly durationMs: number } | null;
}

interface Connections {
  readonly downstream: readonly Row[];
  readonly tunnels: readonly Row[];
  readonly upstream: readonly Row[];
  readonly truncated: readonly string[];
}

t.test('controls of a running sidecar', async (t) => {
  const { cluster, client, server, directory } = await startTwoPods(t);
  cluster.addService(UNROUTED, 80, [{ address: server.v4, port: 8000 }]);
  const volume = new ConfigMapMount(join(directory, 'routes'), { 'all.yaml': ROUTES });
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16']);
  const cli = (...args: string[]) => client.run([...SIDEROUTE, ...args]);
  const connections = (...args: string[]) =>
    JSON.parse(cli('connections', '-o', 'json', ...args).stdout) as Connections;
  /** A connection on which nothing is said. */
  const silent = async (t: Test, address: string): Promise<ChildProcess> => {
    const child = client.spawn(['bash', '-c', `exec 3<>/dev/tcp/${address}/80; echo open; exec sleep 120`]);
    t.teardown(() => stopProcess(child, 'SIGKILL'));
    await waitForLine(child, /^open/);
    return child;
  };
  /** A request that is answered after a while. */
  const slow = (t: Test, delayMs: number): ChildProcess => {
    const child = client.spawn(['curl', '-sS', '--max-time', '60', `http://${WEB}/slow?delay=${delayMs}`]);
    t.teardown(() => stopProcess(child, 'SIGKILL'));
    return child;
  };

  await t.test('connections: detecting, in a request, tunnelled, and to backends', async (t) => {
    const sidecar = await Sidecar.startProxy(client, volume.path);
    t.teardown(() => sidecar.stop());
    t.equal(cli('connections').stdout, 'no connections\n');
    await silent(t, WEB);
    await silent(t, UNROUTED);
    slow(t, 60_000);
    const all = await eventually('the request', () => {
      const now = connections();
      return now.downstream.some(({ state }) => state === 'request') ? now : null;
    });
    matches(t, all, {
      downstream: [
        { state: 'detecting', frontend: 'shop/web:80', original: `${WEB}:80`, served: 0, bytesReceived: 0 },
        {
          state: 'request',
          frontend: 'shop/web:80',
          original: `${WEB}:80`,
          protocol: 'HTTP/1',
          open: 1,
          request: { method: 'GET', path: '/slow', backend: 'shop/v1:80', upstream: '10.96.0.11:80', retries: 0 },
        },
      ],
      tunnels: [{ state: 'tunnel', reason: 'unrouted', original: `${UNROUTED}:80`, bytesReceived: 0, bytesSent: 0 }],
      upstream: [{ state: 'active', backend: 'shop/v1:80', address: '10.96.0.11:80', requests: 1 }],
      truncated: [],
    });
    t.match(
      (all.downstream[1] as unknown as { peer: string }).peer,
      new RegExp(`^${client.v4.replaceAll('.', '\\.')}:`),
    );

    const ids = ({ downstream, tunnels, upstream }: Connections) =>
      [...downstream, ...tunnels, ...upstream].map(({ id }) => id.split('-')[0]);
    t.same(ids(connections('--state', 'detecting')), ['detecting']);
    t.same(ids(connections('--state', 'tunnel')), ['tunnel']);
    t.same(ids(connections('--frontend', 'shop/web:80')), ['detecting', 'downstream']);
    t.same(ids(connections('--backend', 'shop/v1:80')), ['downstream', 'upstream']);
    const one = connections('--limit', '1');
    t.same(ids(one), ['detecting', 'tunnel', 'upstream']);
    t.same(one.truncated, ['downstream']);
    t.match(cli('connections', '--state', 'busy'), { status: 2, stderr: /state: got "busy", expected one of idle/ });
    t.match(cli('connections', '--backend', 'shop/v9:80'), { status: 2, stderr: /backend: got "shop\/v9:80"/ });

    const { status, stdout } = cli('connections');
    t.equal(status, 0);
    const [downstream, tunnels, upstream] = stdout.split('\n\n');
    t.match(downstream, /^ID +STATE +PROTOCOL +FRONTEND /);
    t.match(downstream, /\ndownstream-1 +request +HTTP\/1 +shop\/web:80 .* GET \/slow +shop\/v1:80 +\d+\.\ds +0$/);
    t.match(tunnels, /\ntunnel-1 +tunnel +unrouted +10\.96\.0\.12:80 /);
    t.match(upstream, /\nupstream-2 +active +HTTP\/1 +shop\/v1:80 +10\.96\.0\.11:80 +\d+\.\ds +- +1 +1\n$/);
  });

  await t.test('connections: each request of one of HTTP/2', async (t) => {
    const sidecar = await Sidecar.startProxy(client, volume.path);
    t.teardown(() => sidecar.stop());
    const caller = new Http2Client(client, WEB);
    t.teardown(() => caller.close());
    for (const path of ['/first?delay=60000', '/second?delay=60000']) {
      await caller.end(await caller.open({ ':method': 'GET', ':path': path }));
    }
    const both = await eventually('both requests', () => {
      const now = connections();
      return now.upstream.length === 2 ? now : null;
    });
    matches(t, both.downstream, [
      { state: 'request', protocol: 'HTTP/2', open: 2, requests: [{ path: '/first' }, { path: '/second' }] },
    ]);
    t.match(
      cli('connections').stdout,
      /\n(downstream-\d+) +request +HTTP\/2 .* 2 +GET \/first .*\n\1 +- .* - +GET \/second +shop\/v1:80 +\d+\.\ds +0\n/,
    );
  });

  await t.test('log-level: another one for a while', async (t) => {
    const sidecar = await Sidecar.startProxy(client, volume.path);
    t.teardown(() => sidecar.stop());
    t.equal(cli('log-level').stdout, 'level: info\naccess-log: errors\n');
    t.match(cli('log-level', 'debug').stdout, /^level: debug for 10m, then info\n/);
    t.match(cli('log-level', 'error', '--ttl', '1s').stdout, /^level: error for 1s, then info\n/);
    const logged = (message: string) => sidecar.log.filter((line) => line.includes(`"message":"${message}"`));
    await eventually('the end of its time', () => logged('log level reverted').length > 0);
    t.match(cli('log-level').stdout, /^level: info\n/);
    matches(
      t,
      logged('log level changed').map((line) => JSON.parse(line) as object),
      [
        { level: 'info', from: 'info', to: 'debug', for: '10m', by: 'sideroute' },
        { level: 'info', from: 'debug', to: 'error', for: '1s', by: 'sideroute' },
      ],
    );
    t.match(JSON.parse(logged('log level reverted')[0]!), { from: 'error', to: 'info' });
    cli('log-level', 'debug');
    t.same(JSON.parse(cli('log-level', 'info', '-o', 'json').stdout), {
      level: { value: 'info', configured: 'info', remaining: null },
      'access-log': { value: 'errors', configured: 'errors', remaining: null },
    });
    const setBack = await eventually('its line', () => logged('log level set back')[0]);
    t.match(JSON.parse(setBack), { from: 'debug', to: 'info', by: 'sideroute' });
    t.match(cli('log-level', 'loud'), {
      status: 2,
      stderr: /'loud' is invalid for argument 'level'.*debug, info, warn, error/s,
    });
    t.match(cli('log-level', 'debug', '--ttl', '25h'), { status: 2, stderr: /ttl: got "25h"/ });
    t.match(cli('log-level', '--ttl', '5m'), { status: 2, stderr: /--ttl needs a level/ });
  });

  await t.test('log-level --access-log: another mode of the access log for a while', async (t) => {
    const sidecar = await Sidecar.startProxy(client, volume.path);
    t.teardown(() => sidecar.stop());
    let lines = '';
    sidecar.process.stdout!.setEncoding('utf8').on('data', (text: string) => (lines += text));
    const get = (path: string) => client.must(['curl', '-sS', '--max-time', '5', `http://${WEB}${path}`]);
    get('/before');
    t.equal(
      cli('log-level', '--access-log', 'all', '--ttl', '1h').stdout,
      'level: info\naccess-log: all for 1h, then errors\n',
    );
    get('/meanwhile');
    await eventually('its line', () => lines.includes('"path":"/meanwhile"'));
    t.equal(cli('log-level', '--access-log', 'errors').stdout, 'level: info\naccess-log: errors\n');
    get('/after');
    t.equal(await sidecar.stop(), 0);
    t.notMatch(lines, /before|after/);
    t.match(cli('log-level', '--access-log', 'some'), { status: 2, stderr: /--access-log <mode>.*off, errors, all/s });
  });

  await t.test('quit: drains as after SIGTERM, whoever asks how often, and ends with status 0', async (t) => {
    const sidecar = await Sidecar.startProxy(
      client,
      volume.path,
      ...['--drain-quiet', '200ms', '--drain-timeout', '60s'],
    );
    const application = await silent(t, WEB);
    const first = cli('quit');
    t.equal(first.status, 0);
    t.match(
      first.stdout,
      /^draining: connections are served until none has been open for 200ms, at most .* status 0\n$/,
    );
    t.match(JSON.parse(cli('quit', '-o', 'json').stdout), { already: true, connections: 1, quietMs: 200 });
    sidecar.process.kill('SIGTERM');
    t.equal(client.run(['curl', '-sS', `http://${WEB}/`]).stdout, 'Hello from Version 1\n', 'still served');
    const logged = await eventually('the log', () => sidecar.log.find((line) => line.includes('asked to quit')));
    t.match(logged, /"by":"sideroute","already":false/);
    t.equal(sidecar.process.exitCode, null, 'SIGTERM has joined the drain under way');
    await stopProcess(application, 'SIGKILL');
    t.equal(await sidecar.ended(), 0);
    t.match(cli('quit'), { status: 1, stderr: /127\.0\.0\.1:15000\/quit: .*ECONNREFUSED/ });
  });

  await t.test('quit with nothing open and no quiet time is answered, too', async (t) => {
    const sidecar = await Sidecar.startProxy(client, volume.path, ...['--drain-quiet', '0s', '--drain-timeout', '60s']);
    t.match(cli('quit'), { status: 0, stdout: /^draining: .* for 0s, / });
    t.equal(await sidecar.ended(), 0);
  });
});
