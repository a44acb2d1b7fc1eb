/** The scenario of the README, word for word, through real iptables; IPv4 and IPv6. */
import { readFileSync } from 'node:fs';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';
import { eventually } from '../support/eventually.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { withoutUws } from '../support/uws-loads.ts';

const scenario = new URL('../../../test/fixtures/scenario/', import.meta.url);
const services = readFileSync(new URL('services.yaml', scenario), 'utf8');
const route = readFileSync(new URL('my-server-route.yaml', scenario), 'utf8');
const allToV2 = readFileSync(new URL('../all-to-v2.yaml', scenario), 'utf8');

for (const [family, engine] of [
  ['IPv4', 'native'],
  ['IPv6', 'native'],
  ['IPv4', 'uws'],
] as const) {
  const skip = engine === 'uws' && withoutUws;
  t.test(`requests reach the version their header asks for, ${family}, engine ${engine}`, { skip }, async (t) => {
    const { cluster, directory } = clusterOf(t);
    const client = cluster.addPod('client');
    const v1 = cluster.addPod('v1');
    const v2 = cluster.addPod('v2');
    const pick = (pod: { v4: string; v6: string }) => (family === 'IPv4' ? pod.v4 : pod.v6);
    const ip = (last: string) => (family === 'IPv4' ? `10.96.0.${last}` : `fd00:96::${last}`);
    cluster.addService(
      ip('10'),
      80,
      [v1, v2].map((pod) => ({ address: pick(pod), port: 8080 })),
    );
    cluster.addService(ip('11'), 80, [{ address: pick(v1), port: 8080 }]);
    cluster.addService(ip('12'), 80, [{ address: pick(v2), port: 8080 }]);
    cluster.addService(ip('20'), 2525, [{ address: pick(v1), port: 2525 }]);
    await startFixture(v1, 'hello-server', '8080', '1');
    await startFixture(v2, 'hello-server', '8080', '2');
    await startFixture(v1, 'greeting-server', '2525');
    mkdirSync(`/etc/netns/${client.netns}`, { recursive: true });
    writeFileSync(
      `/etc/netns/${client.netns}/hosts`,
      `127.0.0.1 localhost\n${ip('10')} my-server\n${ip('20')} plain-tcp\n`,
    );
    const familyServices = services.replaceAll(/10\.96\.0\.(\d+)/g, (_, last: string) => ip(last));
    const volume = new ConfigMapMount(join(directory.path, 'routes'), {
      'services.yaml': familyServices,
      'route.yaml': route,
    });
    const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'devopssong', '--engine', engine);

    const curl = (...args: string[]) => client.must(['curl', '-sS', '--max-time', '5', ...args]);
    for (let i = 0; i < 10; i += 1) t.equal(curl('http://my-server'), 'Hello from Version 1\n');
    for (let i = 0; i < 10; i += 1) t.equal(curl('-H', 'Version: new', 'http://my-server'), 'Hello from Version 2\n');
    t.equal(curl('-H', 'Version: newer', 'http://my-server'), 'Hello from Version 1\n');

    volume.write({ 'services.yaml': familyServices, 'route.yaml': allToV2 });
    await eventually('all traffic at version 2', () => curl('http://my-server') === 'Hello from Version 2\n');
    for (let i = 0; i < 10; i += 1) t.equal(curl('http://my-server'), 'Hello from Version 2\n');

    const dialogue = 'exec 3<>/dev/tcp/plain-tcp/2525; head -n 1 <&3; echo hello >&3; head -n 1 <&3';
    t.equal(client.must(['timeout', '5', 'bash', '-c', dialogue]), '220 greetings from a plain TCP service\r\nhello\n');

    t.ok(
      sidecar.metric(/^sideroute_requests_total\{.*backend_name="my-server-v1".*code="200"/) >= 10,
      'requests are counted by backend',
    );
    t.equal(
      sidecar.metric(/^sideroute_passthrough_connections_total\{reason="unrouted"\}/),
      1,
      'the tunnel is counted',
    );
    t.equal(await sidecar.stop(), 0, 'SIGTERM ends it with status 0');
  });
}
