/** kube-proxy and cluster DNS of a stand-in cluster, rewritten whenever Services or their pods change. */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import type { PodSpec } from '../manifests.ts';
import { stopProcess } from '../processes.ts';
import { startFixture } from '../sidecar.ts';
import { matchesLabels, type ObjectStore } from './objects.ts';
import type { PlayedPod } from './pods.ts';

const DOMAIN = 'svc.cluster.local';

export class Network {
  readonly #cluster: Cluster;
  readonly #store: ObjectStore;
  #dns: ChildProcess | null = null;
  #written = '';
  #work: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, store: ObjectStore) {
    this.#cluster = cluster;
    this.#store = store;
  }

  /** /etc/resolv.conf of the pods of a namespace, below `directory`. */
  writeResolvConf(directory: string, namespace: string): void {
    writeFileSync(
      join(directory, `resolv.conf.${namespace}`),
      `nameserver ${this.#cluster.node.v4}\nsearch ${namespace}.${DOMAIN} ${DOMAIN} cluster.local\noptions ndots:5\n`,
    );
  }

  /** One after the other, each with the pods that there are when its turn comes. */
  sync(pods: () => readonly PlayedPod[]): Promise<void> {
    this.#work = this.#work.then(() => this.#sync(pods()));
    return this.#work;
  }

  async #sync(pods: readonly PlayedPod[]): Promise<void> {
    const services = this.#store.list('Service').map(({ metadata, spec }) => ({
      name: `${metadata.name}.${metadata.namespace}.${DOMAIN}`,
      address: spec!.clusterIP!,
      ports: (spec!.ports ?? []).map(({ port, targetPort }) => ({
        port,
        endpoints: pods
          .filter(({ ready, object }) => ready && object.metadata.namespace === metadata.namespace)
          .filter(({ object }) => matchesLabels(selectorOf(spec), object.metadata.labels))
          .map((pod) => ({ address: pod.address, port: portOf(pod, targetPort ?? port) })),
      })),
    }));
    const text = JSON.stringify(services);
    if (text === this.#written) return;
    this.#written = text;
    const { node } = this.#cluster;
    for (const table of ['-t nat -F PREROUTING', '-t nat -F POSTROUTING', '-F FORWARD'])
      node.must(['iptables', '-w', ...table.split(' ')]);
    for (const { address, ports } of services)
      for (const { port, endpoints } of ports)
        if (address !== 'None') this.#cluster.addService(address, port, endpoints);
    await this.stop();
    const names = services.map(({ name, address }) => `${name}=${address}`);
    this.#dns = await startFixture(node, 'dns-process', node.v4, ...names);
  }

  async stop(): Promise<void> {
    if (this.#dns !== null) await stopProcess(this.#dns);
    this.#dns = null;
  }
}

/** The selector of a Service; without one it has no endpoints, which is expressed by a label that no pod has. */
const selectorOf = (spec: { readonly selector?: unknown } | undefined): Record<string, string> =>
  (spec?.selector as Record<string, string> | undefined) ?? { 'no-selector': 'true' };

/** The number of a port that a Service gives as a number or as a name in the pod. */
function portOf(pod: PlayedPod, port: number | string): number {
  if (typeof port === 'number') return port;
  const { containers = [] } = pod.object.spec as unknown as PodSpec;
  const ports = containers.flatMap(
    (container) => (container['ports'] ?? []) as { name?: string; containerPort: number }[],
  );
  return ports.find(({ name }) => name === port)?.containerPort ?? 0;
}
