/** Which backend is taken, and what is said when none can be. */
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { applyRules } from '../../../src/iptables/apply.ts';
import { chooseBackend, type BackendName } from '../../../src/iptables/backend.ts';
import { FAMILIES } from '../../../src/iptables/cidr.ts';
import { cleanUpRules } from '../../../src/iptables/cleanup.ts';
import { parseInterceptionSettings } from '../../../src/iptables/settings.ts';
import { Cluster, type Pod } from '../../support/cluster.ts';
import { cliCommand, podSystem } from './fixture.ts';

const { settings } = parseInterceptionSettings({ serviceCidrs: '10.96.0.0/12,fd00:96::/108' });
const APPLY = { settings, backend: null, ipv6: 'auto', pod: {}, waitSeconds: 5, dryRun: false, binding: null } as const;

const cluster = new Cluster();
t.teardown(() => cluster.close());
let pods = 0;

function newPod(): Pod {
  pods += 1;
  return cluster.addPod(`backend${pods}`);
}

function choose(pod: Pod, forced: BackendName | null = null, path?: string) {
  return chooseBackend(podSystem(pod, path), { forced, families: FAMILIES, waitSeconds: 5, probe: true });
}

t.test('in a namespace without rules it is nft, and the probe leaves nothing behind', async (t) => {
  const pod = newPod();
  const { backend, why } = await choose(pod);
  t.same([backend.name, why], ['nft', 'it can be written to']);
  t.notMatch(pod.must(['iptables-nft-save']) + pod.must(['ip6tables-nft-save']), /SIDEROUTE/);
  t.equal(pod.must(['iptables-legacy-save']), '', 'and looking did not create legacy tables');
});

t.test('a backend that has rules of anyone, in any table, wins', async (t) => {
  const pod = newPod();
  pod.must(['ip6tables-legacy', '-t', 'mangle', '-A', 'OUTPUT', '-j', 'MARK', '--set-mark', '1']);
  const { backend, why } = await choose(pod);
  t.same([backend.name, why], ['legacy', 'it has rules in this namespace']);
});

t.test('the backend with our rules wins over one with rules of others', async (t) => {
  const pod = newPod();
  await applyRules(podSystem(pod), { ...APPLY, backend: 'legacy' });
  pod.must(['iptables-nft', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '81', '-j', 'REJECT']);
  const { backend, why } = await choose(pod);
  t.same([backend.name, why], ['legacy', 'it holds our rules']);
});

t.test('forcing the backend that does not hold our rules is refused: there would be two sets', async (t) => {
  const pod = newPod();
  await applyRules(podSystem(pod), { ...APPLY, backend: 'legacy' });
  await t.rejects(applyRules(podSystem(pod), { ...APPLY, backend: 'nft' }), {
    code: 'iptables-backend',
    message:
      /--backend nft: the legacy backend already holds sideroute's rules; run cleanup with --backend legacy first/,
  });
  t.notMatch(pod.must(['iptables-nft-save']), /SIDEROUTE/);
});

t.test('a backend that lists but cannot write is passed over', async (t) => {
  const pod = newPod();
  const folder = t.testdir({});
  writeFileSync(
    join(folder, 'iptables-nft-restore'),
    '#!/bin/sh\necho "Failed to initialize nft: Protocol not supported" >&2\nexit 1\n',
    { mode: 0o755 },
  );
  const { backend } = await choose(pod, null, `${folder}:${process.env['PATH']!}`);
  t.equal(backend.name, 'legacy');
  await t.rejects(choose(pod, 'nft', `${folder}:${process.env['PATH']!}`), {
    code: 'iptables-backend',
    message: /nft: .*Protocol not supported/,
  });
});

t.test('missing programs are named, with what to install; one missing backend alone is no failure', async (t) => {
  const pod = newPod();
  const none = pathOf(t, []);
  const args = ['--service-cidrs', '10.96.0.0/12'];
  for (const command of [['apply', ...args], ['verify', ...args], ['cleanup']]) {
    const { status, stderr } = pod.run(cliCommand(command, { PATH: none }));
    t.equal(status, 1, command[0]!);
    t.match(stderr, /iptables-nft-(restore|save) was not found: install the package iptables/);
  }
  const legacyOnly = pathOf(t, [
    'iptables-legacy-restore',
    'iptables-legacy-save',
    'ip6tables-legacy-restore',
    'ip6tables-legacy-save',
  ]);
  t.match(pod.must(cliCommand(['apply', ...args], { PATH: legacyOnly })), /^backend: legacy/);
  t.match(pod.must(cliCommand(['cleanup'], { PATH: legacyOnly })), /^IPv4: removed \(legacy\)\n$/);
});

t.test('without NET_ADMIN the capability is named', async (t) => {
  const pod = newPod();
  const bound = ['setpriv', '--bounding-set=-net_admin,-net_raw', '--inh-caps=-all', '--'];
  const { status, stderr } = pod.run([...bound, ...cliCommand(['apply', '--service-cidrs', '10.96.0.0/12'])]);
  t.equal(status, 1);
  t.match(stderr, /nft: .*\(it needs the capability NET_ADMIN\)/);
  t.match(stderr, /legacy: .*\(it needs the capabilities NET_ADMIN and NET_RAW, /);
});

t.test('legacy works with a read-only /run: its lock file goes elsewhere', async (t) => {
  const pod = newPod();
  const script = 'mount --bind /run /run && mount -o remount,bind,ro /run && exec "$@"';
  const command = cliCommand(['apply', '--backend', 'legacy', '--service-cidrs', '10.96.0.0/12']);
  t.match(pod.must(['sh', '-c', script, 'sh', ...command]), /^backend: legacy/);
});

t.test('a process that holds the lock is waited for, and named when it takes too long', async (t) => {
  const pod = newPod();
  const holder = pod.spawn([
    process.execPath,
    '-e',
    `require('net').createServer(() => {}).listen('\\0sideroute-iptables', () => console.log('held'))`,
  ]);
  t.teardown(() => holder.kill('SIGKILL'));
  await new Promise((resolve) => holder.stdout!.once('data', resolve));
  const args = ['--service-cidrs', '10.96.0.0/12', '--wait'];
  const impatient = pod.run(cliCommand(['apply', ...args, '1']));
  t.equal(impatient.status, 1);
  t.match(impatient.stderr, /Another sideroute changes the rules of this pod; waited 1 s for it/);
  const patient = pod.spawn(cliCommand(['apply', ...args, '60']));
  const exited = new Promise((resolve) => patient.once('exit', resolve));
  holder.kill('SIGKILL');
  t.equal(await exited, 0);
  await cleanUpRules(podSystem(pod), { backend: null, waitSeconds: 5, dryRun: false });
});

/** A PATH with these programs of the machine and no others. */
function pathOf(t: Test, programs: readonly string[]): string {
  const folder = t.testdir({});
  for (const program of programs) symlinkSync(`/usr/sbin/${program}`, join(folder, program));
  return folder;
}
