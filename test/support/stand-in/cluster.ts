/**
 * A stand-in for a Kubernetes cluster and its operator's machine, for commands in the documents: `kubectl`, `docker`,
 * `kind` and `helm` on the PATH are answered here, and Deployments run as pods in network namespaces with real rules
 * and real sidecars.
 */
// Needs: helm.
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, runCommand, type Pod } from '../cluster.ts';
import { program } from '../manifests.ts';
import { fixture, SIDEROUTE, temporaryDirectory } from '../sidecar.ts';
import { Images } from './images.ts';
import { kubectl } from './kubectl.ts';
import { Network } from './network.ts';
import { CommandError, ObjectStore, type StoredObject } from './objects.ts';
import { PlayedPod } from './pods.ts';
import type { Reply, Request } from './protocol.ts';

/** How long the stand-in's kubelet takes to notice a changed ConfigMap by itself; a real one up to a minute. */
const KUBELET_SYNC_MS = 1500;

export interface ShellResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class StandInCluster {
  readonly store = new ObjectStore();
  readonly images = new Images();
  /** Of the operator's current context. */
  namespace = 'default';
  readonly #directory = temporaryDirectory();
  readonly #cluster = new Cluster();
  readonly #network = new Network(this.#cluster, this.store);
  readonly #pods = new Map<StoredObject, PlayedPod[]>();
  readonly #operator: Pod;
  readonly #server: Server;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(server: Server) {
    this.#server = server;
    // The operator's machine reaches the cluster only through its tools.
    this.#operator = this.#cluster.addPod('operator');
    this.#operator.must(['ip', 'link', 'set', 'eth0', 'down']);
    const bin = join(this.#directory.path, 'bin');
    mkdirSync(bin);
    for (const tool of ['kubectl', 'docker', 'kind', 'helm'])
      this.#script(join(bin, tool), fixture('stand-in-client', this.#socket, tool));
    const helm = program('helm');
    if (helm !== null) this.#script(join(bin, 'helm'), [helm]);
    this.#script(join(bin, 'sideroute'), SIDEROUTE);
  }

  static async start(): Promise<StandInCluster> {
    const cluster: StandInCluster = new StandInCluster(
      createServer({ allowHalfOpen: true }, (socket) => {
        let text = '';
        socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        socket.once('end', () => {
          void cluster.#answer(JSON.parse(text) as Request).then((reply) => socket.end(JSON.stringify(reply)));
        });
        // A client that was killed does not need its answer.
        socket.on('error', () => socket.destroy());
      }),
    );
    await new Promise<void>((resolve) => cluster.#server.listen(cluster.#socket, resolve));
    return cluster;
  }

  get #socket(): string {
    return join(this.#directory.path, 'api');
  }

  #script(path: string, command: readonly string[]): void {
    writeFileSync(path, `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`);
    chmodSync(path, 0o755);
  }

