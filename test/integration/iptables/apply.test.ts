/** Applying and cleaning up: repeatable, atomic, beside rules of others, on both backends and for both families. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { applyRules, type ApplyOptions } from '../../../src/iptables/apply.ts';
import { IptablesBackend, BACKENDS } from '../../../src/iptables/backend.ts';
import { FAMILIES, type Family } from '../../../src/iptables/cidr.ts';
import { cleanUpRules } from '../../../src/iptables/cleanup.ts';
import {
  DEFAULT_CAPTURE_PORT,
  parseInterceptionSettings,
  type InterceptionTexts,
} from '../../../src/iptables/settings.ts';
import { Cluster, type Pod } from '../../support/cluster.ts';
import { GOLDEN_CASES, goldenPath } from '../../support/iptables-golden.ts';
import { cliCommand, podSystem, savedNat, WatchedPod } from './fixture.ts';

const SERVICES = '10.96.0.0/12,fd00:96::/108';
const cluster = new Cluster();
t.teardown(() => cluster.close());
let pods = 0;

function options(
  texts: InterceptionTexts = { serviceCidrs: SERVICES },
  more: Partial<ApplyOptions> = {},
): ApplyOptions {
  const { settings } = parseInterceptionSettings(texts);
  return { settings, backend: null, ipv6: 'auto', pod: {}, waitSeconds: 5, dryRun: false, binding: null, ...more };
}

function newPod(): Pod {
  pods += 1;
  return cluster.addPod(`apply${pods}`);
}

function program(name: string, family: Family): string {
  return `${family === 'v4' ? 'iptables' : 'ip6tables'}-${name}`;
}

function saved(pod: Pod, name: string): string {
  return FAMILIES.map((family) => savedNat(pod, name, family)).join('');
}

function outputRules(pod: Pod, name: string, family: Family): string[] {
  return savedNat(pod, name, family).match(/^-A OUTPUT .*$/gm) ?? [];
}

for (const name of BACKENDS) {
  const apply = (pod: Pod, texts?: InterceptionTexts) => applyRules(podSystem(pod), options(texts, { backend: name }));
  const cleanUp = (pod: Pod) => cleanUpRules(podSystem(pod), { backend: null, waitSeconds: 5, dryRun: false });

  t.test(`${name}: iptables-save prints the rules of each golden file as they were given`, async (t) => {
    const pod = newPod();
    const backend = new IptablesBackend(podSystem(pod), name, 5);
    const rules = (text: string) => text.split('\n').filter((line) => line.startsWith('-A '));
    for (const goldenCase of Object.keys(GOLDEN_CASES)) {
      for (const family of FAMILIES) {
        const golden = readFileSync(goldenPath(goldenCase, family), 'utf8');
        if (rules(golden).length === 0) continue;
        await backend.restore(family, golden);
        t.same(rules(await backend.save(family, 'nat')), rules(golden), `${goldenCase} ${family}`);
        await backend.restore(family, '*nat\n-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT\nCOMMIT\n');
      }
    }
  });

  t.test(`${name}: applying three times is applying once`, async (t) => {
    const pod = newPod();
    const first = await apply(pod);
    t.same(first.families, { v4: 'applied', v6: 'applied' });
    const once = saved(pod, name);
    t.same((await apply(pod)).families, { v4: 'unchanged', v6: 'unchanged' });
    await apply(pod);
    t.equal(saved(pod, name), once);
  });

  t.test(`${name}: changed settings replace the rules, and there is still one jump`, async (t) => {
    const pod = newPod();
    await apply(pod);
    await apply(pod, { serviceCidrs: SERVICES, excludeOutboundPorts: '5432' });
    for (const family of FAMILIES) {
      t.same(outputRules(pod, name, family), ['-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT']);
      t.match(savedNat(pod, name, family), /--dports 5432 -j RETURN/);
    }
    const result = await apply(pod, { serviceCidrs: '10.96.0.0/12' });
    t.same(result.families, { v4: 'applied', v6: 'removed' });
    t.notMatch(savedNat(pod, name, 'v6'), /SIDEROUTE/);
  });

  t.test(`${name}: processes that apply at the same time leave exactly one set of rules`, async (t) => {
    const pod = newPod();
    const args = ['apply', '--backend', name, '--service-cidrs', SERVICES, '--wait', '60'];
    const children = Array.from({ length: 5 }, (_, i) =>
      pod.spawn(cliCommand([...args, '--exclude-outbound-ports', String(6000 + i)]), {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    );
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
    t.same(codes, [0, 0, 0, 0, 0]);
    for (const family of FAMILIES) {
      t.same(outputRules(pod, name, family), ['-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT']);
      t.equal(savedNat(pod, name, family).match(/--dports 600\d /g)?.length, 1, 'the rules of one of them');
    }
  });

  t.test(`${name}: rules of others stay, in their order; ours comes after those that were there first`, async (t) => {
    const pod = newPod();
    const add = (...args: string[]) =>
      FAMILIES.forEach((family) => pod.must([program(name, family), '-t', 'nat', ...args]));
    add('-N', 'FOREIGN');
    add('-A', 'FOREIGN', '-m', 'comment', '--comment', 'a "quoted" -j SIDEROUTE_OUTPUT', '-j', 'RETURN');
    add('-A', 'OUTPUT', '-p', 'udp', '-j', 'FOREIGN', '-m', 'comment', '--comment', 'x -j SIDEROUTE_OUTPUT');
    const before = saved(pod, name);
    const result = await apply(pod);
    add('-A', 'OUTPUT', '-p', 'tcp', '-j', 'FOREIGN');
    const expected = [
      '-A OUTPUT -p udp -m comment --comment "x -j SIDEROUTE_OUTPUT" -j FOREIGN',
      '-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT',
      '-A OUTPUT -p tcp -j FOREIGN',
    ];
    await apply(pod, { serviceCidrs: SERVICES, excludeOutboundPorts: '5432' });
    for (const family of FAMILIES) t.same(outputRules(pod, name, family), expected);
    t.equal(result.warnings.length, 2, 'the rule ahead of ours is mentioned, once for each family');
    t.match(result.warnings[0], /comes first: -A OUTPUT -p udp -m comment .* -j FOREIGN/);
    add('-D', 'OUTPUT', '-p', 'tcp', '-j', 'FOREIGN');
    await cleanUp(pod);
    t.equal(saved(pod, name), before);
  });

  t.test(`${name}: half-applied leftovers are mended`, async (t) => {
    const pod = newPod();
    await apply(pod);
    const right = saved(pod, name);
    const leftovers: Readonly<Record<string, readonly string[]>> = {
      'chains without a jump': ['-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT'],
      'a jump into an empty chain': ['-F SIDEROUTE_OUTPUT', '-F SIDEROUTE_REDIRECT'],
      'three jumps': ['-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT', '-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT'],
      'a jump of another form': ['-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT', '-A OUTPUT -j SIDEROUTE_OUTPUT'],
      'only one chain': [
        '-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT',
        '-F SIDEROUTE_OUTPUT',
        '-F SIDEROUTE_REDIRECT',
        '-X SIDEROUTE_REDIRECT',
      ],
      'a probe left behind': [':SIDEROUTE_PROBE - [0:0]', '-A SIDEROUTE_PROBE -p tcp -j REDIRECT --to-ports 1'],
      'a chain of another version, in use': [
        ':SIDEROUTE_INBOUND - [0:0]',
        '-A PREROUTING -p tcp -j SIDEROUTE_INBOUND',
        '-A SIDEROUTE_INBOUND -j SIDEROUTE_REDIRECT',
      ],
      'a rule too many': ['-I SIDEROUTE_OUTPUT -p tcp --dport 80 -j RETURN'],
    };
    for (const [title, lines] of Object.entries(leftovers)) {
      for (const family of FAMILIES) {
        pod.must([`${program(name, family)}-restore`, '--noflush'], {
          input: ['*nat', ...lines, 'COMMIT', ''].join('\n'),
        });
      }
      t.not(saved(pod, name), right, title);
      await apply(pod);
      t.equal(saved(pod, name), right, `mended: ${title}`);
    }
  });

  t.test(`${name}: a captured connection lives on while rules are applied again and changed`, async (t) => {
    const watched = await WatchedPod.start(cluster, `live-${name}`, DEFAULT_CAPTURE_PORT);
    t.teardown(() => watched.close());
    const { pod } = watched;
    await apply(pod);
    t.equal(await watched.dial('10.96.0.10', 80, { id: 'four' }), 'captured 10.96.0.10 80');
    t.equal(await watched.dial('fd00:96::10', 80, { id: 'six' }), 'captured fd00:96::10 80');
    for (const texts of [{ excludeOutboundPorts: '80' }, {}, { excludeOutboundCidrs: '10.96.0.10,fd00:96::10' }]) {
      await apply(pod, { serviceCidrs: SERVICES, ...texts });
      for (const id of ['four', 'six'])
        t.equal(await watched.echo(id, 'still here'), 'still here', `${id} ${JSON.stringify(texts)}`);
    }
  });

  t.test(`${name}: cleaning up takes everything of ours and nothing else`, async (t) => {
    const pod = newPod();
    for (const family of FAMILIES) {
      pod.must([`${program(name, family)}-restore`], {
        input: '*nat\n:OTHER - [0:0]\n-A OTHER -j RETURN\n-A OUTPUT -p tcp -j OTHER\n-A PREROUTING -j OTHER\nCOMMIT\n',
      });
    }
    const before = saved(pod, name);
    await apply(pod);
    for (const family of FAMILIES) {
      pod.must([`${program(name, family)}-restore`, '--noflush'], {
        input:
          '*nat\n:SIDEROUTE_PROBE - [0:0]\n-A PREROUTING -p tcp -j SIDEROUTE_PROBE\n-A OUTPUT -j SIDEROUTE_OUTPUT\nCOMMIT\n',
      });
    }
    t.equal((await cleanUp(pod)).length, 2, 'one document for each family');
    t.equal(saved(pod, name), before);
    t.same(await cleanUp(pod), [], 'a second time there is nothing to do');
  });

  t.test(
    `${name}: when IPv6 fails after IPv4 was applied, the state before is back, with and without older rules`,
    async (t) => {
      const bin = failingProgram(t, `ip6tables-${name}-restore`, 'SIDEROUTE_OUTPUT');
      const pod = newPod();
      const system = podSystem(pod, `${bin}:${process.env['PATH']!}`);
      const failing = (texts: InterceptionTexts) =>
        t.rejects(applyRules(system, options(texts, { backend: name })), {
          code: 'iptables-apply',
          message: /ip6tables-.*-restore .* failed: made to fail\nThe rules from before are in place again\.$/,
        });
      pod.must([program(name, 'v4'), '-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'ACCEPT']);
      const untouched = saved(pod, name);
      await failing({ serviceCidrs: SERVICES });
      t.equal(saved(pod, name), untouched);

      await apply(pod);
      pod.must([program(name, 'v4'), '-t', 'nat', '-I', 'OUTPUT', '-p', 'tcp', '-j', 'SIDEROUTE_OUTPUT']);
      const older = saved(pod, name);
      await failing({ serviceCidrs: SERVICES, excludeOutboundPorts: '5432' });
      t.equal(saved(pod, name), older, 'even a doubled jump is back at its places');
    },
  );

  t.test(`${name}: a dry run changes nothing and shows the documents`, async (t) => {
    const pod = newPod();
    const before = saved(pod, name);
    const result = await applyRules(podSystem(pod), options(undefined, { backend: name, dryRun: true }));
    t.match(result.documents.v4, /-A SIDEROUTE_OUTPUT -d 10\.96\.0\.0\/12 -j SIDEROUTE_REDIRECT/);
    t.equal(saved(pod, name), before);
    await apply(pod);
    const applied = saved(pod, name);
    t.equal((await cleanUpRules(podSystem(pod), { backend: null, waitSeconds: 5, dryRun: true })).length, 2);
    t.equal(saved(pod, name), applied);
  });
}

t.test('hostNetwork is refused, and nothing is changed', async (t) => {
  const pod = newPod();
  for (const facts of [
    { podIp: '192.0.2.1', hostIp: '192.0.2.1' },
    { podIps: '192.0.2.1,fd00::1', hostIp: 'fd00:0::1' },
  ]) {
    await t.rejects(applyRules(podSystem(pod), options(undefined, { pod: facts })), { code: 'iptables-host-network' });
  }
  t.notMatch(pod.must(['iptables-nft-save']), /SIDEROUTE/);
  await applyRules(podSystem(pod), options(undefined, { pod: { podIp: '10.244.0.9', hostIp: '192.0.2.1' } }));
  t.match(pod.must(['iptables-nft-save']), /SIDEROUTE/);
});

t.test('IPv6 is left out where the pod has none, and not touched', async (t) => {
  const pod = newPod();
  const outcome = async (more: Partial<ApplyOptions>) => {
    const { families, ipv6Why } = await applyRules(podSystem(pod), options(undefined, more));
    return `${families.v6}: ${ipv6Why}`;
  };
  t.match(await outcome({ pod: { podIps: '10.244.0.10' } }), /^skipped: the pod has no IPv6 address \(POD_IPS\)/);
  t.match(await outcome({ ipv6: 'off' }), /^skipped: --ipv6 off/);
  t.equal(pod.must(['ip6tables-nft-save', '-t', 'nat']).includes('SIDEROUTE'), false);
  t.match(await outcome({ pod: { podIps: '10.244.0.10,fd00:244::a' } }), /^applied: /);
  pod.must(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
  t.match(await outcome({ pod: { podIps: '10.244.0.10,fd00:244::a' } }), /^skipped: no interface has an IPv6 address/);
  t.match(await outcome({ ipv6: 'on' }), /^unchanged: --ipv6 on/);
});

t.test('IPv6 that the pod has and that cannot be written fails the whole', async (t) => {
  const pod = newPod();
  const bin = failingProgram(t, 'ip6tables-nft-restore', '');
  failingProgram(t, 'ip6tables-legacy-restore', '', bin);
  const system = podSystem(pod, `${bin}:${process.env['PATH']!}`);
  await t.rejects(applyRules(system, options()), {
    code: 'iptables-backend',
    message: /nft: ip6tables-nft-restore.*\nlegacy: /,
  });
  t.notMatch(pod.must(['iptables-nft-save']), /SIDEROUTE/);
  t.match((await applyRules(system, options(undefined, { ipv6: 'off' }))).families, { v4: 'applied', v6: 'skipped' });
});

/** A folder for PATH with a program that fails when its input holds `word` and it is not only asked to test. */
function failingProgram(t: Test, name: string, word: string, folder = t.testdir({})): string {
  const script = [
    '#!/bin/sh',
    'input=$(cat)',
    'case "$*" in *--test*) exit 0;; esac',
    `case "$input" in *-d*${word}*) echo "made to fail" >&2; exit 1;; esac`,
    `printf '%s\\n' "$input" | PATH=/usr/sbin:/sbin exec ${name} "$@"`,
    '',
  ].join('\n');
  writeFileSync(join(folder, name), script, { mode: 0o755 });
  return folder;
}
