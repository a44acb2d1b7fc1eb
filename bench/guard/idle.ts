/**
 * What an idle sidecar with the routes of the scenario costs: private memory, the processor time of its start, and how
 * often it wakes up. Medians over several starts, and the quickest start.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess } from '../../test/support/processes.ts';
import { median } from '../median.ts';
import type { Figure } from './figures.ts';
import { Place } from './place.ts';

const STARTS = 3;
/** After this time it has given back what only its start needed, and has slept for a while. */
const SETTLE_MS = 5_000;
/** Twice the interval at which it looks at its routes. */
const WATCHED_MS = 10_000;
const LOOK_MS = 1_000;
/** _SC_CLK_TCK, which is 100 on every Linux. */
const TICKS_PER_SECOND = 100;

/**
 * Private memory in KiB: pages that were written to and that no other process has. Pages that were not written to, such
 * as Node's code, are left out: whether they are private depends on other processes of the machine.
 */
function privateMemory(pid: number): { readonly kib: number; readonly rollup: string } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(rollup)![1]);
  return { kib: of('Private_Dirty'), rollup };
}

/** Processor time of all threads so far, in seconds. */
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
      // The minimum, because other users of the caches make starts longer. A slower processor shows in it all the same.
      value: Math.min(...all.map(({ processorSeconds }) => processorSeconds)),
      unit: 's of processor time until ready',
      tolerance: 1,
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
