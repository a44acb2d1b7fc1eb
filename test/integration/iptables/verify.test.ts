/** Verify names each kind of difference between the settings and what is installed, as a process with its exit status. */
import t from 'tap';
import { applyRules } from '../../../src/iptables/apply.ts';
import { IptablesBackend, BACKENDS } from '../../../src/iptables/backend.ts';
import { FAMILIES } from '../../../src/iptables/cidr.ts';
import { cleanUpRules } from '../../../src/iptables/cleanup.ts';
import { parseInterceptionSettings } from '../../../src/iptables/settings.ts';
import { verifyRules } from '../../../src/iptables/verify.ts';
import { Cluster } from '../../support/cluster.ts';
import { cliCommand, podSystem, savedNat } from './fixture.ts';
import { matches } from '../../support/match.ts';

const { settings } = parseInterceptionSettings({
  serviceCidrs: '10.96.0.0/12,fd00:96::/108',
  excludeOutboundPorts: '5432',
});
const OPTIONS = { settings, backend: null, ipv6: 'auto', pod: {}, waitSeconds: 5 } as const;

const cluster = new Cluster();
t.teardown(() => cluster.close());

const JUMP = '-p tcp -j SIDEROUTE_OUTPUT';
/** What someone does to the rules, and what verify says. */
const DRIFTS: readonly [title: string, lines: readonly string[], kind: string, message: RegExp][] = [
  [
    'a missing rule',
    ['-D SIDEROUTE_OUTPUT -o lo -j RETURN'],
    'missing-rule',
    /missing: -A SIDEROUTE_OUTPUT -o lo -j RETURN/,
  ],
  [
    'a missing redirect',
    ['-F SIDEROUTE_REDIRECT'],
    'missing-rule',
    /missing: -A SIDEROUTE_REDIRECT -p tcp -j REDIRECT --to-ports 15001/,
  ],
  ['an extra rule', ['-I SIDEROUTE_OUTPUT -p tcp -m tcp --dport 80 -j RETURN'], 'extra-rule', /--dport 80 -j RETURN/],
  [
    'rules out of order',
    ['-D SIDEROUTE_OUTPUT -o lo -j RETURN', '-A SIDEROUTE_OUTPUT -o lo -j RETURN'],
    'rule-order',
    /SIDEROUTE_OUTPUT are out of order, from rule 2 on/,
  ],
  ['a missing jump', [`-D OUTPUT ${JUMP}`], 'missing-jump', /Jump is missing: -A OUTPUT -p tcp -j SIDEROUTE_OUTPUT/],
  ['a doubled jump', [`-A OUTPUT ${JUMP}`], 'doubled-jump', /Jump is there 2 times/],
  [
    'another jump',
    ['-A OUTPUT -d 10.0.0.0/8 -j SIDEROUTE_OUTPUT'],
    'wrong-jump',
    /Jump is not the one of the settings/,
  ],
  [
    'a jump from elsewhere',
    ['-A PREROUTING -j SIDEROUTE_REDIRECT'],
    'extra-jump',
    /should not exist: -A PREROUTING -j SIDEROUTE_REDIRECT/,
  ],
  ['an extra chain', [':SIDEROUTE_OLD - [0:0]'], 'extra-chain', /SIDEROUTE_OLD should not exist/],
];

for (const name of BACKENDS) {
  t.test(`${name}: each kind of difference is named, with its family`, async (t) => {
    const pod = cluster.addPod(`drift-${name}`);
    const system = podSystem(pod);
    const backend = new IptablesBackend(system, name, 5);
    await applyRules(system, { ...OPTIONS, backend: name, dryRun: false, binding: null });
    t.same((await verifyRules(system, OPTIONS)).drift, [], 'nothing to report after applying');
    for (const family of FAMILIES) {
      for (const [title, lines, kind, message] of DRIFTS) {
        const here = family === 'v4' ? lines : lines.map((line) => line.replace('10.0.0.0/8', 'fd00::/8'));
        await backend.restore(family, ['*nat', ...here, 'COMMIT', ''].join('\n'));
        const { drift, backend: compared } = await verifyRules(system, OPTIONS);
        matches(t, drift, [{ family, kind, message }], `${family}: ${title}`);
        t.equal(drift.length, 1, 'and nothing else is reported');
        t.equal(compared, name);
        await applyRules(system, { ...OPTIONS, backend: name, dryRun: false, binding: null });
      }
    }
  });
}

t.test('rules in the other backend are reported too', async (t) => {
  const pod = cluster.addPod('both');
  const system = podSystem(pod);
  await applyRules(system, { ...OPTIONS, backend: 'nft', dryRun: false, binding: null });
  await new IptablesBackend(system, 'legacy', 5).restore(
    'v4',
    '*nat\n:SIDEROUTE_OUTPUT - [0:0]\n-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT\nCOMMIT\n',
  );
  const { drift } = await verifyRules(system, OPTIONS);
  matches(t, drift, [
    { family: 'v4', kind: 'other-backend', message: /The legacy backend holds rules of sideroute too/ },
  ]);
  t.equal(
    (await cleanUpRules(system, { backend: null, waitSeconds: 5, dryRun: false })).length,
    3,
    'cleaning up finds both',
  );
  t.notMatch(savedNat(pod, 'legacy', 'v4') + savedNat(pod, 'nft', 'v4') + savedNat(pod, 'nft', 'v6'), /SIDEROUTE/);
});

t.test('the process says what is different and ends with 1, or with 0 when nothing is', async (t) => {
  const pod = cluster.addPod('process');
  const args = ['--service-cidrs', '10.96.0.0/12,fd00:96::/108'];
  const before = pod.run(cliCommand(['verify', ...args]));
  t.equal(before.status, 1);
  t.match(before.stdout, /IPv4: missing-chain: Chain SIDEROUTE_OUTPUT is missing\.\n/);
  t.equal(pod.run(cliCommand(['apply', ...args])).status, 0);
  const after = pod.run(cliCommand(['verify', ...args]));
  t.equal(
    after.stdout,
    'backend: nft; compared: IPv4 and IPv6 (the pod has an IPv6 address)\nThe rules are as they should be.\n',
  );
  t.equal(after.status, 0);
  const other = pod.run(cliCommand(['verify', ...args, '--output', 'json', '--capture-port', '15002']));
  t.equal(other.status, 1);
  matches(t, JSON.parse(other.stdout), {
    result: 'different',
    backend: 'nft',
    drift: [
      { family: 'v4', kind: 'missing-rule', message: /to-ports 15002/ },
      { family: 'v4', kind: 'extra-rule', message: /to-ports 15001/ },
      { family: 'v6', kind: 'missing-rule' },
      { family: 'v6', kind: 'extra-rule' },
    ],
  });
});
