/** `sideroute check --cluster` as it is typed: which cluster it asks, what it prints, its exit status. test/cluster has a real API server. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { siderouteMeanwhile } from '../support/cli.ts';
import { outcomeOf } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { definition, namespaceOf, LABEL } from '../support/snapshots.ts';
import { stubCluster, type Answer, type Asked } from '../support/stub-cluster.ts';

/** Where nothing is wrong before the install. */
function ready({ path }: Asked): Answer {
  if (!path.endsWith('/customresourcedefinitions')) return null;
  const items = ['httproutes', 'grpcroutes'].map((plural) => definition(plural));
  return { status: 200, body: { kind: 'CustomResourceDefinitionList', apiVersion: 'v1', metadata: {}, items } };
}

/** A kubeconfig in which `here` is the cluster of the test, and the current context is of one that is not there. */
function kubeconfigOf(t: Test, server: string): string {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const file = `${path}/config`;
  const config = {
    'current-context': 'elsewhere',
    contexts: ['here', 'elsewhere'].map((name) => ({ name, context: { cluster: name } })),
    clusters: [
      { name: 'here', cluster: { server } },
      { name: 'elsewhere', cluster: { server: 'http://127.0.0.1:1' } },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function run(t: Test, answer: (asked: Asked) => Answer, ...args: readonly string[]) {
  const { url } = await stubCluster(t, answer);
  return await siderouteMeanwhile(
    ...['check', '--cluster', '--kubeconfig', kubeconfigOf(t, url), '--context', 'here', ...args],
  );
}

t.test('a cluster that is ready for the install', async (t) => {
  const { status, stdout, stderr } = await run(t, ready, '--pre');
  t.match(stdout, /^API server\n {2}ok +api-reachable: the API server answers \(it is v1\.36\.1\)$/m);
  t.match(stdout, /^\d+ checks: \d+ ok, 0 warning, 0 unknown, 0 error$/m);
  t.equal(stderr, '');
  t.equal(status, 0);
});

t.test('what is wrong is said with what to type, and is the exit status', async (t) => {
  const { status, stdout } = await run(t, () => null, '--pre');
  t.match(stdout, /^ {2}error +gateway-api-httproutes: .*\n.*is not installed\n +\$ kubectl apply --server-side /m);
  t.equal(status, 1);
});

t.test('warnings are no failure, but with --strict', async (t) => {
  const typo = (asked: Asked): Answer => {
    if (asked.path !== '/api/v1/namespaces') return ready(asked);
    const items = [namespaceOf('shop', { ...LABEL, 'sideroute.dev/injection': 'yes' })];
    return { status: 200, body: { kind: 'NamespaceList', apiVersion: 'v1', metadata: {}, items } };
  };
  t.equal((await run(t, typo, '--pre')).status, 0);
  t.equal((await run(t, typo, '--pre', '--strict')).status, 1);
  t.equal((await run(t, typo, '--pre', '--strict', '-n', 'shop')).status, 1);
  t.equal((await run(t, typo, '--pre', '--strict', '-n', 'other')).status, 0, 'that is about another namespace');
});

t.test('JSON is for programs', async (t) => {
  const { status, stdout } = await run(t, ready, '-o', 'json');
  const { result, serverVersion, checks } = JSON.parse(stdout) as {
    result: string;
    serverVersion: string;
    checks: { id: string; result: string; findings: { mend: { command?: string } }[] }[];
  };
  t.same([result, serverVersion, status], ['error', 'v1.36.1', 1]);
  const [finding] = checks.find(({ id }) => id === 'controller-present')!.findings;
  t.match(finding?.mend.command, /^kubectl apply -k /);
});

t.test('the context says which cluster; one that does not answer is an error of its own', async (t) => {
  const { url } = await stubCluster(t, ready);
  const { status, stdout } = await siderouteMeanwhile('check', '--cluster', '--kubeconfig', kubeconfigOf(t, url));
  t.match(stdout, /error +api-reachable: .*\n.*ECONNREFUSED/);
  t.match(stdout, /^1 checks: 0 ok, 0 warning, 0 unknown, 1 error$/m);
  t.equal(status, 1);
});

t.test('what does not go together is told', async (t) => {
  for (const [args, says] of [
    [['check'], /name files or directories of routes, - for standard input, or --cluster/],
    [['check', '--pre', 'x.yaml'], /--pre is about a cluster: add --cluster/],
    [['check', '--context', 'a', 'x.yaml'], /--context is about a cluster/],
    [['check', '--cluster', 'x.yaml'], /--cluster takes no paths, and "x\.yaml" is one/],
  ] as const) {
    const { status, stderr } = await siderouteMeanwhile(...args);
    t.equal(status, 2);
    t.match(stderr, says);
  }
});

t.test('results are coloured on a terminal, and the words stay the same', async (t) => {
  const { url } = await stubCluster(t, () => null);
  const args = ['check', '--cluster', '--pre', '--kubeconfig', kubeconfigOf(t, url), '--context', 'here'];
  const terminal = async (...env: string[]): Promise<string> => {
    const command = ['env', '--unset=NO_COLOR', '--unset=FORCE_COLOR', ...env, ...SIDEROUTE, ...args].join(' ');
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { status, stdout, stderr } = await outcomeOf(child);
    t.equal(status, 1, stderr);
    return stdout.replaceAll('\r\n', '\n');
  };
  const colored = await terminal('TERM=xterm');
  t.match(colored, /^\u001b\[1mGateway API\u001b\[22m$/m);
  t.match(colored, /^ {2}\u001b\[32mok\u001b\[39m {7}api-reachable: /m);
  t.match(colored, /^ {2}\u001b\[31merror\u001b\[39m {4}gateway-api-httproutes: .*\n +\u001b\[31merror\u001b\[39m: /m);
  t.match(colored, /, \u001b\[31m\d+ error\u001b\[39m$/m);
  t.match(colored, /, 0 unknown, /, 'what was not found is in no colour');
  const { stdout: piped } = await siderouteMeanwhile(...args);
  t.equal(colored.replaceAll(/\u001b\[\d+m/g, ''), piped, 'in a pipe there are none');
  t.equal(await terminal('TERM=xterm', 'NO_COLOR=1'), piped);
  t.notMatch((await siderouteMeanwhile('--color', 'always', ...args, '-o', 'json')).stdout, '\u001b', 'data has none');
});
