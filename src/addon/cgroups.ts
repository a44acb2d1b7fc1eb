/**
 * The cgroups of this process, version 1 and 2, as far as they are visible here, and the contents of their files.
 *
 * Stage after: `memory-limit.ts`, and the limit of processor time (`config/worker-count.ts`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface Cgroup {
  readonly directory: string;
  readonly version: 1 | 2;
}

/** Null when the file cannot be read. */
export function readCgroupFile(path: string): string | null {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return null;
  }
}

/**
 * For each hierarchy with this controller: the cgroup of this process, then its ancestors. `root`: the directory that
 * contains `proc` and `sys`, for tests.
 */
export function* cgroups(controller: string, root: string): Generator<Cgroup> {
  const own = ownPaths(controller, root);
  for (const { mountPoint, mountRoot, version } of mounts(controller, root)) {
    const path = version === 1 ? own.controlled : own.unified;
    if (path === undefined) continue;
    // In a container the mount shows only a part of the tree, often only the process's own cgroup, while paths are
    // those of the host.
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

/** Parses /proc/self/cgroup: `ID:CONTROLLERS:PATH`, without controllers for version 2. */
function ownPaths(controller: string, root: string): { controlled?: string; unified?: string } {
  const paths: { controlled?: string; unified?: string } = {};
  for (const line of (readCgroupFile(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    if (match[1] === '') paths.unified = match[2]!;
    else if (match[1]!.split(',').includes(controller)) paths.controlled = match[2]!;
  }
  return paths;
}

interface Mount {
  readonly mountPoint: string;
  /** The part of the hierarchy that is mounted there. */
  readonly mountRoot: string;
  readonly version: 1 | 2;
}

function mounts(controller: string, root: string): Mount[] {
  return (readCgroupFile(join(root, 'proc/self/mountinfo')) ?? '').split('\n').flatMap((line): Mount[] => {
    // ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [FIELDS...] - TYPE SOURCE SUPER_OPTIONS
    const match = /^\d+ \d+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/.exec(line);
    if (match === null) return [];
    const [, mountRoot, mountPoint, type, options] = match;
    if (type === 'cgroup' && !options!.split(',').includes(controller)) return [];
    const version = type === 'cgroup2' ? 2 : 1;
    return [{ mountRoot: unescaped(mountRoot!), mountPoint: join(root, unescaped(mountPoint!)), version }];
  });
}

/** Spaces and similar characters are written as octal escapes: `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
