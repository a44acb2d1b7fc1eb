/** What a kubelet does for one pod: volumes, init containers, native sidecars, probes, the end. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Pod } from '../cluster.ts';
import { ConfigMapMount } from '../config-map-mount.ts';
import { eventually } from '../eventually.ts';
import type { Container, PodSpec } from '../manifests.ts';
import { stopProcess } from '../processes.ts';
import { RunningContainer, type ContainerPlace, type Mount } from './containers.ts';
import { CommandError, type ObjectStore, type StoredObject } from './objects.ts';

/** The services around the pods. */
export interface NodeServices {
  readonly cluster: Cluster;
  readonly store: ObjectStore;
  /** Everything that pods write goes below it. */
  readonly directory: string;
  /** Whether the node can have the image. */
  readonly canPull: (image: string) => boolean;
}

const API_SERVER = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
/** Longer than anything here takes; a manifest may ask for more, for which a test has no time. */
const GRACE_MS = 3000;

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: number };
  readonly tcpSocket?: { readonly port: number };
  readonly exec?: { readonly command: readonly string[] };
}

interface ConfigMapSource {
  readonly name: string;
  readonly optional?: boolean;
}

function runs(command: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
    child.once('error', () => resolve(false));
    child.once('close', (status) => resolve(status === 0));
  });
}

/** ConfigMaps of a volume, whether it is one or a projection of several; null for a volume of another kind. */
function configMapsOf(volume: Readonly<Record<string, unknown>>): ConfigMapSource[] | null {
  if (volume['configMap'] !== undefined) return [volume['configMap'] as ConfigMapSource];
  const projected = volume['projected'] as { sources: { configMap?: ConfigMapSource }[] } | undefined;
  return projected === undefined ? null : projected.sources.flatMap(({ configMap }) => configMap ?? []);
}

export class PlayedPod {
  readonly object: StoredObject;
  readonly containers = new Map<string, RunningContainer>();
  readonly #node: NodeServices;
  readonly #net: Pod;
  readonly #mounts = new Map<string, { mount: ConfigMapMount; text: string }>();
  #stopped = false;

  /** `object`: the Pod as its controller makes it; it gets its addresses here. */
  constructor(object: StoredObject, node: NodeServices) {
    this.object = object;
    this.#node = node;
    this.#net = node.cluster.addPod(object.metadata.name);
    const { v4, v6 } = this.#net;
    object.status = { phase: 'Pending', podIP: v4, podIPs: [{ ip: v4 }, { ip: v6 }], hostIP: node.cluster.node.v4 };
  }

  get netns(): string {
    return this.#net.netns;
  }

  get address(): string {
    return this.#net.v4;
  }

  get ready(): boolean {
    return this.object.status?.['phase'] === 'Running';
  }

