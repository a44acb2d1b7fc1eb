/** Every rule is needed: with it the connection goes where it should, without it somewhere else. */
import t from 'tap';
import { applyRules } from '../../../src/iptables/apply.ts';
import { BACKENDS, IptablesBackend } from '../../../src/iptables/backend.ts';
import { FAMILIES, type Family } from '../../../src/iptables/cidr.ts';
import { buildDocument, JUMP_LINE, OUTPUT_CHAIN, REDIRECT_CHAIN, type Rule } from '../../../src/iptables/document.ts';
import { parseInterceptionSettings } from '../../../src/iptables/settings.ts';
import { Cluster } from '../../support/cluster.ts';
import { WatchedPod } from './fixture.ts';

// Two halves of each address space instead of everything: each of the two rules must matter. None of the values is
// the default.
const { settings } = parseInterceptionSettings({
  proxyUid: '2337',
  capturePort: '15101',
  serviceCidrs: '0.0.0.0/1,128.0.0.0/1,::/1,8000::/1',
  excludeOutboundCidrs: '10.97.0.0/16,192.0.2.7,fd00:97::/64,2001:db8::7',
  excludeOutboundPorts: '1001,1002,1003,1004,1005,1006,1007,1008,1009,1010,1011,1012,1013,1014,1015,2000,2100-2200',
  metadataAddresses: '168.63.129.16,fd00:9999::/32',
  apiServer: '10.96.0.1:443',
});
const settingsFor = { v4: settings, v6: { ...settings, apiServer: { address: 'fd00:96::1', port: 443 } } };

const REFUSED = 'direct Connection refused';
const TIMED_OUT = 'direct timed out';

interface Attempt {
  readonly address: string;
  readonly port: number;
  readonly uid?: number;
  readonly timeoutMs?: number;
  /** What the dialler sees when the connection is captured. Default: the listener's answer with this destination. */
  readonly captured?: string;
  /** What it sees when it is not. Default: the node refuses. */
  readonly direct?: string;
}

/** A rule's line, without its chain, to a connection that only this rule decides about. */
const ATTEMPTS: Readonly<Record<Family, (pod: WatchedPod) => Readonly<Record<string, Attempt>>>> = {
  v4: ({ pod }) => ({
    '-p tcp -j SIDEROUTE_OUTPUT': { address: '10.96.0.10', port: 80 },
    '-m owner --uid-owner 2337 -j RETURN': { address: '10.96.0.10', port: 80, uid: 2337 },
    '-o lo -j RETURN': { address: pod.v4, port: 80 },
    '-d 127.0.0.0/8 -j RETURN': { address: '127.1.0.1', port: 80, direct: TIMED_OUT, timeoutMs: 400 },
    '-d 169.254.0.0/16 -j RETURN': { address: '169.254.169.254', port: 80 },
    '-d 168.63.129.16/32 -j RETURN': { address: '168.63.129.16', port: 80 },
    '-d 10.97.0.0/16 -j RETURN': { address: '10.97.255.255', port: 80 },
    '-d 192.0.2.7/32 -j RETURN': { address: '192.0.2.7', port: 80 },
    '-p tcp -m tcp --dport 53 -j RETURN': { address: '10.96.0.10', port: 53 },
    '-p tcp -m multiport --dports 1001,1002,1003,1004,1005,1006,1007,1008,1009,1010,1011,1012,1013,1014,1015 -j RETURN':
      {
        address: '10.96.0.10',
        port: 1015,
      },
    '-p tcp -m multiport --dports 2000,2100:2200 -j RETURN': { address: '10.96.0.10', port: 2150 },
    '-d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j RETURN': { address: '10.96.0.1', port: 443 },
    '-d 0.0.0.0/1 -j SIDEROUTE_REDIRECT': { address: '10.96.0.1', port: 444 },
    '-d 128.0.0.0/1 -j SIDEROUTE_REDIRECT': { address: '172.20.0.10', port: 80 },
    '-p tcp -j REDIRECT --to-ports 15101': { address: '10.96.0.10', port: 443 },
  }),
  v6: ({ pod }) => ({
    '-p tcp -j SIDEROUTE_OUTPUT': { address: 'fd00:96::10', port: 80 },
    '-m owner --uid-owner 2337 -j RETURN': { address: 'fd00:96::10', port: 80, uid: 2337 },
    '-o lo -j RETURN': { address: pod.v6, port: 80 },
    // Redirected from ::1 to ::1 it keeps its way out, where a filter rule refuses the capture port.
    '-d ::1/128 -j RETURN': { address: '::1', port: 80, captured: REFUSED, direct: TIMED_OUT, timeoutMs: 400 },
    // A connection bound to an interface cannot be answered through another: captured, it breaks.
    '-d fe80::/10 -j RETURN': { address: 'fe80::9%eth0', port: 80, captured: TIMED_OUT, timeoutMs: 400 },
    '-d fd00:ec2::/32 -j RETURN': { address: 'fd00:ec2::254', port: 80 },
    '-d fd00:9999::/32 -j RETURN': { address: 'fd00:9999::1', port: 80 },
    '-d 2001:db8::7/128 -j RETURN': { address: '2001:db8::7', port: 80 },
    '-d fd00:97::/64 -j RETURN': { address: 'fd00:97::7', port: 80 },
    '-p tcp -m tcp --dport 53 -j RETURN': { address: 'fd00:96::10', port: 53 },
    '-p tcp -m multiport --dports 1001,1002,1003,1004,1005,1006,1007,1008,1009,1010,1011,1012,1013,1014,1015 -j RETURN':
      {
        address: 'fd00:96::10',
        port: 1015,
      },
    '-p tcp -m multiport --dports 2000,2100:2200 -j RETURN': { address: 'fd00:96::10', port: 2150 },
    '-d fd00:96::1/128 -p tcp -m tcp --dport 443 -j RETURN': { address: 'fd00:96::1', port: 443 },
    '-d ::/1 -j SIDEROUTE_REDIRECT': { address: '64:ff9b::a60:a', port: 80 },
    '-d 8000::/1 -j SIDEROUTE_REDIRECT': { address: 'fd00:96::1', port: 444 },
    '-p tcp -j REDIRECT --to-ports 15101': { address: 'fd00:96::10', port: 443 },
  }),
};

