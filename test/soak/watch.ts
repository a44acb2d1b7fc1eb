/** Looks at the sidecar from outside while it works: memory, descriptors, CPU time. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Sample {
  readonly seconds: number;
  readonly rssMib: number;
  /** Pages that belong to it alone. */
  readonly privateMib: number;
  readonly descriptors: number;
}

const TICKS_PER_SECOND = 100;

export function sample(pid: number, seconds: number): Sample {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) / 1_024;
  return {
    seconds,
    rssMib: mib('Rss'),
    privateMib: mib('Private_Clean') + mib('Private_Dirty'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** utime + stime. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
