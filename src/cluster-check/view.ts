/**
 * Answers the questions that several checks ask about a snapshot: which namespaces are labelled, which pods have
 * sidecars, where the controller is.
 *
 * Stage before: `snapshot.ts`. Stage after: `checks/`. Pure; each answer is computed once.
 */
import { INJECTION_LABEL } from '../controller/objects.ts';
import { INJECT_ANNOTATION, MIRROR_ANNOTATION } from '../inject/annotations.ts';
import { SIDECAR_NAME } from '../inject/containers.ts';
import { INJECTED_ANNOTATION, parseRecord, type InjectionRecord } from '../inject/record.ts';
import { listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import type { KindName } from './kinds.ts';
import type { Listing, Snapshot } from './snapshot.ts';

/** Identifies an object. */
export interface At {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
}

/** Namespaces that the install never injects, whatever their labels. */
const NEVER_INJECTED: readonly string[] = ['kube-system', 'kube-node-lease'];

const CONTROLLER = { 'app.kubernetes.io/name': 'sideroute', 'app.kubernetes.io/component': 'controller' };
const DEFAULT_SYSTEM_NAMESPACE = 'sideroute-system';

export class ClusterView {
  readonly snapshot: Snapshot;
  readonly #made = new Map<string, unknown>();

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  listing(kind: KindName): Listing {
    return this.snapshot.listings[kind] ?? { state: 'absent' };
  }

  /** Empty when they could not be read; a check that needs them is not run then. */
  items(kind: KindName): readonly Json[] {
    const listing = this.listing(kind);
    return listing.state === 'read' ? listing.items : [];
  }

  isRead(kind: KindName): boolean {
    return ['read', 'absent'].includes(this.listing(kind).state);
  }

  /** True when all objects of the namespace were read. */
  covers(kind: KindName, namespace: string): boolean {
    const listing = this.listing(kind);
    if (listing.state === 'absent') return true;
    return listing.state === 'read' && !listing.cut && (listing.only === null || listing.only === namespace);
  }

  find(kind: KindName, namespace: string | null, name: string): Json | null {
    const index = this.once(`by name ${kind}`, () => new Map(this.items(kind).map((item) => [keyOf(item), item])));
    return index.get(namespace === null ? name : `${namespace}/${name}`) ?? null;
  }

  once<T>(key: string, make: () => T): T {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as T;
  }

  /** `[1, 36]`; null when unknown. */
  get serverVersion(): readonly [number, number] | null {
    return versionOf(this.snapshot.serverVersion ?? '');
  }

  /** Namespaces whose pods should have sidecars. */
  get labelled(): ReadonlySet<string> {
    return this.once('labelled', () => {
      const names = this.items('namespaces')
        .filter((item) => labelsOf(item)[INJECTION_LABEL] === 'enabled')
        .map((item) => nameOf(item));
      return new Set(names.filter((name) => !NEVER_INJECTED.includes(name) && name !== this.systemNamespace));
    });
  }

  /** Deployments of controllers, the oldest first: any further one was added later. */
  get controllers(): readonly Json[] {
    return this.once('controllers', () => {
      const age = (item: Json): string => textOf(objectOf(item, 'metadata'), 'creationTimestamp') ?? '';
      const found = this.items('deployments').filter((item) => hasLabels(item, CONTROLLER));
      return found.sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0));
    });
  }

  /** The oldest of them. */
  get controller(): Json | null {
    return this.controllers[0] ?? null;
  }

  get systemNamespace(): string {
    return this.controller === null ? DEFAULT_SYSTEM_NAMESPACE : namespaceOf(this.controller);
  }

  get controllerPods(): readonly Json[] {
    return this.items('pods').filter((item) => hasLabels(item, CONTROLLER) && !isOver(item));
  }

  /** Pods that have neither ended nor are being deleted. */
  get livePods(): readonly Json[] {
    return this.once('live pods', () => this.items('pods').filter((item) => !isOver(item)));
  }

  /** Pods with a sidecar, whoever added it. */
  get meshed(): readonly Json[] {
    return this.once('meshed', () => this.livePods.filter(hasSidecar));
  }

  /** Pods of labelled namespaces that are not excluded. */
  get podsToMesh(): readonly Json[] {
    return this.once('to mesh', () =>
      this.livePods.filter((item) => this.labelled.has(namespaceOf(item)) && !isLeftAlone(item)),
    );
  }

  get meshedNamespaces(): ReadonlySet<string> {
    return this.once('meshed namespaces', () => new Set(this.meshed.map(namespaceOf)));
  }
}

