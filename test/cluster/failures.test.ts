/**
 * What outages cost: a client that never rests sends through its sidecar while parts of the cluster die and come back. Changes of the route
 * arrive, answers are those of the route, and nothing is lost that need not be. The figures are printed; durations are not asserted, but
 * for the minute after which a kubelet would have looked by itself.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { applicationImages } from './images.ts';
import { answers, failed, misrouted, told, type Answer } from './load.ts';
import { installSideroute } from './mesh.ts';
import { startNode, type NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';
import { say } from './say.ts';
import { APPLICATIONS, available, manifest, NAMESPACE } from './scenario.ts';
import { watchStatus } from './status-watch.ts';

const ROUTE = `/apis/gateway.networking.k8s.io/v1/namespaces/${NAMESPACE}/httproutes/my-server-route`;
const ARRIVES_WITHIN_MS = 300_000;
/** Worth a line of its own. */
const SLOW_MS = 5000;
const OUTAGE_MS = 120_000;

t.setTimeout(3_000_000);

/** Sends everything to one version, and says which configuration it was. */
function route(version: string, configuration: number, extraRule: readonly object[] = []): object {
  const filters = [
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: { set: [{ name: 'x-config', value: String(configuration) }] },
    },
  ];
  return { spec: { rules: [...extraRule, { filters, backendRefs: [{ name: `my-server-v${version}`, port: 80 }] }] } };
}

async function change(
  cluster: NodeCluster,
  patch: object,
): Promise<{ readonly generation: number; readonly at: number }> {
  const at = Date.now();
  const { status, body } = await cluster.request('PATCH', ROUTE, patch, 'application/merge-patch+json');
  if (status !== 200) throw new Error(`patch of the route: ${status} ${body}`);
  const { metadata } = JSON.parse(body) as { metadata: { generation: number } };
  return { generation: metadata.generation, at };
}

/** The first answer of a configuration; both kinds of connection have to have one. */
async function arrived(cluster: NodeCluster, configuration: number, since: number): Promise<number> {
  const last = await eventually(
    `answers of configuration ${configuration}`,
    async () => {
      // Reading the logs anew at every turn would be the load.
      await delay(50);
      const found = answers(cluster, since).filter((answer) => answer.configuration === configuration);
      const first = ['kept', 'new'].map((connection) => found.find((answer) => answer.connection === connection));
      return first.every((answer) => answer !== undefined) ? first : null;
    },
    ARRIVES_WITHIN_MS,
  );
  const times = last.map((answer) => answer.at - since);
  if (Math.max(...times) > SLOW_MS)
    say(`configuration ${configuration}: after ${times[0]} ms on the kept connection, ${times[1]} ms on new ones`);
  return Math.max(...times);
}

