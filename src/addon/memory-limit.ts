/**
 * How much memory the kernel grants this process before it kills it: the smallest limit of its cgroups, of version 1 or 2,
 * and the files that say how much of it the own cgroup uses. What others use below a limit that is shared with them, in a pod
 * say, is not counted: to refuse requests would not give it back.
 *
 * Stage before: the start of the proxy. Stage after: the addon, which reads those files while there is traffic.
 */
import { join } from 'node:path';
import { cgroups, readCgroupFile } from './cgroups.ts';

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
  const all = [...cgroups('memory', root)].map(({ directory, version }): MemoryCgroup => {
    return { directory, version: version === 1 ? V1 : V2 };
  });
  const found = all.flatMap(({ directory, version }) => {
    return version.limits.flatMap((name) => {
      const bytes = readLimit(join(directory, name));
      return bytes === null ? [] : [{ version, bytes }];
    });
  });
  const smallest = found.sort((a, b) => a.bytes - b.bytes)[0];
  const own = all.find(({ directory, version }) => {
    return version === (smallest?.version ?? version) && readCgroupFile(join(directory, version.usage)) !== null;
  });
  if (override !== null) return { ...filesOf(own), bytes: override, source: '--memory-limit' };
  if (smallest === undefined) return null;
  return { ...filesOf(own), bytes: smallest.bytes, source: smallest.version.source };
}

interface MemoryCgroup {
  readonly directory: string;
  readonly version: Version;
}

function filesOf(own: MemoryCgroup | undefined): Pick<MemoryLimit, 'usage' | 'statistics' | 'countsSockets'> {
  if (own === undefined) return { usage: null, statistics: null, countsSockets: false };
  const { directory, version } = own;
  const statistics = join(directory, 'memory.stat');
  return {
    usage: join(directory, version.usage),
    statistics: readCgroupFile(statistics) === null ? null : statistics,
    countsSockets: version.countsSockets,
  };
}

/** Bytes; null when the file is not there or says that there is none. */
function readLimit(path: string): number | null {
  const text = readCgroupFile(path);
  const bytes = text === null ? NaN : Number(text);
  return bytes > 0 && bytes < NO_LIMIT ? bytes : null;
}
