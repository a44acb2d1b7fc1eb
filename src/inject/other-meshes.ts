/**
 * Signs that a pod is, or will be, in another mesh that redirects its connections: two sets of rules in one pod
 * interfere with each other.
 *
 * Used by `pod-checks.ts`. Only the pod template is visible here, not the labels of its namespace.
 */
import { isMap, type Node } from './manifest.ts';
import { POD_MESSAGES } from './pod-messages.ts';
import type { Workload } from './workloads.ts';

export interface Mesh {
  readonly name: string;
  /** Names of the containers and init containers that its injector adds. */
  readonly containers: readonly string[];
  /** Labels or annotations that request its injection, with the values that do. */
  readonly marks: Readonly<Record<string, readonly string[]>>;
}

const YES = ['true', 'enabled', '1', 't'];

export const MESHES: readonly Mesh[] = [
  {
    name: 'Istio',
    containers: ['istio-proxy', 'istio-init', 'istio-validation'],
    marks: { 'sidecar.istio.io/inject': YES, 'istio.io/dataplane-mode': ['ambient'] },
  },
  {
    name: 'Linkerd',
    containers: ['linkerd-proxy', 'linkerd-init', 'linkerd-network-validator'],
    marks: { 'linkerd.io/inject': [...YES, 'ingress'] },
  },
  {
    name: 'Kuma',
    containers: ['kuma-sidecar', 'kuma-init', 'kuma-validation'],
    marks: { 'kuma.io/sidecar-injection': YES },
  },
  {
    name: 'Consul',
    containers: ['consul-dataplane', 'consul-connect-inject-init', 'consul-mesh-init'],
    marks: { 'consul.hashicorp.com/connect-inject': YES },
  },
];

/** One sign of another mesh. */
export interface MeshSign {
  readonly node: Node;
  /** Path below the pod template. */
  readonly path: string;
  readonly message: string;
}

/** The first sign of each mesh. */
export function otherMeshes({ document, object, steps }: Workload, spec: Node): MeshSign[] {
  const template = document.get(object, ...steps);
  return MESHES.flatMap(({ name, containers, marks }) => {
    for (const list of ['containers', 'initContainers']) {
      for (const [index, container] of document.items(document.get(spec, list)).entries()) {
        const node = isMap(container) ? document.get(container, 'name') : null;
        const text = document.text(node);
        if (node === null || text === null || !containers.includes(text)) continue;
        return [{ node, path: `spec.${list}[${index}].name`, message: POD_MESSAGES.meshContainer(text, name) }];
      }
    }
    for (const holder of ['labels', 'annotations']) {
      const members = document.members(document.get(template, 'metadata', holder));
      for (const [mark, values] of Object.entries(marks)) {
        const node = members.get(mark)?.value ?? null;
        const scalar = document.scalar(node);
        const value = typeof scalar === 'string' || typeof scalar === 'boolean' ? String(scalar).toLowerCase() : '';
        if (node === null || !values.includes(value)) continue;
        return [{ node, path: `metadata.${holder}["${mark}"]`, message: POD_MESSAGES.meshMark(value, name) }];
      }
    }
    return [];
  });
}
