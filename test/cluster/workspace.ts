/**
 * The directory and the cgroups of one test cluster, and taking away what runs that were killed have left: they name their owner, and an owner
 * that is gone has no use for them. The processes have died with it (processes.ts), and mounts and network namespaces with those.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const PREFIX = 'sideroute-cluster-';
const CGROUPS = '/sys/fs/cgroup';

/** Pid and the time it started at, which together no other process ever has; null when it has ended. */
export function identity(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may contain blanks; the start time is the 22nd field of all.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${pid} ${fields[19]}`;
  } catch {
    return null;
  }
}

function isAlive(known: string): boolean {
  return identity(Number(known.split(' ')[0])) === known;
}

/** The cgroup of a workspace in every hierarchy that the machine has: several of version 1, or the one of version 2. */
function cgroupsOf(name: string): string[] {
  const unified = existsSync(join(CGROUPS, 'cgroup.controllers'));
  const hierarchies = unified ? [CGROUPS] : readdirSync(CGROUPS).map((controller) => join(CGROUPS, controller));
  return hierarchies.map((hierarchy) => join(hierarchy, name));
}

/** What has been killed takes a moment to die, and a cgroup with a process in it cannot be removed. */
const DYING_MS = 15_000;

function removeCgroups(name: string): void {
  const deadline = performance.now() + DYING_MS;
  for (const cgroup of cgroupsOf(name)) {
    while (existsSync(cgroup) && !removeTree(cgroup) && performance.now() < deadline)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

/** Of directories alone; false when one is in use. */
function removeTree(cgroup: string): boolean {
  try {
    const children = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    if (!children.map((entry) => removeTree(join(cgroup, entry.name))).every(Boolean)) return false;
    rmdirSync(cgroup);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

const INTERFACES = '/sys/class/net';

/** Interfaces of this machine that belong to a workspace, which is their alias. */
export function interfacesOf(name: string): string[] {
  return readdirSync(INTERFACES).filter((entry) => {
    try {
      return readFileSync(join(INTERFACES, entry, 'ifalias'), 'utf8').trim() === name;
    } catch {
      return false;
    }
  });
}

/** Of cgroup v1 and v2. All pods are one group, which else has as much as one process beside it: on a busy machine they would hardly run. */
const CPU_WEIGHTS = [
  ['cpu.shares', '16384'],
  ['cpu.weight', '1600'],
] as const;

export class Workspace {
  readonly directory: string;
  readonly logs: string;
  /** Of the cgroup below which everything that kubelet makes is. */
  readonly name: string;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), PREFIX));
    this.name = basename(this.directory);
    this.logs = join(this.directory, 'logs');
    mkdirSync(this.logs);
    writeFileSync(join(this.directory, 'owner'), identity(process.pid)!);
  }

  makeCgroups(): void {
    for (const cgroup of cgroupsOf(this.name)) {
      try {
        mkdirSync(cgroup);
      } catch {
        // A hierarchy that has no groups.
        continue;
      }
      for (const [file, weight] of CPU_WEIGHTS) {
        const path = join(cgroup, file);
        if (existsSync(path)) writeFileSync(path, weight);
      }
    }
  }

  /** A process that is killed when the owner is found to be gone. */
  remember(pid: number): void {
    const known = identity(pid);
    if (known !== null) writeFileSync(join(this.directory, `process-${pid}`), known);
  }

  /** Nothing of it is left afterwards; what is in use cannot be removed, so end the processes first. */
  remove(): void {
    removeWorkspace(this.directory);
  }
}

function removeWorkspace(directory: string): void {
  for (const file of existsSync(directory) ? readdirSync(directory) : []) {
    if (!file.startsWith('process-')) continue;
    const known = readFileSync(join(directory, file), 'utf8');
    if (isAlive(known)) {
      try {
        process.kill(Number(known.split(' ')[0]), 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
  }
  // A network namespace without processes lives on while a connection in it has something to send.
  for (const link of interfacesOf(basename(directory))) spawnSync('ip', ['link', 'delete', link]);
  removeCgroups(basename(directory));
  // A process that has just been killed may still write.
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** Takes away what is left of clusters whose owner has been killed. Returns the directories. */
export function removeStale(): string[] {
  const stale = readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(tmpdir(), name))
    .filter((directory) => {
      const owner = join(directory, 'owner');
      return existsSync(owner) && !isAlive(readFileSync(owner, 'utf8'));
    });
  for (const directory of stale) removeWorkspace(directory);
  return stale;
}
