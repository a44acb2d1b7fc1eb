/**
 * A memory cgroup for a process under test, as a container runtime makes one: version 1 if the machine has that
 * hierarchy, otherwise version 2. Needs root.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

import { eventually } from './eventually.ts';
import { Pod, readingCapabilities } from './cluster.ts';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

let sequence = 0;

export class MemoryCgroup {
  readonly path: string;
  readonly version: 1 | 2;

  private constructor(version: 1 | 2, path: string) {
    this.version = version;
    this.path = path;
  }

  /** Fails, and never skips, where none can be made: what it is for would otherwise go untested without a word. */
  static create(t: Test, limitBytes: number): MemoryCgroup {
    const version = existsSync(join(V1, 'memory.limit_in_bytes')) ? 1 : 2;
    const parent = version === 1 ? V1 : V2;
    const path = join(parent, `sideroute-test-${process.pid}-${++sequence}`);
    try {
      if (version === 2) writeFileSync(join(parent, 'cgroup.subtree_control'), '+memory');
      mkdirSync(path);
    } catch (cause) {
      throw new Error(
        `NO MEMORY CGROUP CAN BE MADE HERE (${String(cause)}): this test needs root and a writable memory controller below ${parent}`,
        { cause },
      );
    }
    const cgroup = new MemoryCgroup(version, path);
    t.teardown(() => cgroup.#remove());
    cgroup.#write(version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(limitBytes));
    if (version === 2) cgroup.#write('memory.swap.max', '0');
    return cgroup;
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  #read(name: string): string {
    return readFileSync(join(this.path, name), 'latin1').trim();
  }

  #field(file: string, name: string): number {
    const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(this.#read(file));
    if (found === null) throw new Error(`${file} has no ${name}`);
    return Number(found[1]);
  }

  get limit(): number {
    return Number(this.#read(this.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'));
  }

  /** Charged now, page cache included. */
  get usage(): number {
    return Number(this.#read(this.version === 1 ? 'memory.usage_in_bytes' : 'memory.current'));
  }

  /** What the kernel cannot take back: the usage without the page cache. */
  get held(): number {
    return this.usage - this.#field('memory.stat', this.version === 1 ? 'total_cache' : 'file');
  }

  get oomKills(): number {
    return this.version === 1
      ? this.#field('memory.oom_control', 'oom_kill')
      : this.#field('memory.events', 'oom_kill');
  }

  /** How often the limit was met, and the kernel had to take the page cache back. */
  get limitHits(): number {
    return this.version === 1 ? Number(this.#read('memory.failcnt')) : this.#field('memory.events', 'max');
  }

  /** Command line that joins and then runs `command`. */
  commandLine(command: readonly string[]): string[] {
    return ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.path, ...command];
  }

  async #remove(): Promise<void> {
    // The kernel releases the last process a moment after it has ended.
    await eventually('the end of the cgroup', () => {
      try {
        rmdirSync(this.path);
        return true;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOENT';
      }
    });
  }
}

/**
 * The same pod, but what `spawn` starts as another user, that is the sidecar, runs in the cgroup and sees it as a
 * container would. /sys stays unchanged.
 */
export class ConfinedPod extends Pod {
  readonly cgroup: MemoryCgroup;

  constructor(pod: Pod, cgroup: MemoryCgroup) {
    super(pod.netns, pod.name, pod);
    this.cgroup = cgroup;
  }

  override spawn(command: readonly string[], options: SpawnOptions & { asUid?: number } = {}): ChildProcess {
    const { asUid, ...rest } = options;
    if (asUid === undefined) return super.spawn(command, rest);
    const id = String(asUid);
    const as = ['setpriv', '--reuid', id, '--regid', id, '--clear-groups', ...readingCapabilities()];
    const [program, ...args] = this.cgroup.commandLine([
      ...['nsenter', `--net=/run/netns/${this.netns}`, ...as],
      ...command,
    ]);
    return spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...rest });
  }
}
