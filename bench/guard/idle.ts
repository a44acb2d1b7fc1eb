/**
 * What an idle sidecar with the routes of the scenario costs: private memory, the processor time of its start as a ratio to the start of a Node
 * without a program, and how often it wakes up. Medians over several starts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { median } from '../median.ts';
import { cpuMicroseconds } from '../proxy/processor-time.ts';
import type { Figure } from './figures.ts';
import { Place } from './place.ts';

const STARTS = 3;
/** Starts of a sidecar and of a bare Node, in turns. */
const TIMED_STARTS = 9;
/** After this time it has given back what only its start needed, and has slept for a while. */
const SETTLE_MS = 5_000;
/** Twice the interval at which it looks at its routes. */
const WATCHED_MS = 10_000;
const LOOK_MS = 1_000;

/**
 * Private memory in KiB: pages that were written to and that no other process has. Pages that were not written to, such
 * as Node's code, are left out: whether they are private depends on other processes of the machine.
 */
function privateMemory(pid: number): { readonly kib: number; readonly rollup: string } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(rollup)![1]);
  return { kib: of('Private_Dirty'), rollup };
}

/** By thread: how often it has gone to sleep. */
function sleeps(pid: number): Map<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      const name = /^Name:\t(.*)$/m.exec(status)![1]!;
      return [`${thread} ${name}`, Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)![1])];
    }),
  );
}

interface StartTimes {
  /** Microseconds of processor time; the median of several starts. */
  readonly sidecar: number;
  readonly bareNode: number;
}

/** A program that reports its start, and waits. */
const BARE = "process.stdout.write('ready\\n'); setInterval(() => undefined, 1_000_000);";

/** Starts in turns, so that the speed of the processor and other users of its caches affect both, but not the ratio. */
async function startTimes(place: Place): Promise<StartTimes> {
  const [sidecars, bareNodes]: [number[], number[]] = [[], []];
  for (let start = 0; start < TIMED_STARTS; start++) {
    const { process: sidecar } = await place.sidecar();
    sidecars.push(cpuMicroseconds(sidecar.pid!));
    await stopProcess(sidecar);
    const bareNode = place.pod.spawn([process.execPath, '-e', BARE]);
    await waitForLine(bareNode, /^ready/);
    bareNodes.push(cpuMicroseconds(bareNode.pid!));
    await stopProcess(bareNode);
  }
  return { sidecar: median(sidecars), bareNode: median(bareNodes) };
}

interface Idle {
  readonly privateKib: number;
  readonly rollup: string;
  readonly wakeUps: number;
  readonly wakeUpsByThread: readonly (readonly [string, number])[];
}

async function observed(place: Place): Promise<Idle> {
  const { process: sidecar } = await place.sidecar();
  try {
    const pid = sidecar.pid!;
    await delay(SETTLE_MS);
    const before = sleeps(pid);
    const looks: { readonly kib: number; readonly rollup: string }[] = [];
    for (let ms = 0; ms < WATCHED_MS; ms += LOOK_MS) {
      await delay(LOOK_MS);
      looks.push(privateMemory(pid));
    }
    const { kib, rollup } = looks.sort((a, b) => a.kib - b.kib)[looks.length >> 1]!;
    const wakeUpsByThread = [...sleeps(pid)].map(
      ([thread, count]) => [thread, ((count - (before.get(thread) ?? 0)) * 1_000) / WATCHED_MS] as const,
    );
    const wakeUps = wakeUpsByThread.reduce((sum, [, count]) => sum + count, 0);
    return { privateKib: kib, rollup, wakeUps, wakeUpsByThread };
  } finally {
    await stopProcess(sidecar);
  }
}

async function observations(): Promise<{ readonly idle: readonly Idle[]; readonly start: StartTimes }> {
  const place = new Place();
  try {
    const start = await startTimes(place);
    const all: Idle[] = [];
    for (let number = 0; number < STARTS; number++) all.push(await observed(place));
    return { idle: all, start };
  } finally {
    await place.close();
  }
}

export async function idle(): Promise<Figure[]> {
  const { idle: all, start } = await observations();
  const figure = { dependsOn: 'node' } as const;
  return [
    {
      ...figure,
      name: 'idle/private-memory',
      value: median(all.map(({ privateKib }) => privateKib * 1024)),
      unit: 'bytes',
      tolerance: 0.1,
    },
    {
      ...figure,
      name: 'idle/start',
      value: start.sidecar / start.bareNode,
      unit: 'times the processor time of a bare Node',
      tolerance: 0.25,
    },
    {
      ...figure,
      name: 'idle/wake-ups',
      value: median(all.map(({ wakeUps }) => wakeUps)),
      unit: 'per second',
      tolerance: 0.5,
    },
  ];
}

export async function showIdle(): Promise<string> {
  const { idle: all, start } = await observations();
  const [sidecar, bareNode] = [start.sidecar, start.bareNode].map((us) => (us / 1_000).toFixed(1));
  return [
    `ready after ${sidecar} ms of processor time, a bare Node after ${bareNode} ms`,
    ...all.map(({ privateKib, rollup, wakeUps, wakeUpsByThread }) =>
      [
        `${privateKib * 1024} bytes of private memory, woken ${wakeUps} times a second`,
        ...wakeUpsByThread.filter(([, count]) => count > 0).map(([thread, count]) => `  ${thread}: ${count} a second`),
        rollup,
      ].join('\n'),
    ),
  ].join('\n');
}
