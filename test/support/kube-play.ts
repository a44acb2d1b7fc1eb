/**
 * Pods of the scenario's manifests under podman, on the network of a `Cluster`, with addresses, routes and ClusterIPs
 * as CNI and kube-proxy would set them up.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Cluster, Pod, PodAddresses } from './cluster.ts';
import { parseManifests, type Container, type Manifest, type PodSpec } from './manifests.ts';
import { mustPodman, podman } from './podman.ts';

/** Stands for the kubelet and the cluster. */
export interface Node {
  readonly hostIp: string;
  /** A file that becomes /etc/resolv.conf of every container. */
  readonly resolvConf: string;
  /** `KUBERNETES_SERVICE_HOST` of every container. */
  readonly apiServer: string;
}

const LEFT_OUT = [
  'startupProbe',
  'readinessProbe',
  'livenessProbe',
  'lifecycle',
  'ports',
  'restartPolicy',
  'resources',
];

/**
 * The manifest with the changes that podman 4 needs, and no others: values for `fieldRef`; a resolv.conf; a native
 * sidecar as a container of the pod; a unique name for each emptyDir, because podman makes one volume per name. Left
 * out: probes (podman would run them inside the container; the test runs them from the node, as a kubelet does), ports
 * (they would be published), and resource limits (the test machine may have no cgroup for them).
 */
export function adapt(workload: Manifest, pod: PodAddresses, node: Node): Manifest {
  const namespace = workload.metadata.namespace ?? 'default';
  const fields: Readonly<Record<string, string>> = {
    'metadata.namespace': namespace,
    'status.podIP': pod.v4,
    'status.podIPs': `${pod.v4},${pod.v6}`,
    'status.hostIP': node.hostIp,
  };
  const { spec, metadata } = workload.spec!.template!;
  const isEmptyDir = (name: string) =>
    spec.volumes?.some((volume) => volume.name === name && 'emptyDir' in volume) === true;
  const volumeName = (name: string) => (isEmptyDir(name) ? `${workload.metadata.name}-${name}` : name);
  const adaptContainer = (container: Container): Container => {
    const kept = Object.entries(container).filter(([key]) => !LEFT_OUT.includes(key));
    const env = (container.env ?? []).map((variable) => {
      const { valueFrom } = variable as { valueFrom?: { fieldRef: { fieldPath: string } } };
      return valueFrom === undefined ? variable : { name: variable.name, value: fields[valueFrom.fieldRef.fieldPath]! };
    });
    const api = [
      { name: 'KUBERNETES_SERVICE_HOST', value: node.apiServer },
      { name: 'KUBERNETES_SERVICE_PORT', value: '443' },
    ];
    const mounts = (container.volumeMounts ?? []).map((mount) => ({ ...mount, name: volumeName(mount.name) }));
    const volumeMounts = [...mounts, { name: 'resolv-conf', mountPath: '/etc/resolv.conf' }];
    return {
      ...Object.fromEntries(kept),
      env: [...env, ...api],
      volumeMounts,
      imagePullPolicy: 'Never',
    } as unknown as Container;
  };
  const initContainers = spec.initContainers ?? [];
  const native = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  return {
    ...workload,
    // Init containers are kept after their end, so that their output can be read.
    metadata: { ...workload.metadata, annotations: { 'io.podman.annotations.init.container.type': 'always' } },
    spec: {
      ...workload.spec,
      template: {
        metadata,
        spec: {
          ...spec,
          initContainers: initContainers.filter((container) => !native.includes(container)).map(adaptContainer),
          containers: [...native, ...(spec.containers ?? [])].map(adaptContainer),
          volumes: [
            ...(spec.volumes ?? []).map((volume) => ({ ...playable(volume), name: volumeName(volume.name) })),
            { name: 'resolv-conf', hostPath: { path: node.resolvConf, type: 'File' } },
          ],
        },
      },
    },
  };
}

/** Podman has no projected volumes; the first ConfigMap stands for all, because no others exist. */
function playable(volume: NonNullable<PodSpec['volumes']>[number]): object {
  const projected = volume['projected'] as { readonly sources: readonly object[] } | undefined;
  return projected === undefined ? volume : { ...projected.sources[0] };
}

/** Pods made from manifests; `stop` removes them and their volumes. */
export class KubePlay {
  readonly #files: string[] = [];
  readonly #cluster: Cluster;
  readonly #directory: string;

  constructor(cluster: Cluster, directory: string) {
    this.#cluster = cluster;
    this.#directory = directory;
  }

  /** The network comes between the namespace and the init containers, as with a kubelet. */
  start(name: string, manifests: readonly Manifest[]): Pod {
    const file = join(this.#directory, `${name}.yaml`);
    writeFileSync(file, manifests.map((manifest) => stringify(manifest)).join('---\n'));
    this.#files.push(file);
    mustPodman(['kube', 'play', '--network', 'none', '--start=false', file]);
    const workload = manifests.find(({ kind }) => kind === 'Deployment')!.metadata.name;
    const pods = mustPodman(['pod', 'ps', '--format', '{{.Name}} {{.InfraID}}']).split('\n');
    const [id, infra] = pods.find((line) => new RegExp(`^${workload}-pod(-\\d+)? `).test(line))!.split(' ') as [
      string,
      string,
    ];
    mustPodman(['start', infra]);
    const pid = Number(mustPodman(['inspect', '--format', '{{.State.Pid}}', infra]));
    const pod = this.#cluster.addPod(name, pid);
    mustPodman(['pod', 'start', id]);
    return pod;
  }

  stop(): void {
    for (const file of this.#files) {
      podman(['kube', 'down', file]);
      const manifests = parseManifests(readFileSync(file, 'utf8'));
      for (const { metadata } of manifests.filter(({ kind }) => kind === 'ConfigMap'))
        podman(['volume', 'rm', metadata.name]);
      for (const { spec } of manifests) {
        const volumes = spec?.template?.spec.volumes ?? [];
        for (const volume of volumes) if ('emptyDir' in volume) podman(['volume', 'rm', volume.name]);
      }
    }
  }
}

/** Name of the container `name` of a pod of `workload`. */
export function containerName(workload: string, name: string): string {
  const names = mustPodman(['ps', '--all', '--format', '{{.Names}}']).split('\n');
  const found = names.find((text) => new RegExp(`^${workload}-pod(-\\d+)?-${name}$`).test(text));
  if (found === undefined) throw new Error(`no container ${name} of ${workload}, only ${names.join(', ')}`);
  return found;
}

/** Rewrites the data of a ConfigMap in the volume that podman made from it. */
export function updateConfigMap(name: string, data: Readonly<Record<string, string>>): void {
  const mountpoint = mustPodman(['volume', 'inspect', '--format', '{{.Mountpoint}}', name]).trim();
  for (const [file, text] of Object.entries(data)) {
    writeFileSync(join(mountpoint, `.${file}`), text);
    renameSync(join(mountpoint, `.${file}`), join(mountpoint, file));
  }
  if (readdirSync(mountpoint).length === 0) throw new Error(`the volume ${name} is empty`);
}
