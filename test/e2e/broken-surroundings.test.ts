/**
 * Commands where what surrounds them is broken: no home directory, a kubeconfig that nobody could use, flags that a variable left empty, servers that say
 * what a terminal must not be told. Each is answered in one line that says what is wrong and what to do, and with the status of docs/cli.md.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { siderouteMeanwhile } from '../support/cli.ts';
import { readingCapabilities } from '../support/cluster.ts';
import { outcomeOf } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

/** In no list of users, as whom OpenShift runs containers. */
const UNKNOWN_UID = 45_678;

/** What it is told, what it answers with: status and words. */
async function isTold(t: Test, args: readonly string[], status: number, words: RegExp): Promise<void> {
  const outcome = await siderouteMeanwhile(...args);
  const what = args.join(' ');
  t.equal(outcome.status, status, `${what}: ${outcome.stderr}`);
  t.match(outcome.stderr, words, what);
  t.match(outcome.stderr, /^[^\n]{1,1000}\n$/, `${what}: one line`);
  t.notMatch(outcome.stderr, /[\u0000-\u0009\u001b\u202e]/, `${what}: nothing for the terminal itself`);
}

async function answering(t: Test, status: number, body: string): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function kubeconfig(server: string, user: object = { token: 'x' }): string {
  return JSON.stringify({
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me', namespace: 'shop' } }],
    clusters: [{ name: 'here', cluster: { server } }],
    users: [{ name: 'me', user }],
  });
}

t.test('a file that does not end is refused, not read into memory', async (t) => {
  await isTold(
    t,
    ['convert', '-f', '/dev/zero'],
    1,
    /^sideroute: \/dev\/zero: cannot be read: it has more than 67108864 bytes\n$/,
  );
});

t.test('an empty HOME does not make the current directory the place of a kubeconfig', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  mkdirSync(join(path, '.kube'));
  writeFileSync(join(path, '.kube', 'config'), kubeconfig('http://127.0.0.1:9', { exec: { command: './planted' } }));
  for (const home of ['', '.']) {
    const child = spawn(SIDEROUTE[0], [...SIDEROUTE.slice(1), 'status', 'cart-1'], {
      ...{ env: { PATH: process.env['PATH'], HOME: home }, cwd: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { status, stderr } = await outcomeOf(child);
    t.equal(status, 1);
    t.notMatch(stderr, /planted|127\.0\.0\.1:9/, `HOME=${home}`);
  }
});

t.test('a user without a home directory is told what to name', async (t) => {
  const [node, ...prefix] = SIDEROUTE;
  const as = [
    '--reuid',
    String(UNKNOWN_UID),
    '--regid',
    String(UNKNOWN_UID),
    '--clear-groups',
    ...readingCapabilities(),
  ];
  const child = spawn('setpriv', [...as, 'env', '-u', 'NODE_OPTIONS', node, ...prefix, 'status', 'cart-1'], {
    ...{ env: { PATH: process.env['PATH'] }, cwd: '/' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { status, stderr } = await outcomeOf(child);
  t.equal(status, 1);
  t.match(stderr, /^sideroute: there is no kubeconfig: .*neither KUBECONFIG nor HOME is set.*--kubeconfig FILE.*\n$/);
});

t.test('a kubeconfig that cannot be used is told in words', async (t) => {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' };
  const plain = await answering(t, 500, `\u001b[2J\u202eno\n${'y'.repeat(100)}`);
  const directory = t.testdir({
    nul: kubeconfig(`http://${plain}`, { exec: { ...exec, command: 'a\u0000b' } }),
    hint: kubeconfig(`http://${plain}`, { exec: { ...exec, command: '/no/such', installHint: 'get\u001b[31m it' } }),
    tls: kubeconfig(`https://${plain}`),
    plain: kubeconfig(`http://${plain}`),
  });
  const of = (name: string): string[] => ['status', 'cart-1', '--kubeconfig', join(directory, name)];
  await Promise.all([
    isTold(t, of('nul'), 1, /context "here": exec: cannot be run: .*null bytes/),
    isTold(t, of('hint'), 1, /exec: there is no program \/no\/such; get \[31m it$/m),
    isTold(t, of('tls'), 1, /wrong version number.*; see whether kubectl get --raw \/readyz answers$/m),
    isTold(t, of('plain'), 1, /context "here" \(http:.*\): +\[2J no y+ \(500\)$/m),
  ]);
});

t.test('what a variable left empty is refused by its name, and asks for nothing else', async (t) => {
  await Promise.all([
    isTold(t, ['-n', '', 'status', 'cart-1'], 2, /--namespace: got "", expected a name/),
    isTold(t, ['status', 'cart-1', '--context', ''], 2, /--context: got "", expected a name/),
    isTold(t, ['version', '--kubeconfig', ''], 2, /--kubeconfig: got "", expected a name/),
    isTold(t, ['convert', '-f', ''], 2, /got "" for a file; name one, or - for standard input/),
    isTold(t, ['diff', 'cart-1', '-f', ''], 2, /got "" for a file/),
    isTold(t, ['check', ''], 2, /got "" for a file/),
  ]);
});

t.test('a sidecar of another version, or something else in its place, and what to do then', async (t) => {
  const old = await answering(t, 404, 'no such path');
  const odd = await answering(t, 500, `\u001b[31m${'y'.repeat(100_000)}`);
  await Promise.all([
    isTold(
      t,
      ['tap', '--admin', '127.0.0.1:1'],
      1,
      /ECONNREFUSED.*; run this in the container of a sidecar.*deploy\/NAME/,
    ),
    isTold(
      t,
      ['log-level', '--admin', old],
      1,
      /\/log-level: there is no such endpoint: an older version of sideroute/,
    ),
    isTold(t, ['tap', '--admin', odd], 1, /\/tap: answered 500: +\[31my+$/m),
  ]);
});
