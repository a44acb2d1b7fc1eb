/** Memory and wake-ups of idle proxies, what connections cost, and how long a start takes. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { cpuMicroseconds, processes } from '../proxy/processor-time.ts';
import type { Cell } from './cells.ts';
import type { Entrant } from './entrants.ts';
import type { Footprint, Memory, Starts } from './results.ts';
import type { Schedule } from './schedule.ts';
import type { Running, Stage } from './stage.ts';

const ACTIVE_MS = 2_000;

/**
 * Memory of a program and its children. Private memory is what they have written; pages that they share are counted
 * once. Pages that are only read cost nothing for one more of them.
 */
function memoryOf(pid: number): Memory {
  let [resident, own] = [0, 0];
  for (const each of processes(pid)) {
    const rollup = readFileSync(`/proc/${each}/smaps_rollup`, 'utf8');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0);
    resident += kib('Rss');
    // Before Linux 6.0 there is only Private_Dirty, which counts the pages of one process only.
    own += kib('Pss_Dirty') || kib('Private_Dirty');
  }
  return { residentMiB: resident / 1024, privateMiB: own / 1024 };
}

/** Of all threads, voluntary and involuntary. */
function contextSwitches(pid: number): number {
  let sum = 0;
  for (const each of processes(pid))
    for (const thread of readdirSync(`/proc/${each}/task`)) {
      const status = readFileSync(`/proc/${each}/task/${thread}/status`, 'utf8');
      for (const [, count] of status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm)) sum += Number(count);
    }
  return sum;
}

/** For all of them at the same time, because none does anything. */
async function wakeUps(running: readonly Running[], seconds: number): Promise<number[]> {
  const before = running.map(({ pid }) => contextSwitches(pid));
  const started = performance.now();
  await delay(seconds * 1000);
  const passed = (performance.now() - started) / 1000;
  return running.map(({ pid }, index) => (contextSwitches(pid) - before[index]!) / passed);
}

async function withIdle(stage: Stage, { pid }: Running, cell: Cell, connections: number): Promise<Memory> {
  const held = stage.spawnLoad('hold', cell, ['--connections', String(connections)]);
  const ended = once(held, 'exit');
  await waitForLine(held, /"held"/);
  const memory = memoryOf(pid);
  held.stdin!.end();
  await ended;
  return memory;
}

/** Measured in the middle of the time in which every connection has a request in progress. */
async function withActive(stage: Stage, { pid }: Running, cell: Cell, connections: number): Promise<Memory> {
  const flags = ['--connections', String(connections), '--ms', String(ACTIVE_MS)];
  const load = stage.spawnLoad('closed', cell, flags);
  const ended = once(load, 'exit') as Promise<[number | null]>;
  load.stdout!.resume();
  const before = cpuMicroseconds(pid);
  await delay(ACTIVE_MS / 2);
  const memory = memoryOf(pid);
  const isWorking = cpuMicroseconds(pid) > before;
  const [status] = await ended;
  if (status !== 0 || !isWorking) throw new Error('the load on many connections has failed');
  return memory;
}

export async function measureFootprints(
  stage: Stage,
  entrants: readonly Entrant[],
  cell: Cell,
  { idleSeconds, connections }: Schedule,
  onDone: (text: string) => void,
): Promise<Footprint[]> {
  const running: Running[] = [];
  try {
    for (const entrant of entrants) running.push(await stage.start(entrant, false));
    // By then, memory that only the start needed may have been given back, and the work left over from the start is done.
    await delay(idleSeconds * 1000);
    const woken = await wakeUps(running, idleSeconds);
    const idle = running.map(({ pid }) => memoryOf(pid));
    const footprints: Footprint[] = [];
    for (const [index, each] of running.entries()) {
      stage.choose(each, cell);
      const idleConnections = await withIdle(stage, each, cell, connections);
      const activeConnections = await withActive(stage, each, cell, connections);
      const { key, name } = each.entrant;
      footprints.push({
        ...{ entrant: key, idle: idle[index]!, idleConnections, activeConnections },
        wakeUpsPerSecond: woken[index]!,
      });
      const own = [idle[index]!, idleConnections, activeConnections].map(({ privateMiB }) => privateMiB.toFixed(1));
      onDone(`${name}: private MiB idle, with ${connections} idle connections, with as many active: ${own.join(', ')}`);
    }
    return footprints;
  } finally {
    for (const { child } of running) await stopProcess(child);
  }
}

/**
 * Time from exec to the first response, several times, one proxy after another; those of the last time are then left
 * idle.
 */
export async function measureStarts(
  stage: Stage,
  entrants: readonly Entrant[],
  title: string,
  { starts, idleSeconds }: Schedule,
  onDone: (text: string) => void,
): Promise<Starts[]> {
  const times = entrants.map(({ key }) => ({ entrant: key, title, readyMs: [] as number[], cpuMs: [] as number[] }));
  const running: Running[] = [];
  try {
    for (let number = 1; number <= starts; number++) {
      for (const [index, entrant] of entrants.entries()) {
        const each = await stage.start(entrant, false);
        times[index]!.readyMs.push(each.readyMs);
        times[index]!.cpuMs.push(each.readyCpuMs);
        if (number < starts) await stopProcess(each.child);
        else running.push(each);
        onDone(`start with ${title}: ${entrant.name} ${each.readyMs.toFixed(0)} ms`);
      }
    }
    await delay(idleSeconds * 1000);
    return times.map((each, index) => ({ ...each, idle: memoryOf(running[index]!.pid) }));
  } finally {
    for (const { child } of running) await stopProcess(child);
  }
}
