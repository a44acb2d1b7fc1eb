/**
 * Reasons not to inject a pod: it would not start, would not route, or something that works would break.
 *
 * Stage before: `annotations.ts`. Stage after: `inject.ts` refuses the workload for any of them. All reasons are
 * collected.
 */
import type { InjectSettings } from './annotations.ts';
import {
  INIT_NAME,
  METRICS_PORT_NAME,
  NO_TOKEN_VOLUME,
  PROXY_PORTS,
  ROUTES_VOLUME,
  SIDECAR_NAME,
} from './containers.ts';
import { isMap, Refusal, type Node } from './manifest.ts';
import { otherMeshes } from './other-meshes.ts';
import { POD_MESSAGES } from './pod-messages.ts';
import type { Workload } from './workloads.ts';

const CONTAINER_LISTS = ['containers', 'initContainers', 'ephemeralContainers'] as const;
export const OUR_CONTAINERS: readonly string[] = [INIT_NAME, SIDECAR_NAME];
export const OUR_VOLUMES: readonly string[] = [ROUTES_VOLUME, NO_TOKEN_VOLUME];

/** Also for texts like `0o2471`, which some YAML readers take as a number: its value in the API is unknown here. */
const NOT_A_NUMBER = 'must be a number, in decimal digits';

/** `spec`: that of a pod without our additions. */
export function podRefusals(workload: Workload, spec: Node, settings: InjectSettings): Refusal[] {
  const checks = new PodChecks(workload, spec, settings);
  checks.pod();
  for (const list of CONTAINER_LISTS) checks.containers(list);
  checks.volumes();
  return checks.refusals;
}

class PodChecks {
  readonly refusals: Refusal[] = [];
  readonly #workload: Workload;
  readonly #spec: Node;
  readonly #settings: InjectSettings;
  readonly #path: string;

  constructor(workload: Workload, spec: Node, settings: InjectSettings) {
    this.#workload = workload;
    this.#spec = spec;
    this.#settings = settings;
    this.#path = `${workload.templatePath}spec`;
  }

  pod(): void {
    const { document, endsByItself, kind } = this.#workload;
    const hostNetwork = document.get(this.#spec, 'hostNetwork');
    if (document.scalar(hostNetwork) === true) {
      this.#refuse('host-network', 'hostNetwork', hostNetwork, POD_MESSAGES.hostNetwork);
    }
    const system = document.get(this.#spec, 'os', 'name');
    if (document.text(system) === 'windows') {
      this.#refuse('not-linux', 'os.name', system, POD_MESSAGES.windows);
    }
    this.#otherMeshes();
    this.#user(this.#spec, '');
    if (this.#settings.mode === 'classic') {
      const restartPolicy = document.get(this.#spec, 'restartPolicy');
      const policy = document.text(restartPolicy);
      if (endsByItself || policy === 'Never' || policy === 'OnFailure') {
        const what = endsByItself ? `a ${kind} runs to an end` : `restartPolicy ${policy ?? ''} means a pod that ends`;
        const message = `${what}, and a classic sidecar would keep it from that: use mode native`;
        this.#refuse('ends-by-itself', endsByItself ? '' : 'restartPolicy', restartPolicy, message);
      }
    }
  }

  containers(list: (typeof CONTAINER_LISTS)[number]): void {
    const { document } = this.#workload;
    const items = document.items(document.get(this.#spec, list));
    if (list === 'containers' && items.length === 0) {
      this.#refuse('no-containers', list, this.#spec, 'must have a container');
    }
    for (const [index, container] of items.entries()) {
      const path = `${list}[${index}]`;
      if (!isMap(container)) {
        this.#refuse('wrong-type', path, container ?? this.#spec, 'must be a mapping');
        continue;
      }
      const name = document.get(container, 'name');
      const text = document.text(name) ?? '';
      if (OUR_CONTAINERS.includes(text)) {
        this.#refuse('name-taken', `${path}.name`, name, POD_MESSAGES.containerName(text));
      }
      this.#user(container, `${path}.`);
      this.#ports(container, path);
    }
  }

  #otherMeshes(): void {
    for (const { node, path, message } of otherMeshes(this.#workload, this.#spec)) {
      const place = `${this.#workload.templatePath}${path}`;
      this.refusals.push(new Refusal('other-mesh', place, node.range[0], message));
    }
  }

  #ports(container: Node, path: string): void {
    const { document } = this.#workload;
    for (const [index, port] of document.items(document.get(container, 'ports')).entries()) {
      const protocol = document.text(document.get(port, 'protocol')) ?? 'TCP';
      const number = document.get(port, 'containerPort');
      const value = document.scalar(number);
      if (typeof value === 'string') {
        this.#refuse('wrong-type', `${path}.ports[${index}].containerPort`, number, NOT_A_NUMBER);
      }
      if (protocol === 'TCP' && typeof value === 'number' && PROXY_PORTS.includes(value)) {
        this.#refuse('port-taken', `${path}.ports[${index}].containerPort`, number, POD_MESSAGES.port(value));
      }
      const name = document.get(port, 'name');
      if (document.text(name) === METRICS_PORT_NAME) {
        this.#refuse('name-taken', `${path}.ports[${index}].name`, name, POD_MESSAGES.portName);
      }
    }
  }

  volumes(): void {
    const { document, object, prefix, kind } = this.#workload;
    for (const [index, volume] of document.items(document.get(this.#spec, 'volumes')).entries()) {
      this.#volume(document.get(volume, 'name'), `${this.#path}.volumes[${index}].name`);
    }
    if (kind !== 'StatefulSet') return;
    for (const [index, claim] of document.items(document.get(object, 'spec', 'volumeClaimTemplates')).entries()) {
      const path = `${prefix}spec.volumeClaimTemplates[${index}].metadata.name`;
      this.#volume(document.get(claim, 'metadata', 'name'), path);
    }
  }

  #volume(name: Node | null, path: string): void {
    const text = this.#workload.document.text(name);
    if (text === null || !OUR_VOLUMES.includes(text)) return;
    this.refusals.push(new Refusal('name-taken', path, name!.range[0], POD_MESSAGES.volumeName(text)));
  }

  /** `prefix`: path of the object that contains the security context, with a dot. */
  #user(holder: Node, prefix: string): void {
    const { document } = this.#workload;
    const user = document.get(holder, 'securityContext', 'runAsUser');
    const uid = document.scalar(user);
    if (typeof uid === 'string') {
      this.#refuse('wrong-type', `${prefix}securityContext.runAsUser`, user, NOT_A_NUMBER);
      return;
    }
    if (typeof uid !== 'number' || String(uid) !== this.#settings.proxyUid) return;
    this.#refuse('proxy-uid', `${prefix}securityContext.runAsUser`, user, POD_MESSAGES.user(String(uid)));
  }

  #refuse(code: string, path: string, node: Node | null, message: string): void {
    const place = path === '' ? this.#path : `${this.#path}.${path}`;
    this.refusals.push(new Refusal(code, place, (node ?? this.#spec).range[0], message));
  }
}
