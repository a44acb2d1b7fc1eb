/**
 * Connections that the sidecar dials and the rules capture again, because it runs as another uid than they exempt: each
 * client's connection ends at once, as `loop`, instead of breeding more until nothing is left. And what only looks alike.
 */
// Needs: conntrack.
import { join } from 'node:path';
import t from 'tap';
import { type CommandResult, type Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, PROXY_UID, Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { withoutUws } from '../support/uws-loads.ts';

const WRONG_UID = PROXY_UID + 1;
/** Of curl: could not connect, failure in receiving. A reset right after the connect is seen as either. */
const RESET = new Set([7, 56]);
const LOOP = /^sideroute_passthrough_connections_total\{reason="loop"\}/;
const UNROUTED = /^sideroute_passthrough_connections_total\{reason="unrouted"\}/;
const REDIALS = /^sideroute_reconnects_total\{reason="connect_failure"\}/;
/** Of an address that fails, before it is known to. */
const MOST_DIALS = 16;

function service(name: string, clusterIP: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {clusterIP: ${clusterIP}, ports: [{port: 80}]}\n`;
}

function route(parent: string, backend: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${parent}, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: ${parent}, port: 80}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]
`;
}

const FILES = {
  'services.yaml': [service('web', '10.96.0.10'), service('v1', '10.96.0.11'), service('self', '10.96.0.12')].join(
    '---\n',
  ),
  'routes.yaml': [route('web', 'v1'), route('self', 'self')].join('---\n'),
};

function curl(pod: Pod, url: string, ...args: string[]): CommandResult {
  return pod.run(['curl', '-sS', '--max-time', '10', '-w', '%{http_code}', ...args, url]);
}

interface Total {
  readonly loop: number;
  readonly unrouted: number;
  readonly redials: number;
}

/** What one call adds to the counters, once no tunnel is open. */
async function added(sidecar: Sidecar, call: () => void): Promise<Total> {
  const read = () => ({
    loop: sidecar.metric(LOOP),
    unrouted: sidecar.metric(UNROUTED),
    redials: sidecar.metric(REDIALS),
  });
  const before = read();
  call();
  await eventually('the end of every tunnel', () => sidecar.metric(/^sideroute_passthrough_open /) === 0);
  const after = read();
  return {
    loop: after.loop - before.loop,
    unrouted: after.unrouted - before.unrouted,
    redials: after.redials - before.redials,
  };
}

t.test('connections of the sidecar itself', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const routes = join(directory.path, 'routes');
  new ConfigMapMount(routes, FILES);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  for (const clusterIP of ['10.96.0.10', '10.96.0.11', '10.96.0.12', '10.96.0.20', '10.96.0.21']) {
    cluster.addService(clusterIP, 80, [{ address: server.v4, port: 8000 }]);
  }
  cluster.addService('fd00:96::20', 80, [{ address: server.v6, port: 8000 }]);
  await startFixture(server, 'hello-server', '8000', '1');
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);

  await t.test('the uid is wrong: a tunnel is reset, once, and the log says what to look at', async (t) => {
    const sidecar = await Sidecar.startProxyAs(WRONG_UID, client, routes, '--max-connections', '200');
    t.teardown(() => sidecar.stop());
    for (const [url, destination] of [
      ['http://10.96.0.20/', '10.96.0.20:80'],
      ['http://[fd00:96::20]/', '[fd00:96::20]:80'],
    ] as const) {
      for (let call = 0; call < 3; call += 1) {
        const { loop, unrouted } = await added(sidecar, () => {
          const { status, stderr } = curl(client, url);
          t.ok(RESET.has(status), `curl ${status}: ${stderr}`);
        });
        t.equal(loop, 1, `${url}: one loop`);
        t.ok(unrouted <= 2, `${url}: ${unrouted} tunnels`);
      }
      const written = () =>
        sidecar.log.find((text) => text.includes('"reason":"loop"') && text.includes(`"${destination}"`));
      await eventually(`a line about ${destination}`, () => written() !== undefined);
      t.match(JSON.parse(written()!), {
        message: 'connection dropped',
        errorCode: 'ELOOP',
        hint: new RegExp(`uid ${WRONG_UID}\\b.*--proxy-uid`),
      });
    }
    t.equal(sidecar.metric(/^sideroute_accept_pauses_total\{limit="connections"\} /), 0);
  });

  for (const [engine, url] of [
    ['native', 'http://10.96.0.10/'],
    ['native', 'http://10.96.0.12/'],
    ['uws', 'http://10.96.0.10/'],
    ['uws', 'http://10.96.0.12/'],
  ] as const) {
    const title = `the uid is wrong: a request to ${url} is answered as one whose backend failed (${engine})`;
    await t.test(title, { skip: engine === 'uws' && withoutUws }, async (t) => {
      const flags = ['--engine', engine, '--max-connections', '200'];
      const sidecar = await Sidecar.startProxyAs(WRONG_UID, client, routes, ...flags);
      t.teardown(() => sidecar.stop());
      for (let call = 0; call < 3; call += 1) {
        let reason = '';
        const { loop, redials } = await added(sidecar, () => {
          const { stdout, stderr } = curl(client, url, '-i');
          t.match(stdout, /50[23]$/, stderr);
          reason = /x-sideroute-reason: (\S+)/i.exec(stdout)?.[1] ?? '';
        });
        t.match(reason, /^(upstream_reset|connect_failure)$/);
        // A reset that comes before the connect is seen to have succeeded is a failure to connect, after which it is dialled again. Of
        // several threads one may reset what another dials more than once.
        t.equal(loop, 1 + redials, reason);
        t.ok(loop <= MOST_DIALS, `${loop} loops, ${reason}`);
      }
      t.equal(sidecar.metric(/^sideroute_accept_pauses_total\{limit="connections"\} /), 0);
    });
  }

  await t.test(
    'rules without the exemption appear while it runs: from then on it is a loop, SYNs are marked',
    async (t) => {
      const sidecar = await Sidecar.startProxy(client, routes);
      t.teardown(() => sidecar.stop());
      const marked = ['-p', 'tcp', '-m', 'ttl', '--ttl-eq', '63'];
      for (const kind of [['--syn'], ['--tcp-flags', 'PSH', 'PSH']]) {
        client.must(['iptables', '-w', '-t', 'mangle', '-A', 'OUTPUT', ...marked, ...kind]);
      }
      /** Packets with the mark: SYNs, and with data. */
      const packets = () =>
        client
          .must(['iptables', '-w', '-t', 'mangle', '-nvxL', 'OUTPUT'])
          .split('\n')
          .slice(2, 4)
          .map((line) => Number(/\d+/.exec(line)?.[0]));
      t.equal(curl(client, 'http://10.96.0.20/').stdout, 'Hello from Version 1\n200');
      t.same(packets(), [0, 0], 'without suspicion no packet is marked');
      const rule = ['OUTPUT', '-p', 'tcp', '-d', '10.96.0.20', '-j', 'REDIRECT', '--to-ports', '15001'];
      client.must(['iptables', '-w', '-t', 'nat', '-I', ...rule]);
      t.ok(RESET.has(curl(client, 'http://10.96.0.20/').status));
      client.must(['iptables', '-w', '-t', 'nat', '-D', ...rule]);
      t.same(packets(), [1, 0], 'the dial after the suspected one');
      t.equal(curl(client, 'http://10.96.0.20/').stdout, 'Hello from Version 1\n200');
      t.same(packets(), [2, 0], 'the SYN, and no data');
      client.must(['iptables', '-w', '-t', 'mangle', '-F', 'OUTPUT']);
      t.equal(sidecar.metric(LOOP), 1);
    },
  );

  await t.test('5,000 short connections from few ports to several Services: none is a loop', async (t) => {
    const sidecar = await Sidecar.startProxy(client, routes);
    t.teardown(() => sidecar.stop());
    // Ports of closed connections are taken again at once, and translation has to exchange those in use.
    client.must(['sysctl', '-qw', 'net.ipv4.ip_local_port_range=40000 40299']);
    const load = client.spawn(
      fixture('short-connections', '5000', '32', ...['10.96.0.10', '10.96.0.12', '10.96.0.20', '10.96.0.21']),
    );
    const report = JSON.parse(await waitForLine(load, /^\{/, 120_000)) as { answers: Record<string, number> };
    client.must(['sysctl', '-qw', 'net.ipv4.ip_local_port_range=32768 60999']);
    t.same(report, { answers: { 'Hello from Version 1': 5000 }, failures: {} });
    t.equal(sidecar.metric(LOOP), 0);
  });

  await t.test(
    'a connection that translation gives the very address of one of the sidecar: it is served',
    async (t) => {
      const sidecar = await Sidecar.startProxy(client, routes);
      t.teardown(() => sidecar.stop());
      const first = client.spawn(fixture('short-connections', 'hold', '10.96.0.20'));
      await waitForLine(first, /^open/);
      const sockets = client.must(['ss', '-Htne', 'state', 'established', 'dst', '10.96.0.20:80']).split('\n');
      const own = sockets.find((line) => line.includes(`uid:${PROXY_UID}`)) ?? '';
      const [, address, port] = /\s(\S+):(\d+)\s+10\.96\.0\.20:80\s/.exec(own)!;
      t.equal(address, client.v4);
      client.must([
        ...['iptables', '-w', '-t', 'nat', '-A', 'POSTROUTING', '-p', 'tcp', '-s', client.v4, '--dport', '15001'],
        ...['-j', 'SNAT', '--to-source', `${client.v4}:${port}`],
      ]);
      // A connection that had the port before, of another test or the call before, is remembered for a while.
      const portIsFree = () =>
        eventually('nothing but the sidecar has the port', () => {
          client.run(['conntrack', '-D', '-p', 'tcp', '--state', 'TIME_WAIT']);
          const known = client.must(['conntrack', '-L', '-p', 'tcp', '--reply-port-dst', port!]);
          return !known.includes('sport=15001 ');
        });
      await portIsFree();
      t.equal(curl(client, 'http://10.96.0.20/').stdout, 'Hello from Version 1\n200', 'suspected, without proof');
      await portIsFree();
      t.equal(curl(client, 'http://10.96.0.20/').stdout, 'Hello from Version 1\n200', 'its SYN was looked at');
      const matched = client.must(['iptables', '-w', '-t', 'nat', '-nvxL', 'POSTROUTING']);
      t.match(matched, /^\s*[2-9]\s.*SNAT/m, 'the rule was applied to both');
      t.equal(sidecar.metric(LOOP), 0);
      client.must(['iptables', '-w', '-t', 'nat', '-F', 'POSTROUTING']);
      first.kill();
    },
  );
});