  /** Resolves when the pod is ready; when it can not be, its status says why. */
  async start(): Promise<void> {
    const spec = this.object.spec as unknown as PodSpec;
    try {
      for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])])
        if (!this.#node.canPull(container.image)) throw new CommandError(`ErrImagePull: ${container.image}`);
      mkdirSync(this.#path(), { recursive: true });
      this.syncConfigMaps();
      for (const container of spec.initContainers ?? []) await this.#startInit(container);
      for (const container of spec.containers ?? []) await this.#startContainer(container);
      const probed = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
      for (const container of probed) await this.#pass(container, container['readinessProbe'] as Probe | undefined);
      this.object.status!['phase'] = 'Running';
    } catch (error) {
      if (!this.#stopped) this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #fail(message: string): void {
    Object.assign(this.object.status!, { phase: 'Failed', message });
  }

  #path(...parts: string[]): string {
    return join(this.#node.directory, this.object.metadata.name, ...parts);
  }

  async #startInit(container: Container): Promise<void> {
    const started = await this.#run(container);
    if (container.restartPolicy === 'Always') {
      await this.#pass(container, container['startupProbe'] as Probe | undefined);
      return;
    }
    while (started.running) await delay(5);
    if (started.process.exitCode !== 0)
      throw new CommandError(`Init:Error: ${container.name} ended with ${started.process.exitCode}, see its log`);
  }

  async #startContainer(container: Container): Promise<void> {
    const started = await this.#run(container);
    const hook = (container['lifecycle'] as { postStart?: { exec: { command: string[] } } } | undefined)?.postStart;
    if (hook !== undefined && !(await runs(started.execLine(hook.exec.command))))
      throw new CommandError(`PostStartHookError: ${container.name}`);
    await this.#pass(container, container['startupProbe'] as Probe | undefined);
  }

  async #run(container: Container): Promise<RunningContainer> {
    const place: ContainerPlace = {
      pod: this.#net,
      mounts: this.#mountsOf(container),
      root: this.#path(`root-${container.name}`),
      log: this.#path(`${container.name}.log`),
    };
    mkdirSync(place.root, { recursive: true });
    const started = RunningContainer.start(container, this.#environment(container), place);
    this.containers.set(container.name, started);
    // After the pod has become ready, a container that ends is restarted.
    started.process.once('exit', () => {
      if (this.ready && !this.#stopped) void this.#run(container);
    });
    await eventually(`container ${container.name} has its root`, () => started.started);
    return started;
  }

  #environment(container: Container): Record<string, string> {
    const { v4, v6 } = this.#net;
    const { name, namespace = 'default' } = this.object.metadata;
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': name,
      'metadata.namespace': namespace,
      'spec.nodeName': 'node',
      'status.hostIP': this.#node.cluster.node.v4,
      'status.podIP': v4,
      'status.podIPs': `${v4},${v6}`,
    };
    const entries = (container.env ?? []).map((variable) => {
      const { valueFrom, value = '' } = variable as {
        value?: string;
        valueFrom?: { fieldRef?: { fieldPath: string } };
      };
      if (valueFrom === undefined) return [variable.name, value];
      const field = fields[valueFrom.fieldRef?.fieldPath ?? ''];
      if (field === undefined) throw new CommandError(`${variable.name}: the stand-in has no such field`);
      return [variable.name, field];
    });
    return { HOSTNAME: name, ...API_SERVER, ...(Object.fromEntries(entries) as Record<string, string>) };
  }

  #mountsOf(container: Container): Mount[] {
    const volumes = (this.object.spec as unknown as PodSpec).volumes ?? [];
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath }): Mount => {
      const volume = volumes.find((candidate) => candidate.name === name);
      if (volume === undefined) throw new CommandError(`volumeMounts: there is no volume ${name}`);
      const path = this.#path(`volume-${name}`);
      if (configMapsOf(volume) === null) {
        if (volume['emptyDir'] === undefined) throw new CommandError(`the stand-in has no volumes like ${name}`);
        mkdirSync(path, { recursive: true });
        chmodSync(path, 0o777);
      }
      return [path, mountPath];
    });
    return [
      ...mounts,
      [join(this.#node.directory, `resolv.conf.${this.object.metadata.namespace}`), '/etc/resolv.conf'],
    ];
  }

  /** Writes the volumes anew whose ConfigMaps have changed. @throws CommandError when one that is needed was never there */
  syncConfigMaps(): void {
    const namespace = this.object.metadata.namespace!;
    for (const volume of (this.object.spec as unknown as PodSpec).volumes ?? []) {
      const sources = configMapsOf(volume);
      if (sources === null) continue;
      const found = sources.map(({ name }) => this.#node.store.find('ConfigMap', namespace, name));
      const mounted = this.#mounts.get(volume.name);
      const missing = sources.find(({ optional }, index) => found[index] === undefined && optional !== true);
      if (missing !== undefined && mounted === undefined)
        throw new CommandError(`configmap "${missing.name}" not found`);
      // Mounted files stay when a required ConfigMap is removed.
      if (missing !== undefined) continue;
      const files = Object.assign({}, ...found.map((configMap) => configMap?.data ?? {})) as Record<string, string>;
      const text = JSON.stringify(files);
      if (mounted?.text === text) continue;
      const mount = mounted?.mount ?? new ConfigMapMount(this.#path(`volume-${volume.name}`));
      mount.write(files);
      this.#mounts.set(volume.name, { mount, text });
    }
  }

  /** Waits until the probe succeeds; the container has to live as long. */
  async #pass(container: Container, probe: Probe | undefined): Promise<void> {
    const running = this.containers.get(container.name)!;
    if (probe === undefined) return;
    const [node, v4] = [this.#node.cluster.node, this.#net.v4];
    const command =
      probe.httpGet !== undefined
        ? node.commandLine(['curl', '-sf', '-m', '2', `http://${v4}:${probe.httpGet.port}${probe.httpGet.path}`])
        : probe.tcpSocket !== undefined
          ? node.commandLine(['timeout', '2', 'bash', '-c', `exec 3<>/dev/tcp/${v4}/${probe.tcpSocket.port}`])
          : running.execLine(probe.exec!.command);
    while (!(await runs(command))) {
      if (!running.running) throw new CommandError(`CrashLoopBackOff: ${container.name}, see its log`);
      if (this.#stopped) return;
      await delay(30);
    }
  }

  /** The application first, then sidecars, as a kubelet does; whatever does not end is killed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { process } of [...this.containers.values()].reverse()) {
      const timer = setTimeout(() => process.kill('SIGKILL'), GRACE_MS);
      await stopProcess(process);
      clearTimeout(timer);
    }
  }
}
