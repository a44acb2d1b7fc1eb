/** `--workers`: several threads carry the connections of one sidecar, and from outside they are one. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { stopProcess, waitForLine } from '../support/processes.ts';
import { serviceFile } from '../support/services.ts';
import { fixture, PROXY_UID, Sidecar, SIDEROUTE } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { withoutUws } from '../support/uws-loads.ts';

const URL = 'http://10.96.0.10/';
/** That all of them come to one of two listeners has a chance of one in 2^31. */
const MANY = 32;

function files(backend: string): Record<string, string> {
  const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]
`;
  return { 'services.yaml': serviceFile('web', 'v1'), 'route.yaml': route };
}

/** Of the access log: a request, or how many lines were lost. */
interface Line {
  readonly kind?: string;
  readonly lines?: number;
}

interface Load {
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

/** Requests over `MANY` connections until the returned function is called. */
async function startLoad(client: Pod): Promise<() => Promise<Load>> {
  const child = client.spawn(fixture('load-client', URL, String(MANY)));
  const running = waitForLine(child, /^running/);
  await running;
  return async () => {
    const result = waitForLine(child, /^\{/);
    child.kill('SIGTERM');
    return JSON.parse(await result) as Load;
  };
}

function requestsIn(metrics: string): number {
  return [...metrics.matchAll(/^sideroute_requests_total\{[^\n]* (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

function valueIn(metrics: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const MOST_OF_A_WORKER_MIB = 12;

t.test('several workers', async (t) => {
  const { client, server, directory } = await startTwoPods(t);
  const volume = new ConfigMapMount(join(directory, 'routes'), files('v1'));
  const routes = volume.path;
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
  const curl = (...args: string[]) => client.run(['curl', '-sS', '--max-time', '20', ...args]);

  await t.test(
    'each has connections, what they count adds up to the request, and lines of the log are whole',
    async (t) => {
      const sidecar = await Sidecar.startProxy(client, routes, '--workers', '3', '--access-log', 'all');
      t.teardown(() => sidecar.stop());
      let log = '';
      const logged = new Promise((resolve) => sidecar.process.stdout!.once('close', resolve));
      sidecar.process.stdout!.on('data', (chunk: string) => (log += chunk));
      const stop = await startLoad(client);
      let seen = 0;
      while (seen < 3_000) {
        const count = requestsIn(await sidecar.ask('/metrics'));
        t.ok(count >= seen, `${count} after ${seen}`);
        seen = count;
      }
      const { downstream } = JSON.parse(
        client.must(['curl', '-sS', '--max-time', '20', 'http://127.0.0.1:15000/connections']),
      ) as { downstream: { id: string }[] };
      const workers = downstream.map(({ id }) => /^[a-z]+-(?:(\d+)\.)?\d+$/.exec(id)?.[1] ?? '0');
      t.ok(new Set(workers).size >= 2, `connections of workers ${workers.join()}`);
      t.equal(new Set(downstream.map(({ id }) => id)).size, downstream.length, 'each has a name of its own');
      const { answers, failures } = await stop();
      t.same(failures, {});
      t.same(Object.keys(answers), ['200 Hello from Version 1']);
      let metrics = '';
      await eventually('every request counted', async () => {
        metrics = await sidecar.ask('/metrics');
        return requestsIn(metrics) >= total(answers);
      });
      t.equal(requestsIn(metrics), total(answers));
      const durations = /^sideroute_request_duration_seconds_count\{[^\n]* (\d+)$/m.exec(metrics);
      t.equal(Number(durations?.[1]), total(answers));
      t.equal(valueIn(metrics, 'sideroute_accepted_connections_total'), MANY);
      const { series } = JSON.parse(client.must(['curl', '-sS', 'http://127.0.0.1:15000/stats'])) as {
        series: { results: [string, string, number][] }[];
      };
      t.equal(series[0]?.results[0]?.[2], total(answers), 'the page is told the same');
      t.equal(await sidecar.stop(), 0);
      await logged;
      const parsed = log.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
      const lost = parsed.reduce((sum, line) => sum + (line.lines ?? 0), 0);
      t.equal(parsed.filter(({ kind }) => kind === 'request').length + lost, total(answers));
    },
  );

  await t.test('a configuration that is said to be applied decides in all of them', async (t) => {
    const sidecar = await Sidecar.startProxy(client, routes, '--workers', '2');
    t.teardown(() => sidecar.stop());
    const stopOther = await startLoad(client);
    let generation = 1;
    for (const [backend, version] of [
      ['web', 'parent'],
      ['v1', '1'],
      ['web', 'parent'],
      ['v1', '1'],
    ] as const) {
      volume.write(files(backend));
      generation += 1;
      await sidecar.applied(generation);
      const stop = await startLoad(client);
      // Every connection has had an answer by then.
      await eventually('some requests', () => sidecar.metric(/^sideroute_downstream_connections /) >= 2 * MANY);
      const { answers, failures } = await stop();
      t.same(failures, {});
      t.same(Object.keys(answers), [`200 Hello from Version ${version}`]);
    }
    const { answers, failures } = await stopOther();
    t.same(failures, {}, 'nothing fails meanwhile');
    t.same(Object.keys(answers).sort(), ['200 Hello from Version 1', '200 Hello from Version parent']);
  });

  await t.test('what any of them logs of a request names its parent, route and backend', async (t) => {
    volume.write(files('nowhere'));
    const sidecar = await Sidecar.startProxy(client, routes, '--workers', '2');
    t.teardown(() => sidecar.stop());
    for (let i = 0; i < MANY; i += 1) t.notMatch(curl(URL).stdout, 'Hello');
    const logged = () =>
      sidecar.log
        .filter((line) => line.includes('request not answered by a backend'))
        .map((line) => JSON.parse(line) as { worker?: number });
    await eventually('lines of both', () => new Set(logged().map(({ worker }) => worker)).size === 2);
    const named = { parent: 'shop/web:80', route: 'shop/web', rule: '0', backend: 'shop/nowhere:80' };
    for (const fields of logged()) t.match(fields, { ...named, reason: 'unresolved', status: 503 });
    volume.write(files('v1'));
  });

  await t.test('--max-connections is the limit of all of them together', async (t) => {
    const flags = ['--workers', '2', '--max-connections', '20', '--detect-timeout', '120s'];
    const sidecar = await Sidecar.startProxy(client, routes, ...flags);
    t.teardown(() => sidecar.stop());
    const crowd = client.spawn(fixture('crowd', '10.96.0.10', '80', '60'));
    t.teardown(() => stopProcess(crowd, 'SIGKILL'));
    await waitForLine(crowd, /^60 0/);
    let metrics = '';
    await eventually('as many as allowed', async () => {
      metrics = await sidecar.ask('/metrics');
      return valueIn(metrics, 'sideroute_detecting_connections') >= 20;
    });
    for (let scrape = 0; scrape < 5; scrape += 1) {
      t.equal(valueIn(metrics, 'sideroute_detecting_connections'), 20);
      t.equal(valueIn(metrics, 'sideroute_accepted_connections_total'), 20);
      metrics = await sidecar.ask('/metrics');
    }
    t.equal(valueIn(metrics, 'sideroute_max_connections'), 20);
    await stopProcess(crowd, 'SIGKILL');
    t.equal(curl(URL).stdout, 'Hello from Version 1\n', 'when they have gone there is room');
  });

  await t.test('at the limit of one worker, connections of others that only wait make room', async (t) => {
    const sidecar = await Sidecar.startProxy(client, routes, '--workers', '2', '--max-connections', '2');
    t.teardown(() => sidecar.stop());
    const request = 'GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n';
    const script = `exec 3<>/dev/tcp/10.96.0.10/80; printf '${request}' >&3; cat <&3`;
    // Each time both may be on the worker that the next one does not come to.
    for (let i = 0; i < 6; i += 1) {
      const waiting = [0, 1].map(() => client.spawn(['bash', '-c', script]));
      await Promise.all(waiting.map((child) => waitForLine(child, /Version 1/)));
      t.equal(curl(URL).stdout, 'Hello from Version 1\n');
      await Promise.all(waiting.map((child) => stopProcess(child, 'SIGKILL')));
    }
  });

  await t.test('one signal drains all of them: what is under way is answered, what comes is served', async (t) => {
    const flags = ['--workers', '2', '--drain-timeout', '60s', '--drain-quiet', '500ms'];
    const sidecar = await Sidecar.startProxy(client, routes, ...flags);
    t.teardown(() => sidecar.stop());
    const held = Array.from({ length: MANY }, (_, i) => client.spawn(['curl', '-sS', `${URL}?hold=${i}`]));
    const answers = held.map((child) => waitForLine(child, /Version/));
    await eventually('all requests', () => sidecar.metric(/^sideroute_open_requests /) === MANY);
    sidecar.process.kill('SIGTERM');
    await eventually('draining', () => sidecar.log.some((line) => line.includes('draining')));
    for (let i = 0; i < 8; i += 1) t.equal(curl(URL).stdout, 'Hello from Version 1\n');
    server.must(['curl', '-sS', `http://127.0.0.1:8001/?release=[0-${MANY - 1}]`]);
    t.same(new Set(await Promise.all(answers)), new Set(['Hello from Version 1']));
    t.equal(await sidecar.ended(), 0);
  });

  await t.test('each further one takes at most 12 MiB of its own', async (t) => {
    // As a pod starts it: without what the test runner loads into every thread of every program of Node, which is as much again.
    const privateMib = async (workers: number): Promise<number> => {
      const flags = ['proxy', '--routes', routes, '--drain-timeout', '0s', '--workers', String(workers)];
      const sidecar = client.spawn(['env', '-u', 'NODE_OPTIONS', ...SIDEROUTE, ...flags], { asUid: PROXY_UID });
      await waitForLine(sidecar, /"message":"ready"/);
      // What it has written: whether the pages of a program are its own depends on what else runs.
      const rollup = readFileSync(`/proc/${sidecar.pid}/smaps_rollup`, 'utf8');
      await stopProcess(sidecar);
      return Number(/^Private_Dirty: +(\d+) kB$/m.exec(rollup)![1]) / 1_024;
    };
    const [one, three] = [await privateMib(1), await privateMib(3)];
    const each = (three - one) / 2;
    t.ok(
      each > 0 && each <= MOST_OF_A_WORKER_MIB,
      `${each.toFixed(1)} MiB: ${one.toFixed(1)} with one, ${three.toFixed(1)} with three`,
    );
  });

  await t.test('a worker that dies ends the sidecar, which says why', async (t) => {
    const [preload, trigger] = [join(directory, 'preload.cjs'), join(directory, 'now')];
    const look = `if (require('node:fs').existsSync(${JSON.stringify(trigger)})) throw new Error('planted')`;
    writeFileSync(preload, `if (!require('node:worker_threads').isMainThread) setInterval(() => { ${look}; }, 20);\n`);
    const child = client.spawn(
      ['env', `NODE_OPTIONS=--require ${preload}`, ...SIDEROUTE, 'proxy', '--routes', routes, '--workers', '2'],
      { asUid: PROXY_UID },
    );
    t.teardown(() => stopProcess(child, 'SIGKILL'));
    await waitForLine(child, /"message":"ready"/);
    t.equal(curl(URL).stdout, 'Hello from Version 1\n');
    const said = waitForLine(child, /a worker has ended/);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    writeFileSync(trigger, '');
    t.ok(existsSync(trigger));
    t.match(JSON.parse(await said), { level: 'error', worker: 1, error: /planted/ });
    t.equal(await ended, 1);
  });

  await t.test('what does not work with several is refused, with the flag at fault', async (t) => {
    const refused = (...flags: string[]) => {
      const { status, stderr } = client.run([...SIDEROUTE, 'proxy', '--routes', routes, '--workers', '2', ...flags]);
      t.equal(status, 1, flags.join(' '));
      return stderr;
    };
    if (!withoutUws)
      t.match(refused('--engine', 'uws'), '--engine uws has one thread: it works with --workers 1 alone');
    t.match(refused('--max-upstream-connections', '1'), '--max-upstream-connections 1 is less than --workers 2');
    t.match(refused('--max-mirrors', '1'), '--max-mirrors 1 is less than --workers 2');
  });
});
