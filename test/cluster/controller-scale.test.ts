/**
 * What the controller costs in a large cluster, by simulation: objects in a real API server, without anything that runs.
 *
 * Recorded figures stand in docs/controller.md. What is asserted: memory, and that a change costs what it touches. By hand, another size:
 * SCALE_NAMESPACES=1000 SCALE_UNLIMITED=1000 node dist/test/cluster/controller-scale.test.js
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { INJECTED, namespace, pod, route, service } from '../support/controller/objects.ts';
import { eventually } from '../support/eventually.ts';
import { SIDEROUTE } from '../support/sidecar.ts';
import { startApi } from './api.ts';

const TIMEOUT_MS = 1_800_000;
const NAMESPACES = Number(process.env['SCALE_NAMESPACES'] ?? '1000');
/** Namespaces that hear of everybody; the others hear of ten. */
const UNLIMITED = Number(process.env['SCALE_UNLIMITED'] ?? String(NAMESPACES / 10));
const PER_NAMESPACE = 5;
const PODS_PER_NAMESPACE = 10;
const GROUP = 10;
const LIMIT_BYTES = 256 * 1024 * 1024;
/** As docs/controller.md has it for such a cluster. */
const NODE_OPTIONS = '--max-old-space-size=160 --max-semi-space-size=4';
const WRITERS = 24;

const nameOf = (index: number): string => `n${String(index).padStart(4, '0')}`;

/** Nearest to what people write: two matches, a filter, a split. */
function routeOf(index: number, number: number, version: number): object {
  const rules = [
    {
      matches: [
        { path: { type: 'PathPrefix', value: `/api/v${version}` }, headers: [{ name: 'version', value: 'new' }] },
        { path: { type: 'Exact', value: '/health' }, method: 'GET' },
      ],
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-route', value: 'new' }] } }],
      backendRefs: [
        { name: `s${number}`, port: 80, weight: 90 },
        { name: `s${(number + 1) % PER_NAMESPACE}`, port: 80, weight: 10 },
      ],
    },
    { backendRefs: [{ name: `s${number}`, port: 80 }] },
  ];
  return route(`r${number}`, nameOf(index), { parents: [{ name: `s${number}`, port: 80 }], rules });
}

interface Figures {
  readonly requests: ReadonlyMap<string, number>;
  readonly sent: number;
  readonly received: number;
  readonly depth: number;
  readonly synced: boolean;
  readonly writes: number;
}

t.setTimeout(TIMEOUT_MS);

