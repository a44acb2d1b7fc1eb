/**
 * What a sidecar with the routes of the scenario costs that has nothing to do: memory of its own, the processor time of its start, and how often
 * it is woken. Medians of several starts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess } from '../../test/support/processes.ts';
import type { Figure } from './figures.ts';
import { Place } from './place.ts';

const STARTS = 3;
const WATCHED_MS = 4_000;
/** Memory is what it is as soon as so many looks, so far apart, have found the same; at the latest after as many as this. */
const LOOKS_ALIKE = 3;
const LOOK_MS = 250;
const MOST_LOOKS = 40;
/** _SC_CLK_TCK, which is this on every Linux. */
const TICKS_PER_SECOND = 100;

/**
 * In KiB: pages that were written to and that no other process has. Of those that nobody has written to, as the code of Node, it depends on what
 * else runs on the machine whether they are private.
 */
function privateMemory(pid: number): { readonly kib: number; readonly rollup: string } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(rollup)![1]);
  return { kib: of('Private_Dirty'), rollup };
}

/** Of all threads that it has had, in seconds. */
function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
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

async function settled(pid: number): Promise<void> {
  let alike = 0;
  let before = 0;
  for (let look = 0; look < MOST_LOOKS && alike < LOOKS_ALIKE; look++) {
    const { kib } = privateMemory(pid);
    alike = kib === before ? alike + 1 : 0;
    before = kib;
    await delay(LOOK_MS);
  }
}

interface Idle {
  readonly processorSeconds: number;
  readonly privateKib: number;
  readonly rollup: string;
  readonly wakeUps: number;
  readonly wakeUpsByThread: readonly (readonly [string, number])[];
}

async function observed(place: Place): Promise<Idle> {
  const { process: sidecar } = await place.sidecar();
  try {
    const pid = sidecar.pid!;
    const processorSeconds = processorTime(pid);
    await settled(pid);
    const { kib, rollup } = privateMemory(pid);
    const before = sleeps(pid);
    await delay(WATCHED_MS);
    const wakeUpsByThread = [...sleeps(pid)].map(
      ([thread, count]) => [thread, ((count - (before.get(thread) ?? 0)) * 1_000) / WATCHED_MS] as const,
    );
    const wakeUps = wakeUpsByThread.reduce((sum, [, count]) => sum + count, 0);
    return { processorSeconds, privateKib: kib, rollup, wakeUps, wakeUpsByThread };
  } finally {
    await stopProcess(sidecar);
  }
}

async function observations(): Promise<Idle[]> {
  const place = new Place();
  try {
    const all: Idle[] = [];
    for (let start = 0; start < STARTS; start++) all.push(await observed(place));
    return all;
  } finally {
    await place.close();
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

export async function idle(): Promise<Figure[]> {
  const all = await observations();
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
      value: median(all.map(({ processorSeconds }) => processorSeconds)),
      unit: 's of processor time until ready',
      tolerance: 0.5,
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
  return (await observations())
    .map(({ processorSeconds, privateKib, rollup, wakeUps, wakeUpsByThread }) =>
      [
        `${privateKib * 1024} bytes of private memory, ready after ${processorSeconds} s of processor time, woken ${wakeUps} times a second`,
        ...wakeUpsByThread.filter(([, count]) => count > 0).map(([thread, count]) => `  ${thread}: ${count} a second`),
        rollup,
      ].join('\n'),
    )
    .join('\n');
}
