/**
 * A Kubernetes node in network namespaces: one namespace plays the node (router and kube-proxy), one more each pod.
 *
 * ClusterIPs are DNAT rules in the node's PREROUTING, which is what kube-proxy writes; pods reach them through their
 * default route. Nothing is installed in the machine's own namespace. Needs root, iproute2 and iptables.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a command to its end; never throws for a non-zero status. */
export function runCommand(command: string, args: readonly string[], input?: string): CommandResult {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  if (result.error) throw result.error;
  return { status: result.status ?? 128, stdout: result.stdout, stderr: result.stderr };
}

function must(command: string, args: readonly string[], input?: string): string {
  const result = runCommand(command, args, input);
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit ${result.status}: ${result.stderr || result.stdout}`);
  }
  return result.stdout;
}

/**
 * Capabilities that a process of another uid keeps: none, unless this repository or the Node that runs it is below a
 * directory that only its owner may enter (such as a clone in root's home). Then it keeps the one that lets it read
 * there.
 */
export function readingCapabilities(): string[] {
  for (const start of [dirname(fileURLToPath(import.meta.url)), dirname(process.execPath)]) {
    for (let directory = start; directory !== '/'; directory = dirname(directory)) {
      if ((statSync(directory).mode & 0o005) !== 0o005) {
        return ['--inh-caps=-all,+dac_read_search', '--ambient-caps=+dac_read_search'];
      }
    }
  }
  return ['--inh-caps=-all'];
}

export interface PodAddresses {
  readonly v4: string;
  readonly v6: string;
}

/** One network namespace with a veth pair to the node. */
export class Pod {
  readonly netns: string;
  readonly name: string;
  readonly v4: string;
  readonly v6: string;

  constructor(netns: string, name: string, addresses: PodAddresses) {
    this.netns = netns;
    this.name = name;
    this.v4 = addresses.v4;
    this.v6 = addresses.v6;
  }

  /** Command line that runs `command` inside the pod, as `uid` when given (no groups, as a container would). */
  commandLine(command: readonly string[], uid?: number): string[] {
    const as =
      uid === undefined
        ? []
        : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', ...readingCapabilities()];
    return ['ip', 'netns', 'exec', this.netns, ...as, ...command];
  }

  run(command: readonly string[], options: { uid?: number; input?: string } = {}): CommandResult {
    const [program, ...args] = this.commandLine(command, options.uid);
    return runCommand(program!, args, options.input);
  }

  /** Like `run`, but a non-zero status throws with what the command said. */
  must(command: readonly string[], options: { uid?: number; input?: string } = {}): string {
    const result = this.run(command, options);
    if (result.status !== 0) {
      throw new Error(`${this.name}: ${command.join(' ')}: exit ${result.status}: ${result.stderr || result.stdout}`);
    }
    return result.stdout;
  }

  spawn(command: readonly string[], options: SpawnOptions & { asUid?: number } = {}): ChildProcess {
    const { asUid, ...rest } = options;
    const [program, ...args] = this.commandLine(command, asUid);
    return spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...rest });
  }
}

export interface ServiceEndpoint {
  /** Pod address, v4 or v6 as the ClusterIP is. */
  readonly address: string;
  readonly port: number;
}

/** An iptables command line for adding or deleting a rule. */
type Rule = (action: '-A' | '-D') => string[];

/** What kube-proxy would write for a Service. */
function serviceRules(clusterIP: string, port: number, endpoints: readonly ServiceEndpoint[]): Rule[] {
  const v6 = clusterIP.includes(':');
  const tables = [v6 ? 'ip6tables' : 'iptables', '-w'];
  const to = ['-d', clusterIP, '-p', 'tcp', '--dport', String(port)];
  if (endpoints.length === 0) {
    return [(action) => [...tables, action, 'FORWARD', ...to, '-j', 'REJECT', '--reject-with', 'tcp-reset']];
  }
  return endpoints.flatMap((endpoint, index): Rule[] => {
    const left = endpoints.length - index;
    const share = left > 1 ? ['-m', 'statistic', '--mode', 'random', '--probability', (1 / left).toFixed(8)] : [];
    const target = v6 ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`;
    const nat = [...tables, '-t', 'nat'];
    return [
      (action) => [...nat, action, 'PREROUTING', ...to, ...share, '-j', 'DNAT', '--to-destination', target],
      // All pods share one bridge: without masquerading, answers would bypass the node and its translation.
      (action) => [
        ...[...nat, action, 'POSTROUTING', '-d', endpoint.address, '-p', 'tcp', '--dport', String(endpoint.port)],
        ...['-m', 'conntrack', '--ctstate', 'DNAT', '-j', 'MASQUERADE'],
      ],
    ];
  });
}

let sequence = 0;

