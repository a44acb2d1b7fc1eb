/**
 * What a sidecar costs that has nothing to do, as every pod has one: memory of its own, what is resident, how often it wakes; and that all
 * of it is so again when a load has ended. Node as the manifests start it, without source maps.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { clusterOf } from '../support/cluster-of.ts';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { waitForLine } from '../support/processes.ts';
import { PROXY_UID, SIDEROUTE, startFixture } from '../support/sidecar.ts';

const HEAP_OF_THE_MANIFESTS = ['--max-old-space-size=128', '--max-semi-space-size=2'];
const SCENARIO = new URL('../../../test/fixtures/scenario/', import.meta.url);

/** MiB, by the version of Node: what it is, and a tenth. The images have 22. */
const LIMITS: Readonly<Record<number, { readonly own: number; readonly resident: number }>> = {
  20: { own: 12, resident: 54 },
  22: { own: 13, resident: 54 },
  24: { own: 14.5, resident: 54 },
  26: { own: 14.5, resident: 54 },
};
const limits = LIMITS[Number(process.versions.node.split('.')[0])]!;

interface Memory {
  /** Pages that were written to and that no other process has. */
  readonly own: number;
  readonly resident: number;
}

function memoryMib(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(rollup)![1]) / 1024;
  return { own: of('Private_Dirty'), resident: of('Rss') };
}

/** How often its threads have gone to sleep. What others do on the machine does not count. */
function sleeps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return sum + Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)![1]);
  }, 0);
}

async function startSidecar(pod: Pod, routes: string): Promise<ChildProcess> {
  const [node, , program] = SIDEROUTE;
  pod.must([node, program, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
  const command = ['env', '-u', 'NODE_OPTIONS', node, ...HEAP_OF_THE_MANIFESTS, program, 'proxy'];
  const flags = ['--routes', routes, '--namespace', 'devopssong', '--drain-timeout', '0s', '--log-level', 'info'];
  const sidecar = pod.spawn([...command, ...flags], { asUid: PROXY_UID });
  await waitForLine(sidecar, /"message":"ready"/);
  return sidecar;
}

const LOOK_MS = 250;
const MOST_LOOKS = 240;

/** As soon as it is as wanted; else what it was at last. */
async function settles(pid: number, isWanted: (memory: Memory) => boolean): Promise<Memory> {
  for (let look = 1; ; look++) {
    const memory = memoryMib(pid);
    if (isWanted(memory) || look === MOST_LOOKS) return memory;
    await delay(LOOK_MS);
  }
}

const WINDOW_MS = 4_000;
const MOST_WINDOWS = 8;
const MOST_WAKE_UPS_A_SECOND = 5;

/** Of the quietest window: V8 may still be at work in the first ones. */
async function wakeUpsASecond(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let window = 0; window < MOST_WINDOWS && least > MOST_WAKE_UPS_A_SECOND; window++) {
    const [before, fromMs] = [sleeps(pid), performance.now()];
    await delay(WINDOW_MS);
    least = Math.min(least, ((sleeps(pid) - before) * 1_000) / (performance.now() - fromMs));
  }
  return least;
}

const CONNECTIONS = 1_500;
/** Opens so many at once, has an answer on each, holds all of them, and closes them. */
const LOAD = `
const { connect } = require('node:net');
let answered = 0;
const sockets = Array.from({ length: ${CONNECTIONS} }, () => {
  const socket = connect({ host: '10.96.0.10', port: 80 });
  socket.on('error', (error) => { console.log('failed ' + error.code); process.exit(1); });
  socket.once('data', () => {
    if (++answered < ${CONNECTIONS}) return;
    console.log('answered');
    process.stdin.once('data', () => process.exit(0));
  });
  socket.write('GET / HTTP/1.1\\r\\nHost: my-server\\r\\nCookie: ' + 'c'.repeat(4000) + '\\r\\n\\r\\n');
  return socket;
});
`;
/** Beyond what it had before: what is kept for the next load, such as compiled code. */
const KEPT_MIB = 3;

t.setTimeout(300_000);
t.test('a sidecar without traffic is small and asleep, and is so again after a load', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  for (const address of ['10.96.0.10', '10.96.0.11', '10.96.0.12']) {
    cluster.addService(address, 80, [{ address: server.v4, port: 8080 }]);
  }
  await startFixture(server, 'hello-server', '8080', '1');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), {
    'services.yaml': readFileSync(new URL('services.yaml', SCENARIO), 'utf8'),
    'route.yaml': readFileSync(new URL('my-server-route.yaml', SCENARIO), 'utf8'),
  });
  const pid = (await startSidecar(client, volume.path)).pid!;

  const idle = await settles(pid, ({ own, resident }) => own <= limits.own && resident <= limits.resident);
  t.ok(idle.own <= limits.own, `${idle.own.toFixed(1)} MiB of its own`);
  t.ok(idle.resident <= limits.resident, `${idle.resident.toFixed(1)} MiB resident`);
  const wakeUps = await wakeUpsASecond(pid);
  t.ok(wakeUps <= MOST_WAKE_UPS_A_SECOND, `${wakeUps.toFixed(1)} wake-ups a second`);

  const before = memoryMib(pid);
  const load = client.spawn([process.execPath, '-e', LOAD], { stdio: ['pipe', 'pipe', 'pipe'] });
  await waitForLine(load, /^answered/, 60_000);
  const loaded = memoryMib(pid);
  load.stdin!.end('end\n');
  const after = await settles(pid, ({ own }) => own <= before.own + KEPT_MIB);
  const figures = [before, loaded, after].map(({ own }) => own.toFixed(1));
  t.comment(`MiB of its own: ${figures.join(', ')} before, with and after ${CONNECTIONS} connections`);
  t.ok(loaded.own > before.own + KEPT_MIB, `${figures[1]!} MiB with ${CONNECTIONS} connections`);
  t.ok(after.own <= before.own + KEPT_MIB, `${figures[2]!} MiB afterwards, ${figures[0]!} before`);
});
