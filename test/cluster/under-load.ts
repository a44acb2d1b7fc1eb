/**
 * The scenario with a client that never rests, for tests of what outages cost: changes of its route that can be told apart by the answers, and
 * when they arrive.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { applicationImages } from './images.ts';
import { answers, type Answer } from './load.ts';
import { installSideroute } from './mesh.ts';
import { startNode, type NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';
import { say } from './say.ts';
import { APPLICATIONS, available, manifest, NAMESPACE } from './scenario.ts';

const ROUTE = `/apis/gateway.networking.k8s.io/v1/namespaces/${NAMESPACE}/httproutes/my-server-route`;
export const ARRIVES_WITHIN_MS = 300_000;
/** Worth a line of its own. */
const SLOW_MS = 5000;

/** Sends everything to one version, and says which configuration it was. */
function route(version: string, configuration: number, extraRules: readonly object[]): object {
  const filters = [
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: { set: [{ name: 'x-config', value: String(configuration) }] },
    },
  ];
  return { spec: { rules: [...extraRules, { filters, backendRefs: [{ name: `my-server-v${version}`, port: 80 }] }] } };
}

export class UnderLoad {
  readonly cluster: NodeCluster;
  /** Number of the route's last change, and the version that it sends everything to. */
  configuration = 0;
  version = '1';

  static async start(): Promise<UnderLoad> {
    const cluster = await startNode();
    try {
      await cluster.load(await applicationImages());
      await installSideroute(cluster);
      for (const name of ['namespace', 'my-server', ...APPLICATIONS, 'my-server-route'])
        await cluster.mustKubectl(['apply', '-f', '-'], manifest(name));
      await cluster.mustKubectl(['apply', '-f', join(ROOT, 'test', 'cluster', 'manifests', 'load', 'load.yaml')]);
      await available(cluster);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return new UnderLoad(cluster);
  }

  private constructor(cluster: NodeCluster) {
    this.cluster = cluster;
  }

  /** Changes the route to `version`. */
  async change(version: string, extraRules: readonly object[] = []): Promise<{ generation: number; at: number }> {
    this.configuration += 1;
    this.version = version;
    const at = Date.now();
    const patch = route(version, this.configuration, extraRules);
    const { status, body } = await this.cluster.request('PATCH', ROUTE, patch, 'application/merge-patch+json');
    if (status !== 200) throw new Error(`patch of the route: ${status} ${body}`);
    const { metadata } = JSON.parse(body) as { metadata: { generation: number } };
    return { generation: metadata.generation, at };
  }

  /** Changes the route to the other version and waits until that answers: after so many milliseconds. */
  async changed(): Promise<number> {
    const { at } = await this.change(this.version === '1' ? '2' : '1');
    return await this.arrived(at);
  }

  /** How long after `since` the configuration in force has answered; both kinds of connection have to have had an answer. */
  async arrived(since: number): Promise<number> {
    const { configuration } = this;
    const first = await eventually(
      `answers of configuration ${configuration}`,
      async () => {
        // Reading the logs anew at every turn would be the load.
        await delay(50);
        const found = answers(this.cluster, since).filter((answer) => answer.configuration === configuration);
        const each = ['kept', 'new'].map((connection) => found.find((answer) => answer.connection === connection));
        return each.every((answer) => answer !== undefined) ? each : null;
      },
      ARRIVES_WITHIN_MS,
    );
    const times = first.map((answer) => answer.at - since);
    if (Math.max(...times) > SLOW_MS)
      say(`configuration ${configuration}: after ${times[0]} ms on the kept connection, ${times[1]} ms on new ones`);
    return Math.max(...times);
  }

  /** What came of every request while `work` went on. */
  async during(work: () => Promise<void>): Promise<Answer[]> {
    const since = Date.now();
    await work();
    return answers(this.cluster, since);
  }

  /** Processes of the machine that run in pods of this cluster and whose command line has `words`. */
  processes(words: string): number[] {
    const name = basename(dirname(this.cluster.logs));
    return pids().filter((pid) => commandLine(pid).includes(words) && cgroup(pid).includes(`/${name}/`));
  }

  /** The sidecar in the pod of the load: a process of the load has its network namespace. */
  sidecarOfLoad(): number[] {
    const networks = pids()
      .filter((pid) => commandLine(pid).includes('http://my-server/?[1-'))
      .map(network);
    return this.processes('sideroute proxy').filter((pid) => networks.includes(network(pid)));
  }
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number);
}

/** Empty for a process that has gone. */
function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

function commandLine(pid: number): string {
  return orEmpty(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
}

function cgroup(pid: number): string {
  return orEmpty(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
}

function network(pid: number): string {
  return orEmpty(() => readlinkSync(`/proc/${pid}/ns/net`));
}
