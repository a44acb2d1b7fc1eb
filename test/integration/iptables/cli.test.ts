/** The command line: flags and environment, output, exit status, termination log; and the init container's entry point. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Cluster, runCommand, type CommandResult } from '../../support/cluster.ts';
import { goldenPath } from '../../support/iptables-golden.ts';
import { cliCommand, savedNat } from './fixture.ts';
import { matches } from '../../support/match.ts';

const ENTRYPOINT = fileURLToPath(new URL('../../../bin/sideroute-init.js', import.meta.url));
const SERVICES = '10.96.0.0/12,fd00:96::/108';

const cluster = new Cluster();
t.teardown(() => cluster.close());

function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): CommandResult {
  const [program, ...rest] = cliCommand(args, env);
  return runCommand(program!, rest);
}

t.test('print writes the documents, and only them, to standard output', async (t) => {
  const golden = readFileSync(goldenPath('service-cidrs', 'v4'), 'utf8');
  const v4 = cli(['print', '--service-cidrs', SERVICES, '--family', 'v4']);
  t.equal(v4.stdout, `# IPv4, for iptables-restore --noflush\n${golden}`);
  t.equal(v4.stderr + String(v4.status), '0');
  const json = cli(['print', '--service-cidrs', '10.96.0.0/12', '--output', 'json']);
  t.same(JSON.parse(json.stdout), {
    documents: { v4: readFileSync(goldenPath('single-stack-v4', 'v4'), 'utf8'), v6: null },
    warnings: [],
  });
});

t.test('every setting may come from the environment; a flag wins over it', async (t) => {
  const env = {
    SIDEROUTE_SERVICE_CIDRS: SERVICES,
    SIDEROUTE_PROXY_UID: '2102',
    SIDEROUTE_CAPTURE_PORT: '4140',
    SIDEROUTE_EXCLUDE_OUTBOUND_CIDRS: '10.97.0.0/16',
    SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: '5432',
    SIDEROUTE_METADATA_ADDRESSES: '168.63.129.16',
    SIDEROUTE_API_SERVER: '10.96.0.1:6443',
    SIDEROUTE_IPTABLES_FAMILY: 'v4',
  };
  const { stdout } = cli(['print', '--capture-port', '4141'], env);
  for (const part of [
    '--uid-owner 2102',
    '--to-ports 4141',
    '-d 10.97.0.0/16',
    '--dports 5432',
    '168.63.129.16/32',
    '-d 10.96.0.1/32 -p tcp -m tcp --dport 6443',
  ]) {
    t.match(stdout, part);
  }
  const flags = ['print', 'apply', 'verify', 'cleanup'].flatMap((command) =>
    cli([command, '--help'])
      .stdout.split(/\n(?= {2}-)/)
      .slice(1),
  );
  const withoutEnv = flags.filter((flag) => !flag.startsWith('  -h,') && !/\(.*env:\s/s.test(flag));
  t.same(withoutEnv, [], 'each flag names its variable in the help');
});

t.test('a wrong setting ends with 2 and names flag and variable; nothing is looked at', async (t) => {
  const { status, stderr, stdout } = cli(['apply'], { SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: '80,http' });
  t.equal(status, 2);
  t.equal(stdout, '');
  t.equal(
    stderr,
    'error: --exclude-outbound-ports (SIDEROUTE_EXCLUDE_OUTBOUND_PORTS): "http" is neither a port from 1 to 65535 nor a range of ports such as 9000-9010.\n',
  );
  t.equal(cli(['apply', '--backend', 'nftables']).status, 1);
});

t.test('the entry point of the init container applies, and leaves its result for kubectl', async (t) => {
  const pod = cluster.addPod('init');
  const log = join(t.testdir({}), 'termination-log');
  const start = (env: Readonly<Record<string, string>>, ...args: string[]) => {
    const assignments = Object.entries({ PATH: process.env['PATH']!, SIDEROUTE_TERMINATION_LOG: log, ...env });
    return pod.run([
      'env',
      '-i',
      ...assignments.map(([name, value]) => `${name}=${value}`),
      process.execPath,
      ENTRYPOINT,
      ...args,
    ]);
  };
  const refused = start({ SIDEROUTE_SERVICE_CIDRS: SERVICES, POD_IP: '192.0.2.1', HOST_IP: '192.0.2.1' });
  t.equal(refused.status, 1);
  t.match(JSON.parse(readFileSync(log, 'utf8')), { result: 'error', code: 'iptables-host-network' });

  const applied = start({
    SIDEROUTE_SERVICE_CIDRS: SERVICES,
    POD_IP: pod.v4,
    POD_IPS: `${pod.v4},${pod.v6}`,
    HOST_IP: '192.0.2.1',
  });
  t.equal(applied.status, 0);
  t.match(JSON.parse(readFileSync(log, 'utf8')), {
    result: 'ok',
    backend: 'nft',
    families: { v4: 'applied', v6: 'applied' },
  });
  t.match(savedNat(pod, 'nft', 'v6'), '-A OUTPUT -p tcp -j SIDEROUTE_OUTPUT');

  t.equal(start({}).status, 0, 'the same again, with the warning that everything is captured');
  matches(t, JSON.parse(readFileSync(log, 'utf8')), { result: 'ok', warnings: [/SIDEROUTE_SERVICE_CIDRS/] });
  const many = Array.from({ length: 400 }, (_, i) => `port${i}`).join(',');
  t.equal(start({ SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: many }).status, 2);
  const text = readFileSync(log);
  t.ok(text.length <= 4096 && text.length > 0, 'a long message is cut to what Kubernetes keeps');
  t.match(JSON.parse(text.toString()), { result: 'error', code: 'iptables-settings' });
});

t.test('no termination log is made where there is none', async (t) => {
  if (existsSync('/dev/termination-log')) {
    t.pass('there is one here');
    return;
  }
  const pod = cluster.addPod('bare');
  t.equal(pod.run(cliCommand(['apply', '--service-cidrs', SERVICES])).status, 0);
  t.notOk(existsSync('/dev/termination-log'));
});

t.test('a dry run changes nothing; SIDEROUTE_DRY_RUN=false is no dry run', async (t) => {
  const pod = cluster.addPod('dry');
  const args = ['--service-cidrs', SERVICES];
  const { status, stdout } = pod.run(cliCommand(['apply', ...args, '--dry-run']));
  t.equal(status, 0);
  t.match(stdout, /IPv4: dry run, would be applied\n[^]*# IPv4\n\*nat\n/);
  t.equal(pod.must(['iptables-nft-save']), '', 'not even a probe was written');
  t.equal(pod.run(cliCommand(['apply', ...args], { SIDEROUTE_DRY_RUN: 'false' })).status, 0);
  t.match(savedNat(pod, 'nft', 'v4'), /SIDEROUTE_OUTPUT/);
  t.match(pod.must(cliCommand(['cleanup', '--dry-run'])), /# IPv4, nft: would be removed\n\*nat\n-D OUTPUT/);
  t.match(pod.must(cliCommand(['cleanup', '--output', 'json'])), /"family": "v6"/);
  t.equal(pod.must(cliCommand(['cleanup'])), 'There are no rules of sideroute.\n');
});
