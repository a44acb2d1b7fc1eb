/**
 * How much memory this process may use before the kernel kills it: the smallest limit of its cgroups (version 1 or 2),
 * and the files with the usage of its own cgroup. Usage by others below a shared limit, for instance in a pod, is not
 * counted, because refusing requests would not free it.
 *
 * Stage before: the start of the proxy. Stage after: the addon, which reads those files while there is traffic.
 */
import { join } from 'node:path';
import { cgroups, readCgroupFile } from './cgroups.ts';

export interface MemoryLimit {
  readonly bytes: number;
  /** Where the limit was found. */
  readonly source: 'cgroup v1' | 'cgroup v2' | '--memory-limit';
  /** Files of the process's own cgroup; null without one, then only the memory of the process counts. */
  readonly usage: string | null;
  readonly statistics: string | null;
  /** True when socket buffers count. */
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
  // Above `high` the kernel does not kill, but throttles until usage drops.
  limits: ['memory.max', 'memory.high'],
  usage: 'memory.current',
  countsSockets: true,
};

/** Without a limit, version 1 shows a number close to 2^63. No machine has this much memory. */
const NO_LIMIT = 2 ** 53;

/**
 * `override`: bytes of `--memory-limit`, which takes precedence over the cgroups; 0: no limit; null: the limit of the
 * cgroups. `root`: the directory that contains `proc` and `sys`, for tests.
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

/** Bytes; null when the file does not exist or contains no limit. */
function readLimit(path: string): number | null {
  const text = readCgroupFile(path);
  const bytes = text === null ? NaN : Number(text);
  return bytes > 0 && bytes < NO_LIMIT ? bytes : null;
}