/** Pods are 10.244.0.N and fd00:244::N, from N = 10 in order of creation. */
export class Cluster {
  readonly id: string;
  readonly node: Pod;
  readonly pods: Pod[] = [];
  #closed = false;

  constructor() {
    sequence += 1;
    this.id = `sr${process.pid.toString(36)}${sequence.toString(36)}`;
    this.node = new Pod(`${this.id}-node`, 'node', { v4: '10.244.0.1', v6: 'fd00:244::1' });
    try {
      must('ip', ['netns', 'add', this.node.netns]);
      this.node.must(['ip', 'link', 'set', 'lo', 'up']);
      this.node.must(['ip', 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0']);
      this.node.must(['ip', 'addr', 'add', `${this.node.v4}/24`, 'dev', 'br0']);
      this.node.must(['ip', '-6', 'addr', 'add', `${this.node.v6}/64`, 'dev', 'br0', 'nodad']);
      this.node.must(['ip', 'link', 'set', 'br0', 'up']);
      // Without endpoints kube-proxy rejects the Service's packets, which requires that its address is routable.
      this.node.must(['ip', 'route', 'add', '10.96.0.0/16', 'dev', 'br0']);
      this.node.must(['ip', '-6', 'route', 'add', 'fd00:96::/112', 'dev', 'br0']);
      this.node.must(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What the next pod will have. */
  nextAddresses(): PodAddresses {
    const number = 10 + this.pods.length;
    return { v4: `10.244.0.${number}`, v6: `fd00:244::${number.toString(16)}` };
  }

  /** `pid`: a process whose network namespace, with nothing in it yet, becomes that of the pod. */
  addPod(name: string, pid?: number): Pod {
    const pod = new Pod(`${this.id}-${name}`, name, this.nextAddresses());
    const veth = `v${10 + this.pods.length}`;
    if (pid === undefined) must('ip', ['netns', 'add', pod.netns]);
    else must('ip', ['netns', 'attach', pod.netns, String(pid)]);
    this.pods.push(pod);
    this.node.must(['ip', 'link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.netns]);
    this.node.must(['ip', 'link', 'set', veth, 'master', 'br0', 'up']);
    // Hairpin: a pod may reach itself through its own Service.
    this.node.must(['bridge', 'link', 'set', 'dev', veth, 'hairpin', 'on']);
    pod.must(['ip', 'link', 'set', 'lo', 'up']);
    pod.must(['ip', 'addr', 'add', `${pod.v4}/24`, 'dev', 'eth0']);
    pod.must(['ip', '-6', 'addr', 'add', `${pod.v6}/64`, 'dev', 'eth0', 'nodad']);
    pod.must(['ip', 'link', 'set', 'eth0', 'up']);
    pod.must(['ip', 'route', 'add', 'default', 'via', this.node.v4]);
    pod.must(['ip', '-6', 'route', 'add', 'default', 'via', this.node.v6]);
    return pod;
  }

  /** ClusterIP:port to endpoints, spread evenly by connection; no endpoints = refused, as kube-proxy does. */
  addService(clusterIP: string, port: number, endpoints: readonly ServiceEndpoint[]): void {
    for (const rule of serviceRules(clusterIP, port, endpoints)) this.node.must(rule('-A'));
  }

  /** Takes out what `addService` with the same arguments has added; connections that are open go on. */
  removeService(clusterIP: string, port: number, endpoints: readonly ServiceEndpoint[]): void {
    for (const rule of serviceRules(clusterIP, port, endpoints)) this.node.must(rule('-D'));
  }

  /** Kill what still runs in the namespaces, then delete them. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const pod of [...this.pods, this.node]) {
      for (const pid of runCommand('ip', ['netns', 'pids', pod.netns]).stdout.split('\n')) {
        if (/^\d+$/.test(pid)) runCommand('kill', ['-9', pid]);
      }
      runCommand('ip', ['netns', 'del', pod.netns]);
      rmSync(`/etc/netns/${pod.netns}`, { recursive: true, force: true });
    }
  }
}

/** Deletes namespaces left behind by processes that died. */
export function removeStaleClusters(): void {
  for (const entry of readdirSync('/var/run/netns', { withFileTypes: true })) {
    const owner = /^sr([0-9a-z]+)[0-9a-z]-/.exec(entry.name)?.[1];
    if (owner === undefined) continue;
    if (runCommand('kill', ['-0', String(parseInt(owner, 36))]).status !== 0) {
      for (const pid of runCommand('ip', ['netns', 'pids', entry.name]).stdout.split('\n')) {
        if (/^\d+$/.test(pid)) runCommand('kill', ['-9', pid]);
      }
      runCommand('ip', ['netns', 'del', entry.name]);
    }
  }
}
