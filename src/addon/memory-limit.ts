/**
 * How much memory the kernel grants this process before it kills it: the smallest limit of its cgroups, of version 1 or 2,
 * and the files that say how much of it the own cgroup uses. What others use below a limit that is shared with them, in a pod
 * say, is not counted: to refuse requests would not give it back.
 *
 * Stage before: the start of the proxy. Stage after: the addon, which reads those files while there is traffic.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface MemoryLimit {
  readonly bytes: number;
  /** Where it was found. */
  readonly source: 'cgroup v1' | 'cgroup v2' | '--memory-limit';
  /** Files of the own cgroup; null without one: then what counts is the memory of the process alone. */
  readonly usage: string | null;
  readonly statistics: string | null;
  /** The buffers of sockets count. */
  readonly countsSockets: boolean;
}

interface Version {
  readonly source: MemoryLimit['source'];
  readonly limits: readonly string[];
  readonly usage: string;
  readonly countsSockets: boolean;
}

const V1: Version = {
  source: 'cgroup v1',
  limits: ['memory.limit_in_bytes'],
  usage: 'memory.usage_in_bytes',
  countsSockets: false,
};
const V2: Version = {
  source: 'cgroup v2',
  // Above `high` nobody is killed, but held up until there is less.
  limits: ['memory.max', 'memory.high'],
  usage: 'memory.current',
  countsSockets: true,
};

/** Version 1 writes a number close to 2^63 where there is no limit; no machine has what is left below. */
const NO_LIMIT = 2 ** 53;

/**
 * `override`: bytes of `--memory-limit`, which wins over what the cgroups say; 0 turns it off; null asks them. `root` is
 * where `/proc` and `/sys` are, for tests.
 *
 * @returns null when there is no limit
 */
export function findMemoryLimit(override: number | null = null, root = '/'): MemoryLimit | null {
  if (override === 0) return null;
  const all = [...cgroups(root)];
  const found = all.flatMap(({ directory, version }) => {
    return version.limits.flatMap((name) => {
      const bytes = readLimit(join(directory, name));
      return bytes === null ? [] : [{ version, bytes }];
    });
  });
  const smallest = found.sort((a, b) => a.bytes - b.bytes)[0];
  const own = all.find(({ directory, version }) => {
    return version === (smallest?.version ?? version) && read(join(directory, version.usage)) !== null;
  });
  if (override !== null) return { ...filesOf(own), bytes: override, source: '--memory-limit' };
  if (smallest === undefined) return null;
  return { ...filesOf(own), bytes: smallest.bytes, source: smallest.version.source };
}

interface Cgroup {
  readonly directory: string;
  readonly version: Version;
}

function filesOf(own: Cgroup | undefined): Pick<MemoryLimit, 'usage' | 'statistics' | 'countsSockets'> {
  if (own === undefined) return { usage: null, statistics: null, countsSockets: false };
  const { directory, version } = own;
  const statistics = join(directory, 'memory.stat');
  return {
    usage: join(directory, version.usage),
    statistics: read(statistics) === null ? null : statistics,
    countsSockets: version.countsSockets,
  };
}

/** Bytes; null when the file is not there or says that there is none. */
function readLimit(path: string): number | null {
  const text = read(path);
  const bytes = text === null ? NaN : Number(text);
  return bytes > 0 && bytes < NO_LIMIT ? bytes : null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return null;
  }
}

/** The cgroup of this process, then those above it, as far as they can be seen from here; of each hierarchy. */
function* cgroups(root: string): Generator<Cgroup> {
  const own = ownPaths(root);
  for (const { mountPoint, mountRoot, version } of mounts(root)) {
    const path = version === V1 ? own.memory : own.unified;
    if (path === undefined) continue;
    // In a container the mount shows a part of the tree, often nothing but the own cgroup, under names of the host.
    const below = relative(mountRoot, path);
    let directory =
      below.startsWith('..') || !existsSync(join(mountPoint, below)) ? mountPoint : join(mountPoint, below);
    for (;;) {
      yield { directory, version };
      if (directory.length <= mountPoint.length) break;
      directory = join(directory, '..');
    }
  }
}

/** What /proc/self/cgroup says: `ID:CONTROLLERS:PATH`, without controllers for version 2. */
function ownPaths(root: string): { memory?: string; unified?: string } {
  const paths: { memory?: string; unified?: string } = {};
  for (const line of (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    if (match[1] === '') paths.unified = match[2]!;
    else if (match[1]!.split(',').includes('memory')) paths.memory = match[2]!;
  }
  return paths;
}

interface Mount {
  readonly mountPoint: string;
  /** What of the hierarchy is mounted there. */
  readonly mountRoot: string;
  readonly version: Version;
}

function mounts(root: string): Mount[] {
  return (read(join(root, 'proc/self/mountinfo')) ?? '').split('\n').flatMap((line): Mount[] => {
    // ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [FIELDS...] - TYPE SOURCE SUPER_OPTIONS
    const match = /^\d+ \d+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/.exec(line);
    if (match === null) return [];
    const [, mountRoot, mountPoint, type, options] = match;
    if (type === 'cgroup' && !options!.split(',').includes('memory')) return [];
    const version = type === 'cgroup2' ? V2 : V1;
    return [{ mountRoot: unescaped(mountRoot!), mountPoint: join(root, unescaped(mountPoint!)), version }];
  });
}

/** Blanks and the like are written as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
