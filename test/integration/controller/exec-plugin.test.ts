/** Credentials that a program issues, on an HTTPS server that looks at them. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { KubeClient } from '../../../src/kube/client.ts';
import { ExecPlugin } from '../../../src/kube/exec-plugin.ts';
import { kubeTarget } from '../../../src/kube/kubeconfig.ts';

const VERSION = 'client.authentication.k8s.io/v1';
const CLUSTER = { server: 'https://x', ca: 'CA', servername: 'kubernetes', verify: true, config: { region: 'a' } };

interface Program {
  readonly directory: string;
  /** How often it has run. */
  runs(): number;
  /** What it was told by KUBERNETES_EXEC_INFO, the last time. */
  told(): unknown;
}

/** `body`: lines of sh that print the credential. */
function program(t: Test, body: string): Program {
  const directory = mkdtempSync(join(tmpdir(), 'exec-plugin-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const lines = ['#!/bin/sh', 'cd "$(dirname "$0")"', 'echo run >>runs', 'echo "$KUBERNETES_EXEC_INFO" >told', body];
  writeFileSync(join(directory, 'issue'), `${lines.join('\n')}\n`);
  chmodSync(join(directory, 'issue'), 0o755);
  return {
    directory,
    runs: () => readFileSync(join(directory, 'runs'), 'utf8').trim().split('\n').length,
    told: () => JSON.parse(readFileSync(join(directory, 'told'), 'utf8')) as unknown,
  };
}

/** Prints a credential whose token has the number of the run. */
function issuing(more = '', version = VERSION): string {
  return `echo '{"apiVersion":"${version}","kind":"ExecCredential","status":{"token":"'"$PREFIX$(wc -l <runs)"'"${more}}}'`;
}

function pluginOf({ directory }: Program, exec: object = {}, timeoutMs?: number): ExecPlugin {
  const all = { apiVersion: VERSION, command: './issue', interactiveMode: 'Never', ...exec };
  return new ExecPlugin(all, directory, CLUSTER, 'file: exec', timeoutMs);
}

t.test('a credential is kept until it expires; who asks while the program runs waits for that run', async (t) => {
  const forever = program(t, issuing());
  const plugin = pluginOf(forever, { env: [{ name: 'PREFIX', value: 'token-' }] });
  const [a, b] = await Promise.all([plugin.issue(), plugin.issue()]);
  t.same(a, { token: 'token-1', cert: null, key: null });
  t.equal(a, b);
  t.equal(await plugin.issue(), a);
  t.equal(forever.runs(), 1);
  plugin.refused(a);
  t.match(await plugin.issue(), { token: 'token-2' });
  plugin.refused(a);
  t.match(await plugin.issue(), { token: 'token-2' }, 'what was refused late was another one');

  const expired = program(t, issuing(',"expirationTimestamp":"2020-01-01T00:00:00Z"'));
  const other = pluginOf(expired);
  t.match(await other.issue(), { token: '1' });
  t.match(await other.issue(), { token: '2' });
  const later = program(t, issuing(',"expirationTimestamp":"2999-01-01T00:00:00Z"'));
  const kept = pluginOf(later);
  t.equal(await kept.issue(), await kept.issue());
});

t.test('the program is told what it wants to know of the cluster, in the version that it speaks', async (t) => {
  const version = 'client.authentication.k8s.io/v1beta1';
  const own = program(t, issuing('', version));
  await pluginOf(own, { apiVersion: version, provideClusterInfo: true }).issue();
  t.same(own.told(), {
    apiVersion: version,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      cluster: {
        server: 'https://x',
        'tls-server-name': 'kubernetes',
        'certificate-authority-data': Buffer.from('CA').toString('base64'),
        config: { region: 'a' },
      },
    },
  });
  await pluginOf(own, { apiVersion: version }).issue();
  t.same(own.told(), { apiVersion: version, kind: 'ExecCredential', spec: { interactive: false } });
});

for (const [title, body, exec, message] of [
  ['fails', 'exit 3', {}, /issue failed \(exit status 3\)/],
  ['prints something else', 'echo secret-token', {}, /did not print an ExecCredential/],
  [
    'speaks another version',
    issuing('', 'client.authentication.k8s.io/v1beta1'),
    {},
    /did not print an ExecCredential of .*\/v1;/,
  ],
  [
    'issues nothing',
    `echo '{"apiVersion":"${VERSION}","kind":"ExecCredential","status":{}}'`,
    {},
    /neither a token nor/,
  ],
  ['prints without end', 'exec yes', {}, /more than 1048576 bytes/],
  [
    'is not there',
    '',
    { command: './gone', installHint: 'get it at example.com' },
    /no program .*gone; get it at example\.com/,
  ],
  [
    'is nowhere in PATH',
    '',
    { command: 'sideroute-no-such-program' },
    /no program sideroute-no-such-program; install it/,
  ],
] as const) {
  t.test(`a program that ${title} is told, and nothing that it has printed`, async (t) => {
    await t.rejects(pluginOf(program(t, body), exec).issue(), { code: 'bad-kubeconfig', message });
    await t.rejects(pluginOf(program(t, body), exec).issue(), { message: /^file: exec: (?!.*secret)/ });
  });
}

t.test('a program that does not end is ended, also where a process of its own holds its output', async (t) => {
  const own = program(t, 'sleep 60 2>/dev/null & echo $! >pid; wait');
  await t.rejects(pluginOf(own, {}, 1_000).issue(), { message: /did not answer within 1 s/ });
  process.kill(Number(readFileSync(join(own.directory, 'pid'), 'utf8')));
});

t.test('what the server refuses is issued anew, once', async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    const taken = request.headers.authorization === 'Bearer 2';
    response.writeHead(taken ? 200 : 401).end(taken ? '{}' : '{"reason":"Unauthorized","message":"who?"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = program(t, issuing());
  const cluster = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const exec = { apiVersion: VERSION, command: './issue', interactiveMode: 'Never' };
  const config = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'c', user: { exec } }],
  };
  writeFileSync(join(own.directory, 'config'), JSON.stringify(config));
  const client = new KubeClient(kubeTarget({ kubeconfig: join(own.directory, 'config') }, {}).access, 'test');
  t.teardown(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  t.same(await client.send({ method: 'GET', path: '/api' }), {});
  t.same(await client.send({ method: 'GET', path: '/api' }), {});
  t.same(seen, ['Bearer 1', 'Bearer 2', 'Bearer 2']);
  // From now on nothing is taken.
  writeFileSync(join(own.directory, 'runs'), 'run\n'.repeat(10));
  server.removeAllListeners('request');
  server.on('request', (_, response) => response.writeHead(401).end('{"message":"who?"}'));
  await t.rejects(client.send({ method: 'GET', path: '/api' }), { message: 'who?' });
  t.equal(own.runs(), 11);
});
