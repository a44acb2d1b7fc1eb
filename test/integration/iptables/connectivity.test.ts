/** The connectivity check: a connection to the API server's Service address must arrive with that address. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Cluster, type Pod } from '../../support/cluster.ts';
import { savedNat, WatchedPod } from './fixture.ts';

const RUNNER = fileURLToPath(new URL('./connectivity-process.js', import.meta.url));
const ENV = [`PATH=${process.env['PATH']!}`, 'KUBERNETES_SERVICE_HOST=10.96.0.1', 'KUBERNETES_SERVICE_PORT=443'];

const cluster = new Cluster();
t.teardown(() => cluster.close());
cluster.node.must(['ip', 'addr', 'add', '10.96.0.1/32', 'dev', 'lo']);

function apply(pod: Pod, args: readonly string[], as: readonly string[] = []) {
  return pod.run([...as, 'env', '-i', ...ENV, process.execPath, RUNNER, ...args]);
}

t.test(
  'it passes where the rules see Service addresses, and the final rules exclude the API server again',
  async (t) => {
    const pod = cluster.addPod('seen');
    const { status, stdout, stderr } = apply(pod, ['--service-cidrs', '10.96.0.0/12']);
    t.equal(stderr, '');
    t.equal(status, 0);
    t.match(stdout, 'connectivity: passed (a connection to 10.96.0.1 port 443 was captured)');
    t.match(stdout, /^IPv4: applied\nIPv6: no Service network, so no rules /m);
    t.match(savedNat(pod, 'nft', 'v4'), '-d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j RETURN');
    const both = ['--service-cidrs', '10.96.0.0/12,fd00:96::/112'];
    t.match(apply(pod, both).stdout, /^IPv4: in place already\nIPv6: applied /m, 'though the check has put them there');
    t.match(apply(pod, both).stdout, /^IPv4: in place already\nIPv6: in place already /m);
  },
);

t.test('it fails where they are translated first, names the remedy, and puts the state before back', async (t) => {
  const pod = cluster.addPod('hidden');
  // What socket-level load balancing does to the pod: the connection is to an endpoint before any rule of ours sees
  // it.
  const dnat = ['-d', '10.96.0.1', '-p', 'tcp', '--dport', '443', '-j', 'DNAT', '--to-destination', '10.244.0.1:6443'];
  pod.must(['iptables-nft', '-t', 'nat', '-A', 'OUTPUT', ...dnat]);
  const before = savedNat(pod, 'nft', 'v4');
  const { status, stdout } = apply(pod, ['--service-cidrs', '10.96.0.0/12', '--output', 'json']);
  t.equal(status, 1);
  t.match(JSON.parse(stdout), {
    result: 'error',
    code: 'iptables-connectivity',
    message:
      /10\.96\.0\.1 port 443 was not captured .*socketLB\.hostNamespaceOnly=true\.\nThe rules from before are in place again/,
  });
  t.equal(savedNat(pod, 'nft', 'v4'), before);
});

t.test('it is left out, with the reason, where it can prove nothing', async (t) => {
  const pod = cluster.addPod('skipped');
  const skipped = (args: readonly string[], reason: RegExp, as: readonly string[] = []) => {
    const { status, stdout } = apply(pod, args, as);
    t.equal(status, 0);
    t.match(stdout, reason);
  };
  skipped(['--service-cidrs', '10.96.0.0/12', '--verify-connectivity', 'off'], /connectivity: skipped \(not asked for/);
  skipped(['--service-cidrs', '10.100.0.0/16'], /10\.96\.0\.1 is outside the Service networks/);
  skipped(['--service-cidrs', '10.96.0.0/12', '--api-server', 'none'], /API server is not known/);
  skipped(
    ['--service-cidrs', '10.96.0.0/12', '--exclude-outbound-ports', '440-450'],
    /10\.96\.0\.1 port 443 is excluded/,
  );
  skipped(
    ['--service-cidrs', '10.96.0.0/12', '--exclude-outbound-cidrs', '10.96.0.0/24'],
    /10\.96\.0\.1 port 443 is excluded/,
  );
  // Also: with the nft backend, NET_ADMIN is all that is needed (the other lets it read a clone in a closed directory).
  const asProxy = [
    'setpriv',
    '--reuid',
    '1337',
    '--clear-groups',
    '--inh-caps=-all,+net_admin,+dac_read_search',
    '--ambient-caps=+net_admin,+dac_read_search',
    '--',
  ];
  skipped(
    ['--service-cidrs', '10.96.0.0/12'],
    /connectivity: skipped \(this process runs as the user of the proxy/,
    asProxy,
  );
});

t.test('it is left out while the proxy of the pod holds the capture port', async (t) => {
  const watched = await WatchedPod.start(cluster, 'running', 15001);
  t.teardown(() => watched.close());
  const { status, stdout } = apply(watched.pod, ['--service-cidrs', '10.96.0.0/12']);
  t.equal(status, 0);
  t.match(stdout, 'connectivity: skipped (port 15001 is in use: the proxy runs already)');
});
