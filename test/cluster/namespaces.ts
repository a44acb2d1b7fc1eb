/**
 * The machine that the node is: namespaces of processes, mounts and network. Its first process holds them, and they end with it: everything
 * that runs in them is killed, mounts and interfaces go. What a node writes outside (/run, /var/lib, /var/log) is memory of its own here,
 * and the settings of the kernel that kubelet makes for a whole machine are files of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { childOf, mustRun, runToEnd, WITH_CALLER } from './processes.ts';
import { program } from './programs.ts';
import type { Workspace } from './workspace.ts';

/** What kubelet sets, and the values it wants: it leaves alone what has them. */
const KERNEL_SETTINGS = { 'vm/overcommit_memory': '1', 'kernel/panic': '10', 'kernel/panic_on_oops': '1' };

/** As many clusters can run at a time. */
const NETWORKS = 250;

/** One network of four addresses between the machine and the node, from those that are set aside for tests of devices. */
function networkOf(index: number): { link: string; machine: string; node: string } {
  return { link: `srcluster${index}`, machine: `198.18.${index}.1`, node: `198.18.${index}.2` };
}

export class NodeNamespaces {
  /** Of the node; the machine reaches it. */
  readonly address: string;
  /** Put before a command line, it enters. */
  readonly enter: readonly string[];
  readonly #holder: ChildProcess;

  static async create(workspace: Workspace): Promise<NodeNamespaces> {
    const pause = await program('pause');
    const [file, ...args] = [
      ...[...WITH_CALLER, 'unshare', '--net', '--mount', '--propagation', 'private', '--pid', '--fork'],
      ...['--kill-child', '--mount-proc', '--', pause],
    ];
    const holder = spawn(file!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    workspace.remember(holder.pid!);
    let first = childOf(holder.pid!);
    // The namespaces are ready once the program has been started in them.
    for (let waited = 0; first === undefined || !runs(first, pause); waited += 10) {
      if (holder.exitCode !== null || waited > 20_000)
        throw new Error('unshare: no namespaces for the node; the test cluster needs root and its capabilities');
      await delay(10);
      first = childOf(holder.pid!);
    }
    workspace.remember(first);
    const enter = ['nsenter', '-t', String(first), '--net', '--mount', '--pid', '--'];
    try {
      const node = await connect(workspace, first);
      await prepareInside(workspace, enter);
      return new NodeNamespaces(node, enter, holder);
    } catch (error) {
      holder.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(address: string, enter: readonly string[], holder: ChildProcess) {
    this.address = address;
    this.enter = enter;
    this.#holder = holder;
  }

  /** Kills everything in them. */
  kill(): void {
    this.#holder.kill('SIGKILL');
  }

  /** Resolves once they have been killed. */
  async ended(): Promise<void> {
    while (this.#holder.exitCode === null && this.#holder.signalCode === null) await delay(10);
  }
}

function runs(pid: number, file: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === file;
  } catch {
    return false;
  }
}

/** Returns the address of the node. */
async function connect(workspace: Workspace, pid: number): Promise<string> {
  for (let index = 0; index < NETWORKS; index += 1) {
    const { link, machine, node } = networkOf(index);
    const made = await runToEnd([
      ...['ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)],
    ]);
    if (made.stderr.includes('File exists')) continue;
    if (made.status !== 0) throw new Error(`ip link add ${link}: ${made.stderr}`);
    await mustRun(['ip', 'link', 'set', link, 'alias', workspace.name]);
    await mustRun(['ip', 'address', 'add', `${machine}/30`, 'dev', link]);
    await mustRun(['ip', 'link', 'set', link, 'up']);
    const inside = ['nsenter', '-t', String(pid), '--net', '--', 'ip'];
    await mustRun([...inside, 'link', 'set', 'lo', 'up']);
    await mustRun([...inside, 'address', 'add', `${node}/30`, 'dev', 'eth0']);
    await mustRun([...inside, 'link', 'set', 'eth0', 'up']);
    // A bridge without ports is the way to everything else: a route, which addresses of Services need before they are translated, and
    // nothing leaves the machine.
    await mustRun([...inside, 'link', 'add', 'nowhere', 'type', 'bridge']);
    await mustRun([...inside, 'link', 'set', 'nowhere', 'up']);
    await mustRun([...inside, 'route', 'add', 'default', 'dev', 'nowhere', 'src', node]);
    return node;
  }
  throw new Error(`${NETWORKS} test clusters run already, or left their interfaces: ip -br link | grep srcluster`);
}

async function prepareInside(workspace: Workspace, enter: readonly string[]): Promise<void> {
  const settings = join(workspace.directory, 'kernel-settings');
  const binds = Object.entries(KERNEL_SETTINGS).map(([name, value], index) => {
    mkdirSync(settings, { recursive: true });
    writeFileSync(join(settings, String(index)), `${value}\n`);
    return `mount --bind '${join(settings, String(index))}' /proc/sys/${name}`;
  });
  await mustRun([
    ...[...enter, 'sh', '-euc'],
    `mount --make-rshared /
     for directory in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 sideroute-cluster "$directory"; done
     ${binds.join('\n')}
     sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
     # Traffic between pods on the same bridge passes the rules of Services, too. Kernels that have it as a module may not have it.
     sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true`,
  ]);
}