/** Processes of the machine that run in pods of this cluster and whose command line has `words`. */
function podProcesses(cluster: NodeCluster, words: string): number[] {
  const name = basename(dirname(cluster.logs));
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(words) && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${name}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

t.test('what outages cost', { timeout: 3_000_000 }, async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load(await applicationImages());
  await installSideroute(cluster);
  for (const name of ['namespace', 'my-server', ...APPLICATIONS, 'my-server-route'])
    await cluster.mustKubectl(['apply', '-f', '-'], manifest(name));
  await cluster.mustKubectl(['apply', '-f', join(ROOT, 'test', 'cluster', 'manifests', 'load', 'load.yaml')]);
  await available(cluster);

  let configuration = 0;
  let version = '1';
  const other = () => (version === '1' ? '2' : '1');
  /** Changes the route to the other version and waits until that answers. */
  async function changed(): Promise<number> {
    configuration += 1;
    version = other();
    const { at } = await change(cluster, route(version, configuration));
    return await arrived(cluster, configuration, at);
  }
  await changed();

  /** What came of every request while `work` went on. The route may have gone from one version to the other, never back. */
  async function during(work: () => Promise<void>): Promise<Answer[]> {
    const since = Date.now();
    await work();
    return answers(cluster, since);
  }

  await t.test('fifty edits: from the edit to the changed answer', async (t) => {
    const times: number[] = [];
    const all = await during(async () => {
      for (let i = 0; i < 50; i += 1) times.push(await changed());
    });
    times.sort((a, b) => a - b);
    say(`50 edits to the changed answer: median ${times[25]} ms, worst ${times[49]} ms, ${all.length} requests`);
    t.strictSame(failed(all), [], told(failed(all)));
    t.ok(times[49]! < 60_000, 'none waited for the minute of the kubelet');
  });

  await t.test(
    'the controller is killed, all replicas: nothing is lost, and a change made meanwhile arrives',
    async (t) => {
      const all = await during(async () => {
        const killed = podProcesses(cluster, 'sideroute controller');
        t.ok(killed.length >= 2, `${killed.length} processes of the controller are killed`);
        for (const pid of killed) process.kill(pid, 'SIGKILL');
        say(`controller killed: the change made right after arrived in ${await changed()} ms`);
      });
      t.ok(all.length > 10);
      t.strictSame(failed(all), [], told(failed(all)));
    },
  );

  await t.test('the API server is away for two minutes: nothing is lost, and changes arrive after', async (t) => {
    const all = await during(async () => {
      await cluster.daemons.apiServer.stop('SIGKILL');
      // The subject of the test, not a wait for something.
      await delay(OUTAGE_MS);
      cluster.daemons.apiServer.start();
      await cluster.ready();
      say(`API server back after two minutes: a change arrived in ${await changed()} ms`);
    });
    t.ok(all.length > 2000, told(all));
    t.strictSame(failed(all), [], told(failed(all)));
  });

  await t.test('etcd is restarted: nothing is lost, and a change arrives after', async (t) => {
    const all = await during(async () => {
      await cluster.daemons.etcd.stop('SIGKILL');
      cluster.daemons.etcd.start();
      await cluster.ready();
      say(`etcd restarted: a change arrived in ${await changed()} ms`);
    });
    t.strictSame(failed(all), [], told(failed(all)));
  });

  await t.test('the sidecar is killed under load: it serves again, and nothing is misrouted', async (t) => {
    const since = Date.now();
    const pids = podProcesses(cluster, 'sideroute proxy').filter((pid) => isBesideLoad(pid));
    t.equal(pids.length, 1, 'the sidecar of the load');
    process.kill(pids[0]!, 'SIGKILL');
    const good = (answer: Answer) => answer.status === 200;
    await eventually(
      'both kinds of connection are answered again, after failures',
      async () => {
        await delay(50);
        const all = answers(cluster, since);
        const lastFailure = failed(all).at(-1)?.at;
        if (lastFailure === undefined) return false;
        return ['kept', 'new'].every((connection) =>
          all.some((answer) => good(answer) && answer.connection === connection && answer.at > lastFailure),
        );
      },
      ARRIVES_WITHIN_MS,
    );
    const all = answers(cluster, since);
    const lost = failed(all);
    say(`sidecar killed: ${lost.length} requests failed, the last ${lost.at(-1)!.at - since} ms after`);
    t.strictSame(misrouted(all, version), [], told(misrouted(all, version)));
  });

  await t.test('a Service is deleted and made again: nothing is misrouted, and it is right again', async (t) => {
    const since = Date.now();
    const address = () =>
      cluster.mustKubectl(['-n', NAMESPACE, 'get', 'service', 'my-server', '-o', 'jsonpath={.spec.clusterIP}']);
    const before = await address();
    await cluster.mustKubectl(['-n', NAMESPACE, 'delete', 'service', 'my-server']);
    await cluster.mustKubectl(['apply', '-f', '-'], manifest('my-server'));
    const made = Date.now();
    t.not(await address(), before, 'it has another address');
    const took = await arrived(cluster, configuration, made);
    // And a change of the route is followed at the new address.
    const next = await changed();
    const all = answers(cluster, since);
    const wrong = all.filter(({ status, configuration: by }) => status === 200 && by === null);
    say(
      `Service made again: right after ${took} ms, ${wrong.length} answers past the route, ${failed(all).length} failed; the next change arrived in ${next} ms`,
    );
    t.strictSame(wrong, [], `no answer of the Service without its route: ${told(wrong)}`);
  });

  await t.test('the node is drained: nothing is misrouted, and pods that come back are right', async (t) => {
    const since = Date.now();
    const reading = setInterval(() => answers(cluster), 500);
    t.teardown(() => clearInterval(reading));
    await cluster.mustKubectl([
      // There is no other node to which the budget of the controller would let its replicas go one by one.
      ...['drain', 'node', '--disable-eviction', '--ignore-daemonsets', '--delete-emptydir-data', '--force'],
      '--timeout=180s',
    ]);
    await cluster.mustKubectl(['uncordon', 'node']);
    await available(cluster);
    clearInterval(reading);
    const back = Date.now();
    const took = await arrived(cluster, configuration, back);
    const all = answers(cluster, since);
    const wrong = all.filter(({ status, configuration: by }) => status === 200 && by !== configuration);
    say(`node drained: right ${took} ms after the pods were back, ${failed(all).length} failed meanwhile`);
    t.strictSame(wrong, [], told(wrong));
    say(`the next change arrived in ${await changed()} ms`);
  });

  await t.test(
    'a thousand changes under load: no request fails, none is answered by a mix, each status is true',
    async (t) => {
      const broken = {
        backendRefs: [{ name: 'nobody', port: 80 }],
        matches: [{ headers: [{ name: 'x-never', value: 'sent' }] }],
      };
      const isBroken = (index: number) => index % 10 === 3;
      const expected = new Map<number, string>();
      const seen = new Map<number, Set<string>>();
      let last = 0;
      const first = configuration + 1;
      const watch = watchStatus(cluster, (generation, resolved) => {
        seen.set(generation, (seen.get(generation) ?? new Set()).add(resolved));
      });
      const all = await during(async () => {
        for (let i = 0; i < 1000; i += 1) {
          configuration += 1;
          // An odd configuration is version 1's, an even one version 2's: an answer that says otherwise is of two configurations.
          version = configuration % 2 === 1 ? '1' : '2';
          const extra = isBroken(configuration) ? [broken] : [];
          const { generation, at } = await change(cluster, route(version, configuration, extra));
          expected.set(generation, isBroken(configuration) ? 'False' : 'True');
          last = at;
          // Fifty a second, so that requests come between them.
          await delay(20);
        }
        say(`1,000 changes: the last one arrived in ${await arrived(cluster, configuration, last)} ms`);
        const newest = Math.max(...expected.keys());
        await eventually('the last change has its status', () => seen.has(newest), ARRIVES_WITHIN_MS);
      });
      watch.close();
      const mixed = all.filter(
        ({ version: by, configuration: of }) =>
          of !== null && of >= first && by !== null && by !== (of % 2 === 1 ? '1' : '2'),
      );
      const untrue = [...seen].filter(([generation, states]) => {
        const want = expected.get(generation);
        return want !== undefined && (states.size !== 1 || !states.has(want));
      });
      const configurations = new Set(all.map(({ configuration: of }) => of)).size;
      say(
        `1,000 changes: ${all.length} requests, ${failed(all).length} failed, ${configurations} configurations answered, ${seen.size} generations with a status`,
      );
      t.strictSame(failed(all), [], told(failed(all)));
      t.strictSame(mixed, [], told(mixed));
      t.strictSame(untrue, []);
    },
  );
});

/** Of the sidecar in the pod of the load: a process of the load has its network namespace. */
function isBesideLoad(pid: number): boolean {
  return readdirSync('/proc')
    .filter((other) => /^\d+$/.test(other))
    .some((other) => {
      try {
        const command = readFileSync(`/proc/${other}/cmdline`, 'utf8');
        const networks = [other, pid].map((of) => readlinkSync(`/proc/${of}/ns/net`));
        return command.includes('http://my-server/?[1-') && networks[0] === networks[1];
      } catch {
        return false;
      }
    });
}