export function versionOf(text: string): readonly [number, number] | null {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined || minor === undefined ? null : [Number(major), Number(minor)];
}

export function isBefore(version: readonly [number, number], [major, minor]: readonly [number, number]): boolean {
  return version[0] < major || (version[0] === major && version[1] < minor);
}

export function nameOf(item: Json): string {
  return textOf(objectOf(item, 'metadata'), 'name') ?? '';
}

export function namespaceOf(item: Json): string {
  return textOf(objectOf(item, 'metadata'), 'namespace') ?? '';
}

export function keyOf(item: Json): string {
  const namespace = namespaceOf(item);
  return namespace === '' ? nameOf(item) : `${namespace}/${nameOf(item)}`;
}

export function labelsOf(item: Json): Json {
  return objectOf(objectOf(item, 'metadata'), 'labels');
}

export function annotationsOf(item: Json): Json {
  return objectOf(objectOf(item, 'metadata'), 'annotations');
}

export function at(kind: string, item: Json): At {
  const namespace = namespaceOf(item);
  return { kind, namespace: namespace === '' ? null : namespace, name: nameOf(item) };
}

function hasLabels(item: Json, wanted: Readonly<Record<string, string>>): boolean {
  const labels = labelsOf(item);
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

/** True for a pod that has ended or is being deleted. */
function isOver(item: Json): boolean {
  const phase = textOf(objectOf(item, 'status'), 'phase') ?? '';
  return ['Succeeded', 'Failed'].includes(phase) || objectOf(item, 'metadata')['deletionTimestamp'] != null;
}

export function hasSidecar(item: Json): boolean {
  return containersOf(item).some((container) => textOf(container, 'name') === SIDECAR_NAME);
}

/** Containers, including init containers. */
export function containersOf(item: Json): readonly Json[] {
  const spec = objectOf(item, 'spec');
  return [...listOf(spec, 'initContainers'), ...listOf(spec, 'containers')];
}

/** Null when the pod was not injected by this project, or when a version wrote another record. */
export function recordOf(item: Json): InjectionRecord | null {
  return parseRecord(textOf(annotationsOf(item), INJECTED_ANNOTATION) ?? '');
}

function isLeftAlone(item: Json): boolean {
  const marks = [labelsOf(item)[INJECT_ANNOTATION], annotationsOf(item)[INJECT_ANNOTATION]];
  if (marks.some((mark) => typeof mark === 'string' && ['false', 'disabled'].includes(mark.trim()))) return true;
  return annotationsOf(item)[MIRROR_ANNOTATION] !== undefined;
}

/** The owner of the pod, with a name as in kubectl; null for a pod that nothing would create again. */
export function workloadOf(item: Json): string | null {
  const owner = listOf(objectOf(item, 'metadata'), 'ownerReferences').find((each) => each['controller'] === true);
  const [kind, name] = [textOf(owner, 'kind'), textOf(owner, 'name')];
  if (kind === null || name === null) return null;
  const hash = labelsOf(item)['pod-template-hash'];
  if (kind === 'ReplicaSet' && typeof hash === 'string' && name.endsWith(`-${hash}`)) {
    return `deployment/${name.slice(0, -hash.length - 1)}`;
  }
  return ['ReplicaSet', 'StatefulSet', 'DaemonSet'].includes(kind) ? `${kind.toLowerCase()}/${name}` : null;
}
