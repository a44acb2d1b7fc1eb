/** `sideroute controller` as a process: its flags, its endpoints, its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ApiServer } from '../../support/api-server.ts';
import { sideroute } from '../../support/cli.ts';
import { setOf } from '../../support/controller/harness.ts';
import { INJECTED, namespace, route, service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';
import { SIDEROUTE, temporaryDirectory } from '../../support/sidecar.ts';

function kubeconfig(t: Test, config: object): string {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const file = join(path, 'kubeconfig');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

function configOf(server: string, user: object = {}): object {
  return {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
  };
}

t.test('it answers probes and metrics, writes, and lets go of the Lease at SIGTERM', async (t) => {
  const api = new ApiServer();
  api.apply('namespaces', namespace('shop', { labels: INJECTED }));
  api.apply('services', service('my-server', 'shop'));
  api.apply('httproutes', route('r', 'shop'));
  await api.start();
  t.teardown(() => api.stop());
  const file = kubeconfig(t, configOf(api.url, { token: 'secret' }));
  const [command, ...args] = SIDEROUTE;
  const child = spawn(command, [...args, 'controller', '--kubeconfig', file, '--metrics', '127.0.0.1:0'], {
    env: { ...process.env, POD_NAME: 'me', POD_NAMESPACE: 'sideroute' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const port = await eventually('it says where it listens', () => /127\.0\.0\.1 port (\d+)/.exec(log)?.[1], 30_000);
  const get = async (path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  await eventually('the set is there', () => setOf(api, 'shop'), 30_000);
  t.same(await get('/livez'), { status: 200, text: 'ok\n' });
  t.same(await get('/readyz'), { status: 200, text: 'ok\nleader: me\n' });
  await eventually('all is written', async () =>
    (await get('/metrics')).text.includes('queue_depth{queue="status"} 0'),
  );
  const { text } = await get('/metrics');
  t.match(text, /^sideroute_controller_leader 1$/m);
  t.match(text, /^sideroute_controller_writes_total\{object="configmap"\} 1$/m);
  t.match(text, /^sideroute_controller_objects\{kind="route"\} 1$/m);

  child.kill('SIGTERM');
  const [status] = (await once(child, 'exit')) as [number | null];
  t.equal(status, 0);
  t.match(api.get('leases', 'sideroute/sideroute-controller')!['spec'], { holderIdentity: '' });
  for (const line of log.trim().split('\n')) t.match(JSON.parse(line), { level: 'info' }, line);
});

t.test('settings that cannot be are refused with the flag or the file at fault', async (t) => {
  const good = configOf('http://127.0.0.1:1');
  const cases: [readonly string[], number, RegExp][] = [
    [['--renew-deadline', '20s'], 2, /--renew-deadline.*--lease-duration/],
    [['--nudge', 'maybe'], 2, /--nudge.*on, off/],
    [['--nudge-rate', '0'], 2, /--nudge-rate.*from 1/],
    [['--controller-name', 'nonsense'], 2, /--controller-name.*DOMAIN\/PATH/],
    [['--kubeconfig', '/nowhere'], 1, /\/nowhere/],
    [['--kubeconfig', kubeconfig(t, { 'current-context': 'x' })], 1, /there is no context "x"/],
    [['--kubeconfig', kubeconfig(t, configOf('ftp://x'))], 1, /expected an http or https URL/],
    [
      ['--kubeconfig', kubeconfig(t, configOf('https://x', { exec: { command: 'aws' } }))],
      1,
      /exec: apiVersion: got ""/,
    ],
    [[], 1, /this is no pod of a cluster/],
    [['--kubeconfig', kubeconfig(t, good), '--metrics', '192.0.2.1:1'], 1, /--metrics: cannot listen on 192\.0\.2\.1/],
  ];
  for (const [flags, status, message] of cases) {
    const result = sideroute(['controller', ...flags]);
    t.equal(result.status, status, flags.join(' '));
    t.match(result.stderr, message, flags.join(' '));
  }
});