t.test('a large cluster', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  const client = new KubeClient(kubeconfigAccess(cluster.kubeconfig), 'scale-test');
  t.teardown(() => client.close());
  const send = async (method: 'POST' | 'PUT', path: string, body: object): Promise<void> => {
    await client.send({ method, path, body, timeoutMs: 120_000 });
  };
  const all = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) await work(next++);
    };
    await Promise.all(Array.from({ length: WRITERS }, worker));
  };
  const core = '/api/v1/namespaces';
  const gateway = '/apis/gateway.networking.k8s.io/v1/namespaces';

  let begun = performance.now();
  await all(NAMESPACES, async (index) => {
    const first = index - (index % GROUP);
    const from = Array.from({ length: GROUP }, (_, offset) => nameOf(first + offset)).join();
    const limited = index >= UNLIMITED;
    const annotations = limited ? { 'sideroute.dev/routes-from': from } : {};
    const name = nameOf(index);
    await send('POST', core, namespace(name, { labels: INJECTED, annotations }));
    for (let number = 0; number < PER_NAMESPACE; number++) {
      const id = index * PER_NAMESPACE + number;
      const address = `10.96.${1 + (id >> 8)}.${id & 255}`;
      await send('POST', `${core}/${name}/services`, service(`s${number}`, name, address));
      await send('POST', `${gateway}/${name}/httproutes`, routeOf(index, number, 1));
    }
    for (let number = 0; number < PODS_PER_NAMESPACE; number++) {
      await send('POST', `${core}/${name}/pods`, pod(`p${number}`, name));
    }
  });
  t.comment(`objects made in ${seconds(begun)} s`);

  const port = 20_000 + (process.pid % 10_000);
  const controller = startProcess(cluster.kubeconfig, port);
  t.teardown(() => void controller.process.kill('SIGKILL'));
  const figures = (): Promise<Figures> => readFigures(port);
  const quiet = async (what: string): Promise<Figures> => {
    let since: number | null = null;
    for (;;) {
      const now = await figures().catch(() => null);
      since = now?.synced === true && now.depth === 0 ? (since ?? performance.now()) : null;
      if (now !== null && since !== null && performance.now() - since > 1_000) return now;
      if (controller.process.exitCode !== null) throw new Error(`the controller has ended before: ${what}`);
      await delay(200);
    }
  };

  begun = performance.now();
  await eventually('it has read everything', async () => (await figures().catch(() => null))?.synced, 300_000);
  t.comment(`everything read in ${seconds(begun)} s`);
  const first = await quiet('everything is written');
  t.comment(
    `first sets and status of ${NAMESPACES * PER_NAMESPACE} routes written in ${seconds(begun)} s: ` +
      `${first.writes} ConfigMaps, ${mib(first.sent)} MiB sent, ${mib(first.received)} MiB received`,
  );
  t.comment(`resident ${mib(resident(controller.process))} MiB, at most ${mib(peak(controller.process))} MiB`);

  const measure = async (what: string, seen: number, change: () => Promise<void>): Promise<Figures> => {
    const before = await figures();
    controller.written.length = 0;
    const startMs = Date.now();
    await change();
    const appliedMs = Date.now();
    await eventually(what, async () => (await figures()).writes > before.writes || seen === 0, 60_000);
    const after = await quiet(what);
    const lastMs = Math.max(startMs, ...controller.written);
    const calls = new Map(
      [...after.requests].flatMap(([key, count]) => {
        const more = count - (before.requests.get(key) ?? 0);
        return more > 0 && !key.startsWith('GET') ? [[key, more] as const] : [];
      }),
    );
    const told = [...calls].map(([key, count]) => `${count} ${key}`).join(', ');
    const last = `the last of ${controller.written.length} sets was written ${((lastMs - appliedMs) / 1_000).toFixed(2)} s after it was accepted`;
    t.comment(
      `${what}: ${controller.written.length === 0 ? 'no set was written' : last}; ${told || 'no call that writes'}; ` +
        `${Math.round((after.sent - before.sent) / 1024)} KiB sent, ` +
        `${Math.round((after.received - before.received) / 1024)} KiB received`,
    );
    t.equal(controller.written.length, seen, `${what}: as many sets as namespaces that see it`);
    return { ...after, writes: after.writes - before.writes };
  };

  // Of a namespace that hears of ten; the last ones are in no group with an unlimited one.
  const index = NAMESPACES - 1;
  const limited = index >= UNLIMITED ? GROUP : 0;
  const path = `${gateway}/${nameOf(index)}/httproutes`;
  const put = async (number: number, version: number): Promise<void> => {
    const object = await client.send({ method: 'GET', path: `${path}/r${number}` });
    const { spec } = routeOf(index, number, version) as { spec: object };
    await send('PUT', `${path}/r${number}`, { ...object, spec });
  };
  const seen = UNLIMITED + limited;
  const producer = await measure('a producer route', seen, () => put(0, 2));
  t.ok(producer.writes <= 2 * seen, `${producer.writes} ConfigMaps for ${seen} namespaces`);
  await measure('a producer route again', seen, () => put(0, 3));

  const consumer = await measure('a consumer route', 1, async () => {
    const parents = [{ name: 's0', namespace: nameOf(index - 1), port: 80 }];
    await send('POST', path, route('consumer', nameOf(index), { parents, backends: [{ name: 's1', port: 80 }] }));
  });
  t.ok(consumer.writes <= 2, `${consumer.writes} ConfigMaps`);

  await measure('a Service whose labels change', 0, async () => {
    const servicePath = `${core}/${nameOf(index)}/services/s0`;
    const object = await client.send({ method: 'GET', path: servicePath });
    await send('PUT', servicePath, { ...object, metadata: { ...(object['metadata'] as object), labels: { a: 'b' } } });
    await delay(1_000);
  });

  const most = peak(controller.process);
  t.comment(`resident ${mib(resident(controller.process))} MiB, at most ${mib(most)} MiB`);
  t.ok(most < LIMIT_BYTES, `${mib(most)} MiB`);
});

interface Started {
  readonly process: ChildProcess;
  /** When sets were written, by the clock of the wall. */
  readonly written: number[];
}

function startProcess(kubeconfig: string, port: number): Started {
  const [command, ...args] = SIDEROUTE;
  const flags = [
    '--kubeconfig',
    kubeconfig,
    '--metrics',
    `127.0.0.1:${port}`,
    '--nudge',
    'off',
    '--log-level',
    'debug',
  ];
  const child = spawn(command, [...args.slice(1), 'controller', ...flags, '--leader-election', 'off'], {
    env: { ...process.env, NODE_OPTIONS },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const written: number[] = [];
  createInterface(child.stderr).on('line', (line) => {
    const { message, time, level } = JSON.parse(line) as Record<string, string>;
    if (message === 'a route set is written') written.push(Date.parse(time!));
    else if (level !== 'debug') t.comment(line);
  });
  return { process: child, written };
}

async function readFigures(port: number): Promise<Figures> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  const value = (pattern: string): number =>
    [...text.matchAll(new RegExp(`^sideroute_controller_${pattern} ([0-9.e+]+)$`, 'gm'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  const requests = [
    ...text.matchAll(/^sideroute_controller_api_requests_total\{method="(\w+)",status="(\d+)"\} (\d+)$/gm),
  ];
  return {
    requests: new Map(requests.map(([, method, status, count]) => [`${method} ${status}`, Number(count)])),
    sent: value('api_bytes_total\\{direction="sent"\\}'),
    received: value('api_bytes_total\\{direction="received"\\}'),
    depth: value('queue_depth\\{queue="\\w+"\\}'),
    synced: value('synced') === 1,
    writes: value('writes_total\\{object="configmap"\\}'),
  };
}

function memory({ pid }: ChildProcess, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found![1]) * 1024;
}

const resident = (child: ChildProcess): number => memory(child, 'VmRSS');
const peak = (child: ChildProcess): number => memory(child, 'VmHWM');

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1_000).toFixed(1);
}