const cluster = new Cluster();
t.teardown(() => cluster.close());

// The node owns every address dialled and has no listener: what is not captured is refused at once.
for (const address of [
  '10.96.0.1',
  '10.96.0.10',
  '169.254.169.254',
  '168.63.129.16',
  '10.97.255.255',
  '192.0.2.7',
  '172.20.0.10',
]) {
  cluster.node.must(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo']);
}
cluster.node.must(['ip', 'link', 'set', 'lo', 'up']);
for (const address of [
  'fd00:96::1',
  'fd00:96::10',
  'fd00:ec2::254',
  'fd00:9999::1',
  'fd00:97::7',
  '2001:db8::7',
  '64:ff9b::a60:a',
]) {
  cluster.node.must(['ip', '-6', 'addr', 'add', `${address}/128`, 'dev', 'lo', 'nodad']);
}
cluster.node.must(['ip', '-6', 'addr', 'add', 'fe80::9/64', 'dev', 'br0', 'nodad']);

for (const name of BACKENDS) {
  t.test(`${name}: each rule decides about a connection of its own`, async (t) => {
    const watched = await WatchedPod.start(cluster, name, settings.capturePort);
    t.teardown(() => watched.close());
    leadLoopbackAddressesOut(watched);
    await applyRules(watched.system, {
      settings,
      backend: name,
      ipv6: 'on',
      pod: {},
      waitSeconds: 5,
      dryRun: false,
      binding: null,
    });
    const backend = new IptablesBackend(watched.system, name, 5);
    for (const family of FAMILIES) {
      const { rules } = buildDocument(settingsFor[family], family)!;
      const attempts = ATTEMPTS[family](watched);
      const withoutChain = ({ line }: Rule) => line.replace(/^-A \S+ /, '');
      t.same(
        rules.map(withoutChain).toSorted(),
        Object.keys(attempts).toSorted(),
        `${family}: each rule has its connection`,
      );

      for (const rule of rules) {
        const {
          address,
          port,
          uid,
          timeoutMs,
          captured = `captured ${address} ${port}`,
          direct = REFUSED,
        } = attempts[withoutChain(rule)]!;
        const dial = () => watched.dial(address, port, { ...(uid && { uid }), ...(timeoutMs && { timeoutMs }) });
        const returns = rule.line.endsWith('-j RETURN');
        await backend.restore(family, withRules(rules));
        t.equal(await dial(), returns ? direct : captured, `${family} with "${rule.line}": ${address} port ${port}`);
        await backend.restore(family, withRules(rules.filter((other) => other !== rule)));
        t.equal(await dial(), returns ? captured : direct, `${family} without "${rule.line}": ${address} port ${port}`);
        // The jump may be the rule that was left out.
        if (rule.kind === 'jump') await backend.restore(family, `*nat\n${JUMP_LINE}\nCOMMIT\n`);
      }
    }
  });
}

/** All rules at once in place of those there; the jump is taken out when it is not among them. */
function withRules(rules: readonly Rule[]): string {
  const lines = rules.filter(({ kind }) => kind !== 'jump').map(({ line }) => line);
  if (lines.length === rules.length) lines.push(JUMP_LINE.replace('-A', '-D'));
  return ['*nat', `:${OUTPUT_CHAIN} - [0:0]`, `:${REDIRECT_CHAIN} - [0:0]`, ...lines, 'COMMIT', ''].join('\n');
}

/** Loopback addresses usually leave through `lo`, where another rule spares them; here two of them leave through eth0. */
function leadLoopbackAddressesOut({ pod }: WatchedPod): void {
  for (const [flag, address] of [
    ['-4', '127.1.0.1'],
    ['-6', '::1'],
  ] as const) {
    pod.must(['ip', flag, 'rule', 'add', 'pref', '10', 'lookup', 'local']);
    pod.must(['ip', flag, 'rule', 'add', 'pref', '5', 'to', address, 'dport', '80', 'lookup', '100']);
    pod.must(['ip', flag, 'rule', 'del', 'pref', '0']);
    pod.must(['ip', flag, 'route', 'add', address, 'dev', 'eth0', 'table', '100']);
  }
  const refuse = [
    '-o',
    'eth0',
    '-p',
    'tcp',
    '-m',
    'conntrack',
    '--ctorigdst',
    '::1',
    '--dport',
    '15101',
    '-j',
    'REJECT',
    '--reject-with',
    'tcp-reset',
  ];
  pod.must([`ip6tables-${pod.name}`, '-A', 'OUTPUT', ...refuse]);
}
