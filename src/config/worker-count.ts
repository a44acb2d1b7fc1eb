/**
 * The meaning of `--workers auto`: the number of processors the container may use, from the smallest limit of its
 * cgroups (version 1 or 2). Without a limit it is one: a machine has more processors than a sidecar needs, and each
 * worker takes memory.
 *
 * Stage before: the settings. Stage after: the composition root.
 */
import { join } from 'node:path';
import { cgroups, readCgroupFile, type Cgroup } from '../addon/cgroups.ts';

export const MAX_WORKERS = 16;

/** `root`: the directory that contains `proc` and `sys`, for tests. */
export function workerCount(workers: number | 'auto', root = '/'): number {
  if (workers !== 'auto') return workers;
  const limits = [...cgroups('cpu', root)].map(processors).filter((limit) => limit !== null);
  return limits.length === 0 ? 1 : Math.min(Math.max(Math.floor(Math.min(...limits)), 1), MAX_WORKERS);
}

/** Null without a limit. */
function processors({ directory, version }: Cgroup): number | null {
  const read = (name: string): string => readCgroupFile(join(directory, name)) ?? '';
  // `max 100000` means no limit, and so does a quota of -1.
  const [quota, period] =
    version === 2 ? read('cpu.max').split(' ') : [read('cpu.cfs_quota_us'), read('cpu.cfs_period_us')];
  const limit = Number(quota) / Number(period);
  return limit > 0 && Number.isFinite(limit) ? limit : null;
}