  async #answer(request: Request): Promise<Reply> {
    try {
      switch (request.tool) {
        case 'kubectl':
          return await kubectl(this, request);
        default:
          return this.images.run(request);
      }
    } catch (error) {
      if (error instanceof CommandError) return { status: 1, stdout: '', stderr: `${error.message}\n` };
      return { status: 1, stdout: '', stderr: `stand-in: ${error instanceof Error ? error.stack : String(error)}\n` };
    }
  }

  /** Starts and stops pods until they are those of the Deployments; resolves at once, `settled` when all is done. */
  reconcile(): void {
    this.#work = this.#work.then(() => this.#reconcile());
  }

  async settled(): Promise<void> {
    await this.#work;
  }

  pods(): PlayedPod[] {
    return [...this.#pods.values()].flat();
  }

  /** The kubelets write changed ConfigMaps: at once, or when they next look. */
  async syncConfigMaps(when: 'now' | 'later'): Promise<void> {
    if (when === 'later') await delay(KUBELET_SYNC_MS, undefined, { ref: false });
    if (!this.#closed) for (const pod of this.pods()) pod.syncConfigMaps();
  }

  async #reconcile(): Promise<void> {
    for (const { metadata } of this.store.list('Namespace'))
      this.#network.writeResolvConf(this.#directory.path, metadata.name);
    await this.#network.sync(() => this.pods());
    const wanted = this.store.list('Deployment');
    await Promise.all(wanted.map((deployment) => this.#rollOut(deployment)));
    // A replaced Deployment is a new object of the same name, which owns the pods now.
    for (const [deployment, pods] of this.#pods) {
      if (wanted.includes(deployment)) continue;
      this.#pods.delete(deployment);
      await Promise.all(pods.map((pod) => this.#remove(pod)));
    }
    await this.#network.sync(() => this.pods());
  }

  async #remove(pod: PlayedPod): Promise<void> {
    this.store.delete(pod.object);
    await pod.stop();
  }

  async #rollOut(deployment: StoredObject): Promise<void> {
    const { name, namespace } = deployment.metadata;
    const [before, old = []] =
      [...this.#pods].find(([{ metadata }]) => metadata.name === name && metadata.namespace === namespace) ?? [];
    if (before !== undefined) this.#pods.delete(before);
    this.#pods.set(deployment, old);
    const template = deployment.spec!.template!;
    const hash = createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 10);
    const current = old.filter(({ object }) => object.metadata.name.startsWith(`${name}-${hash}-`));
    const started: PlayedPod[] = [];
    for (let index = current.length; index < (deployment.spec!.replicas ?? 1); index++) {
      const object: StoredObject = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name: `${name}-${hash}-${index}`, namespace: namespace! },
        spec: structuredClone(template.spec),
      };
      const pod = new PlayedPod(object, {
        cluster: this.#cluster,
        store: this.store,
        directory: this.#directory.path,
        canPull: (image) => this.images.canPull(image),
      });
      this.store.put(object);
      started.push(pod);
    }
    const pods = [...current, ...started].slice(0, deployment.spec!.replicas ?? 1);
    this.#pods.set(deployment, [...old, ...started]);
    await Promise.all(started.map((pod) => pod.start()));
    const available = pods.every(({ ready }) => ready);
    deployment.status = {
      replicas: pods.length,
      readyReplicas: pods.filter(({ ready }) => ready).length,
      conditions: [{ type: 'Available', status: available ? 'True' : 'False' }],
    };
    // A rollout that fails leaves the old pods in place.
    if (!available) return;
    this.#pods.set(deployment, pods);
    await this.#network.sync(() => this.pods());
    await Promise.all(old.filter((pod) => !pods.includes(pod)).map((pod) => this.#remove(pod)));
  }

  /** Runs a script of bash on the operator's machine, to its end; what it has left running ends with it. */
  async shell(script: string, directory: string, env: Readonly<Record<string, string>> = {}): Promise<ShellResult> {
    const PATH = `${join(this.#directory.path, 'bin')}:${process.env['PATH']}`;
    const child: ChildProcess = this.#operator.spawn(['bash', '-euo', 'pipefail', '-c', script], {
      cwd: directory,
      env: { ...process.env, PATH, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.once('exit', () => {
      for (const pid of runCommand('ip', ['netns', 'pids', this.#operator.netns]).stdout.trim().split('\n'))
        if (pid !== '') runCommand('kill', [pid]);
    });
    const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 128)));
    return { status, stdout, stderr };
  }

  /** What containers have logged and why pods do not run, for the report of a failure. */
  describe(): string {
    return this.pods()
      .map(({ object, containers }) => {
        const logs = [...containers].map(([name, { log }]) => `  ${name}: ${runCommand('tail', ['-n5', log]).stdout}`);
        return [`${object.metadata.name}: ${JSON.stringify(object.status)}`, ...logs].join('\n');
      })
      .join('\n');
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
    await Promise.all(this.pods().map((pod) => pod.stop()));
    await this.#network.stop();
    this.#cluster.close();
    this.#server.close();
    this.#directory.remove();
  }
}
