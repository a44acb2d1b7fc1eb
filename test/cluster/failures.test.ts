/**
 * What outages cost: a client that never rests sends through its sidecar while parts of the cluster die and come back. Changes of the route
 * arrive, answers are those of the route, and nothing is lost that need not be. The figures are printed; durations are not asserted, but
 * for the minute after which a kubelet would have looked by itself. `SIDEROUTE_PARTS` runs some parts only (parts.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.ts';
import { answers, failed, misrouted, told, type Answer } from './load.ts';
import { Parts } from './parts.ts';
import { say } from './say.ts';
import { available, manifest, NAMESPACE } from './scenario.ts';
import { watchStatus } from './status-watch.ts';
import { ARRIVES_WITHIN_MS, UnderLoad } from './under-load.ts';

const OUTAGE_MS = 120_000;
const TIMEOUT_MS = 3_000_000;

t.setTimeout(TIMEOUT_MS);

t.test('what outages cost', { timeout: TIMEOUT_MS }, async (t) => {
  const load = await UnderLoad.start();
  const { cluster } = load;
  t.teardown(() => cluster.stop());
  const { daemons } = cluster;
  const parts = new Parts();
  const part = (name: string, title: string, work: (t: Test) => Promise<void>): void =>
    parts.add(name, async () => {
      await t.test(title, { timeout: TIMEOUT_MS }, work);
    });
  await load.changed();

  part('edits', 'fifty edits: from the edit to the changed answer', async (t) => {
    const times: number[] = [];
    const all = await load.during(async () => {
      for (let i = 0; i < 50; i += 1) times.push(await load.changed());
    });
    times.sort((a, b) => a - b);
    say(`50 edits to the changed answer: median ${times[25]} ms, worst ${times[49]} ms, ${all.length} requests`);
    t.strictSame(failed(all), [], told(failed(all)));
    t.ok(times[49]! < 60_000, 'none waited for the minute of the kubelet');
  });

  part(
    'controller',
    'the controller is killed, all replicas: nothing is lost, and a change made meanwhile arrives',
    async (t) => {
      const all = await load.during(async () => {
        const killed = load.processes('sideroute controller');
        t.ok(killed.length >= 2, `${killed.length} processes of the controller are killed`);
        for (const pid of killed) process.kill(pid, 'SIGKILL');
        say(`controller killed: the change made right after arrived in ${await load.changed()} ms`);
      });
      t.ok(all.length > 10);
      t.strictSame(failed(all), [], told(failed(all)));
    },
  );

  part('api-server', 'the API server is away for two minutes: nothing is lost, and changes arrive after', async (t) => {
    const all = await load.during(async () => {
      await daemons.apiServer.stop('SIGKILL');
      // The subject of the test, not a wait for something.
      await delay(OUTAGE_MS);
      daemons.apiServer.start();
      await cluster.ready();
      say(`API server back after two minutes: a change arrived in ${await load.changed()} ms`);
    });
    say(`API server away: ${all.length} requests, ${failed(all).length} failed`);
    t.ok(all.length > 2000, told(all));
    t.strictSame(failed(all), [], told(failed(all)));
  });

  part('etcd', 'etcd is restarted: nothing is lost, and a change arrives after', async (t) => {
    const all = await load.during(async () => {
      await daemons.etcd.stop('SIGKILL');
      daemons.etcd.start();
      await cluster.ready();
      say(`etcd restarted: a change arrived in ${await load.changed()} ms`);
    });
    t.strictSame(failed(all), [], told(failed(all)));
  });

  part('sidecar', 'the sidecar is killed under load: it serves again, and nothing is misrouted', async (t) => {
    // What the kubelet needs for a container in which nothing has to start.
    const bystander = ['run', 'bystander', '--image=busybox:1.36', '--image-pull-policy=IfNotPresent'];
    await cluster.mustKubectl([...bystander, '--restart=Always', '--', 'sleep', '86400']);
    await cluster.mustKubectl(['wait', '--for=condition=Ready', '--timeout=180s', 'pod/bystander']);
    const floor = await replaced(load, 'sleep 86400', load.processes('sleep 86400'));
    await cluster.mustKubectl(['delete', 'pod', 'bystander', '--wait=false', '--grace-period=1']);

    const pids = load.sidecarOfLoad();
    t.equal(pids.length, 1, 'the sidecar of the load');
    const since = Date.now();
    const started = await replaced(load, 'sideroute proxy', pids);
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
    say(
      `sidecar killed: its process was there again after ${started} ms (one that only sleeps: ${floor} ms); ${lost.length} requests failed, the last ${lost.at(-1)!.at - since} ms after`,
    );
    t.strictSame(misrouted(all, load.version), [], told(misrouted(all, load.version)));
  });

  part('service', 'a Service is deleted and made again: nothing is misrouted, and it is right again', async (t) => {
    const since = Date.now();
    const address = () =>
      cluster.mustKubectl(['-n', NAMESPACE, 'get', 'service', 'my-server', '-o', 'jsonpath={.spec.clusterIP}']);
    const before = await address();
    await cluster.mustKubectl(['-n', NAMESPACE, 'delete', 'service', 'my-server']);
    await cluster.mustKubectl(['apply', '-f', '-'], manifest('my-server'));
    const made = Date.now();
    t.not(await address(), before, 'it has another address');
    const took = await load.arrived(made);
    // And a change of the route is followed at the new address.
    const next = await load.changed();
    const all = answers(cluster, since);
    const wrong = all.filter(({ status, configuration: by }) => status === 200 && by === null);
    const lost = failed(all);
    say(
      `Service made again: right after ${took} ms, ${wrong.length} answers past the route, ${lost.length} failed; the next change arrived in ${next} ms`,
    );
    t.strictSame(wrong, [], `no answer of the Service without its route: ${told(wrong)}`);
  });

  part('node', 'the node is drained: nothing is misrouted, and pods that come back are right', async (t) => {
    const since = Date.now();
    const { configuration } = load;
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
    const took = await load.arrived(back);
    const all = answers(cluster, since);
    const wrong = all.filter(({ status, configuration: by }) => status === 200 && by !== configuration);
    say(`node drained: right ${took} ms after the pods were back, ${failed(all).length} failed meanwhile`);
    t.strictSame(wrong, [], told(wrong));
    say(`the next change arrived in ${await load.changed()} ms`);
  });

  part(
    'thousand',
    'a thousand changes under load: no request fails, none is answered by a mix, each status is true',
    async (t) => {
      const broken = {
        backendRefs: [{ name: 'nobody', port: 80 }],
        matches: [{ headers: [{ name: 'x-never', value: 'sent' }] }],
      };
      const isBroken = (index: number) => index % 10 === 3;
      // An odd configuration is version 1's, an even one version 2's: an answer that says otherwise is of two configurations.
      const versionOf = (index: number) => (index % 2 === 1 ? '1' : '2');
      const expected = new Map<number, string>();
      const seen = new Map<number, Set<string>>();
      const first = load.configuration + 1;
      let last = 0;
      const watch = watchStatus(cluster, (generation, resolved) => {
        seen.set(generation, (seen.get(generation) ?? new Set()).add(resolved));
      });
      const all = await load.during(async () => {
        for (let index = first; index < first + 1000; index += 1) {
          const { generation, at } = await load.change(versionOf(index), isBroken(index) ? [broken] : []);
          expected.set(generation, isBroken(index) ? 'False' : 'True');
          last = at;
          // Fifty a second, so that requests come between them.
          await delay(20);
        }
        say(`1,000 changes: the last one arrived in ${await load.arrived(last)} ms`);
        const newest = Math.max(...expected.keys());
        await eventually('the last change has its status', () => seen.has(newest), ARRIVES_WITHIN_MS);
      });
      watch.close();
      const mixed = all.filter(
        ({ version: by, configuration: of }) => of !== null && of >= first && by !== null && by !== versionOf(of),
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

  await parts.run();
});

/** Kills processes; how long after that one of the same command line has taken their place. */
async function replaced(load: UnderLoad, words: string, killed: readonly number[]): Promise<number> {
  const before = new Set(load.processes(words));
  const at = performance.now();
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  await eventually(
    `${words} runs again`,
    async () => {
      await delay(20);
      return load.processes(words).some((pid) => !before.has(pid));
    },
    ARRIVES_WITHIN_MS,
  );
  return Math.round(performance.now() - at);
}
