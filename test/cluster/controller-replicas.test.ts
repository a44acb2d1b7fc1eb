/** Two replicas as processes against a real API server: killed, and with a server that hangs. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { Obj } from '../support/api-server.ts';
import { readSet } from '../support/controller/harness.ts';
import { INJECTED, namespace, route, service } from '../support/controller/objects.ts';
import { eventually } from '../support/eventually.ts';
import { SIDEROUTE } from '../support/sidecar.ts';
import { startApi, type ApiCluster } from './api.ts';

const TIMEOUT_MS = 600_000;
const DEADLINE_MS = 120_000;

class Replica {
  readonly process: ChildProcess;
  readonly #identity: string;
  log = '';

  constructor(t: Test, cluster: ApiCluster, identity: string) {
    this.#identity = identity;
    const [command, ...args] = SIDEROUTE;
    const lease = ['--lease-duration', '4s', '--renew-deadline', '3s', '--retry-period', '500ms'];
    const flags = ['--kubeconfig', cluster.kubeconfig, '--metrics', '127.0.0.1:0', '--identity', identity, ...lease];
    this.process = spawn(command, [...args, 'controller', ...flags, '--lease-namespace', 'default', '--nudge', 'off'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.process.stderr!.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    t.teardown(() => void this.process.kill('SIGKILL'));
  }

  /** As it says itself; false when it does not answer. */
  async leads(): Promise<boolean> {
    const port = /127\.0\.0\.1 port (\d+)/.exec(this.log)?.[1];
    if (port === undefined) return false;
    try {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      return /^sideroute_controller_leader 1$/m.test(await response.text());
    } catch {
      return false;
    }
  }

  /** As the process ended it. */
  async kill(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }

  toString(): string {
    return this.#identity;
  }
}

t.setTimeout(TIMEOUT_MS);

t.test('two replicas and a real API server', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  const apply = async (...items: object[]): Promise<void> => {
    await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  };
  const has = async (name: string): Promise<boolean> => {
    const { items } = JSON.parse(await cluster.mustKubectl(['get', 'configmaps', '-n', 'shop', '-o', 'json'])) as {
      items: Obj[];
    };
    return readSet(items, 'shop')?.names.includes(`HTTPRoute shop/${name}`) ?? false;
  };
  const arrives = (name: string): Promise<unknown> => eventually(`${name} is in the set`, () => has(name), DEADLINE_MS);
  const leaderOf = (replicas: readonly Replica[]): Promise<Replica> =>
    eventually(
      'one leads',
      async () => {
        const leading = await Promise.all(replicas.map((replica) => replica.leads()));
        return replicas[leading.indexOf(true)];
      },
      DEADLINE_MS,
    );
  await apply(
    namespace('shop', { labels: INJECTED }),
    service('my-server', 'shop', '10.96.0.10'),
    route('first', 'shop'),
  );
  const replicas = [new Replica(t, cluster, 'one'), new Replica(t, cluster, 'two')] as const;

  await t.test('the other one goes on when the leader is killed', { timeout: TIMEOUT_MS }, async (t) => {
    const leader = await leaderOf(replicas);
    await arrives('first');
    await leader.kill();
    await apply(route('second', 'shop'));
    await arrives('second');
    const next = await leaderOf(replicas);
    t.not(next, leader);
    t.comment(`${String(leader)} was killed, ${String(next)} goes on`);
  });

  await t.test('what changes while none runs arrives with the next one', { timeout: TIMEOUT_MS }, async (t) => {
    for (const replica of replicas)
      if (replica.process.exitCode === null && !replica.process.killed) await replica.kill();
    await apply(route('third', 'shop'));
    await cluster.mustKubectl(['delete', 'httproute', 'first', '-n', 'shop']);
    t.notOk(await has('third'));
  });

  await t.test(
    'a server that hangs makes the leader step down; there are never two',
    { timeout: TIMEOUT_MS },
    async (t) => {
      const pair = [new Replica(t, cluster, 'three'), new Replica(t, cluster, 'four')];
      const leader = await leaderOf(pair);
      await arrives('third');
      t.notOk(await has('first'));
      const both = { most: 0, watching: true };
      const watching = (async () => {
        while (both.watching) {
          // One after the other: a change between the two answers is no fault.
          const leading = await Promise.all(pair.map((replica) => replica.leads()));
          both.most = Math.max(both.most, leading.filter(Boolean).length);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();
      const { pid } = cluster.apiServer;
      process.kill(pid!, 'SIGSTOP');
      try {
        await eventually('the leader has stepped down', async () => !(await leader.leads()), DEADLINE_MS);
      } finally {
        process.kill(pid!, 'SIGCONT');
      }
      await apply(route('fourth', 'shop'));
      await arrives('fourth');
      both.watching = false;
      await watching;
      t.equal(both.most, 1);
      for (const replica of pair) t.notMatch(replica.log, /"level":"error"/, String(replica));
    },
  );
});
