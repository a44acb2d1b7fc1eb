/**
 * What `--help` and docs/cli.md show: every command has examples. Each runs as it is printed, in the pod of a sidecar; of those that speak to a
 * cluster it is looked whether the command takes what they say (test/cluster runs such commands).
 */
// Needs: jq.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cliDocument, leafCommands, withCurrentCommands } from '../../scripts/cli-table.ts';
import { MANUALS } from '../../src/cli/manual.ts';
import { buildProgram } from '../../src/program.ts';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { SIDEROUTE } from '../support/sidecar.ts';

t.test('docs/cli.md has the commands, examples and exit statuses as they are', (t) => {
  const document = readFileSync(cliDocument, 'utf8');
  t.equal(document, withCurrentCommands(document), 'node dist/scripts/cli-table.js writes it');
  t.end();
});

t.test('every command has an example, and --help shows it', (t) => {
  const commands = leafCommands();
  t.same(Object.keys(MANUALS).sort(), [...commands.keys()].sort());
  for (const [path, { examples }] of Object.entries(MANUALS)) {
    t.ok(examples.length > 0, path);
    for (const { command } of examples) t.match(command, `sideroute ${path}`, path);
  }
  const { stdout } = sideroute(['routes', 'export', '--help']);
  t.match(stdout, /\nExamples:\n {2}# .*\n {2}kubectl get .* \| sideroute routes export /);
  t.match(sideroute(['status', '--help']).stdout, /\nExit status:\n {2}0 +What it serves is valid\n {2}1 /);
  t.end();
});

t.test('a mistake is answered with what was meant, or where to look', (t) => {
  for (const [args, said] of [
    [['chekc'], /unknown command 'chekc'\n\(Did you mean check\?\)\n+Type: sideroute --help/],
    [['routes', 'exprot'], /Did you mean export\?\)\n+Type: sideroute routes --help/],
    [
      ['check', '--strickt', 'x'],
      /unknown option '--strickt'\n\(Did you mean --strict\?\)\n+Type: sideroute check --help/,
    ],
    [['explain'], /--service.*\n+Type: sideroute explain --help/],
    [['check'], /name files or directories of routes, - for standard input, or --cluster/],
  ] as const)
    t.match(sideroute(args), { status: 2, stdout: '', stderr: said }, args.join(' '));
  const nowhere = /ECONNREFUSED.*--admin ADDRESS:PORT, or name a pod of a cluster: sideroute status deploy\/NAME$/m;
  t.match(sideroute(['status', '--admin', '127.0.0.1:1']), { status: 1, stderr: nowhere });
  t.end();
});

/** Where the examples are run: what they name is there, and kubectl prints what a cluster might hold. */
function place(t: Test): string {
  const directory = t.testdir({ bin: {}, routes: {} });
  cpSync(join(FIXTURES, 'scenario'), join(directory, 'routes'), { recursive: true });
  cpSync(join(FIXTURES, 'inject', 'deployment.yaml'), join(directory, 'deployment.yaml'));
  cpSync(join(FIXTURES, 'convert', 'library.yaml'), join(directory, 'istio.yaml'));
  const programs = {
    sideroute: `exec ${SIDEROUTE.join(' ')} "$@"`,
    kubectl: `case "$*" in
      'get httproutes,services '*) exec sed -s '$a ---' ${join(FIXTURES, 'scenario')}/*.yaml ;;
      'get httproutes,grpcroutes,services '*) exec cat ${join(FIXTURES, 'export', 'cluster.yaml')} ;;
      'get virtualservices,'*) exec cat istio.yaml ;;
      'apply -f -') exec grep -q 'kind: ' ;;
      *) echo "kubectl has no $*" >&2; exit 1 ;;
    esac`,
  };
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(directory, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, 'bin', name), 0o755);
  }
  return directory;
}

const examplesOf = (path: string): string[] =>
  MANUALS[path]!.examples.filter(({ inCluster }) => inCluster !== true).map(({ command }) => command);
/** The sidecar that the others ask. */
const APART = ['proxy'];
const LAST = ['quit'];

function script(): string[] {
  const step = (command: string): string =>
    `echo "== ${command.replaceAll(/[\\"$`]/g, '.')}"; ${command}; echo "status $?"`;
  const others = Object.keys(MANUALS).filter((path) => ![...APART, ...LAST, 'wait'].includes(path));
  return [
    ...examplesOf('proxy').map((command) => `${command} 2> proxy.log & proxy=$!`),
    ...examplesOf('wait').map(step),
    ...others.flatMap(examplesOf).map(step),
    ...examplesOf('quit').map(step),
    'wait $proxy; echo "status $?"',
  ];
}

const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';

/** Statuses of what a script ran, in a network namespace of its own; `status N` in its output. */
function statusesOf(t: Test, lines: readonly string[]): string[] {
  const cwd = place(t);
  const env = { ...process.env, PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}` };
  const args = ['--net', 'bash', '-o', 'pipefail', '-c', ['ip link set lo up', ...lines].join('\n')];
  const { stdout, stderr } = spawnSync('unshare', args, { cwd, env, encoding: 'utf8', timeout: 200_000 });
  const statuses = [...stdout.matchAll(/^status (\d+)$/gm)].map(([, status]) => status!);
  if (statuses.some((status) => status !== '0')) t.comment(`${stdout.slice(-6_000)}\n${stderr}`);
  return statuses;
}

t.test('every example does what it says', { skip }, (t) => {
  t.same(
    statusesOf(t, script()),
    Object.keys(MANUALS)
      .flatMap(examplesOf)
      .map(() => '0'),
  );
  t.end();
});

t.test('those that speak to a cluster have operands and flags that their commands take', async (t) => {
  for (const [path, { examples }] of Object.entries(MANUALS))
    for (const { command } of examples.filter(({ inCluster }) => inCluster === true)) {
      const program = buildProgram();
      let operands: readonly string[] | null = null;
      const leaf = leafCommands(program).get(path)!;
      leaf.action(() => {
        operands = leaf.args;
      });
      const [name, ...words] = command.split(' ');
      t.equal(name, 'sideroute');
      await program.parseAsync(words, { from: 'user' });
      t.strictSame(operands, words.slice(path.split(' ').length).filter(isOperand), command);
    }
});

/** A word that is no flag and no value of one: those of these examples stand in front of all flags. */
function isOperand(_: string, index: number, words: readonly string[]): boolean {
  return words.slice(0, index + 1).every((word) => !word.startsWith('-'));
}

t.test('called by kubectl it shows its examples so', (t) => {
  const directory = t.testdir({});
  const plugin = join(directory, 'kubectl-sideroute');
  symlinkSync(SIDEROUTE.at(-1)!, plugin);
  const { stdout, stderr } = runCommand(process.execPath, [plugin, 'status', '--help']);
  t.match(stdout, '\n  kubectl sideroute status deploy/cart -n shop --all\n', stderr);
  t.match(stdout, '--wait "$(kubectl sideroute check routes');
  t.match(runCommand(process.execPath, [plugin, 'chekc']).stderr, /Type: kubectl sideroute --help/);
  t.end();
});
