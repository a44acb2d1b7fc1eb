/**
 * System calls of a sidecar per request: those of the scenario, under strace, one request after another (load.ts). The
 * calls of an idle sidecar are counted first and subtracted.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { countedCalls } from '../proxy/system-calls.ts';
import type { Figure } from './figures.ts';
import { LOADS, type Load } from './load.ts';
import { withSidecar, type Place } from './place.ts';

type Calls = ReadonlyMap<string, number>;

const COUNT: Readonly<Record<Load, number>> = { get: 200, 'new-connection': 200, call: 200, '1-mib': 20 };
/** Frames of a call and parts of a body arrive in varying numbers of pieces. */
const TOLERANCE: Readonly<Record<Load, number>> = { get: 0.2, 'new-connection': 0.1, call: 0.2, '1-mib': 0.5 };
/** Long enough for one look at its routes. */
const IDLE_MS = 5_000;
/** Time for what follows the last response. */
const SETTLE_MS = 300;

/**
 * How often the sidecar goes to sleep: one time less if an event comes first, which depends on other load of the
 * machine.
 */
const WAITING = /^epoll_p?wait2?$/;
/** Calls of V8's threads and heap, which do not depend on requests. */
const OF_V8 =
  /^(?:futex|madvise|mprotect|munmap|mmap|brk|sched_yield|getpid|restart_syscall|(?:clock_)?nanosleep|rt_sig\w+)$/;

/** Calls per request, the most frequent first. */
async function callsOf(place: Place, pid: number, load: Load, idle: Calls): Promise<[string, number][]> {
  // So that connections to the backends exist and decisions are cached.
  await place.load(load, 20);
  let ms = 0;
  const calls = await countedCalls([pid], async () => {
    const started = performance.now();
    await place.load(load, COUNT[load]);
    await delay(SETTLE_MS);
    ms = performance.now() - started;
  });
  return [...calls]
    .map(([name, count]): [string, number] => {
      const own = Math.max(0, count - ((idle.get(name) ?? 0) * ms) / IDLE_MS);
      return [name, own / COUNT[load]];
    })
    .sort(([, a], [, b]) => b - a);
}

async function measured(loads: readonly Load[]): Promise<Map<Load, [string, number][]>> {
  return await withSidecar(async (place, _, pid) => {
    await place.ready();
    // Until what the start left over is done.
    await delay(IDLE_MS);
    const idle = await countedCalls([pid], () => delay(IDLE_MS));
    const found = new Map<Load, [string, number][]>();
    for (const load of loads) found.set(load, await callsOf(place, pid, load, idle));
    return found;
  });
}

type Kind = 'request' | 'waiting' | 'v8';

function kindOf(name: string): Kind {
  if (WAITING.test(name)) return 'waiting';
  return OF_V8.test(name) ? 'v8' : 'request';
}

const sumOf = (calls: readonly [string, number][], kind: Kind): number =>
  calls.filter(([name]) => kindOf(name) === kind).reduce((sum, [, count]) => sum + count, 0);

export async function calls(): Promise<Figure[]> {
  return [...(await measured(LOADS))].flatMap(([load, each]): Figure[] => {
    const figure = { unit: 'system calls per request', dependsOn: 'node' } as const;
    return [
      { ...figure, name: `calls/${load}`, value: sumOf(each, 'request'), tolerance: TOLERANCE[load] },
      { ...figure, name: `calls/${load}/waiting`, value: sumOf(each, 'waiting'), tolerance: 0.5 },
    ];
  });
}

export async function showCalls(load: string): Promise<string> {
  const named = LOADS.find((name) => name === load);
  if (named === undefined) throw new Error(`no load ${load}: there are ${LOADS.join(', ')}`);
  const each = (await measured([named])).get(named)!;
  const line = (count: number, text: string): string => `${count.toFixed(2).padStart(10)}  ${text}`;
  return [
    line(sumOf(each, 'request'), `system calls per request: ${load}`),
    line(sumOf(each, 'waiting'), 'to wait'),
    line(sumOf(each, 'v8'), 'of the threads and the heap of V8, which are no figure'),
    ...each.filter(([, count]) => count >= 0.005).map(([name, count]) => line(count, name)),
  ].join('\n');
}
