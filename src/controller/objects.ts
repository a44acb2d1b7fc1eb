/**
 * The form in which the controller stores the objects of a cluster: texts and names instead of object graphs, because
 * there may be many thousands.
 *
 * Stage before: `kube/reflector.ts`. Stage after: `route-index.ts` and `cluster-state.ts`.
 */
import { clusterObjectOf } from '../export/cluster-objects.ts';
import { parentsOf, servicesOf, type ServiceName } from '../export/route-export.ts';
import { INJECTED_ANNOTATION } from '../inject/record.ts';
import { listOf, numberOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { MAX_GENERATION } from '../route-set/format.ts';

export interface RouteEntry {
  /** `HTTPRoute namespace/name`. */
  readonly key: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** The manifest in JSON, as `routes export` writes it. */
  readonly text: string;
  /** `namespace/name` of the Services that are its parents. */
  readonly parents: readonly string[];
  /** All Services that it names. */
  readonly services: readonly string[];
  /** True when it has a parent in its own namespace: it then applies to clients in all namespaces. */
  readonly producer: boolean;
  /** `status.parents` in JSON, including those of other controllers. */
  readonly status: string;
}

export interface ServiceEntry {
  /** `namespace/name`. */
  readonly key: string;
  readonly kind: 'Service';
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  readonly text: string;
}

export interface PodEntry {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdMs: number;
  /** The value last set by the controller; empty when there is none. */
  readonly told: string;
}

export interface NamespaceEntry {
  readonly name: string;
  readonly resourceVersion: string;
  /** True when its pods get sidecars at creation. */
  readonly injection: boolean;
  /** The namespaces whose producer routes it gets, besides its own; null: all. */
  readonly routesFrom: readonly string[] | null;
  readonly terminating: boolean;
}

/** A shard of a route set in the cluster. */
export interface ShardEntry {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  /** Hash of the text it was written with; null when another writer has changed it since. */
  readonly textHash: string | null;
  /** Generation of the set; 0 when unknown. */
  readonly generation: number;
  /** For shard 0: the shards it names, in the form `namedIn` reads; null when unknown. */
  readonly names: string | null;
  /** When the controller last wrote it, in milliseconds of the clock of the API server; 0 when unknown. */
  readonly writtenMs: number;
}

/** Annotation of a pod: the beginning of the hash of the routes its sidecar should have. */
export const ROUTES_ANNOTATION = 'sideroute.dev/routes';
/** Annotation of a Namespace. */
export const ROUTES_FROM_ANNOTATION = 'sideroute.dev/routes-from';
export const INJECTION_LABEL = 'sideroute.dev/injection';
/** Annotation of objects the controller writes. */
export const TEXT_HASH_ANNOTATION = 'sideroute.dev/text-hash';
/** Annotation of shard 0: the numbers of the shards it names, with their hashes. */
export const NAMES_ANNOTATION = 'sideroute.dev/shards';
export const GENERATION_ANNOTATION = 'sideroute.dev/generation';
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
/** Name of the controller as a field manager, in managedFields. */
export const FIELD_MANAGER = 'sideroute-controller';

/**
 * Null for a route without relation to Services: neither a Service among its parents nor a status of `controllerName`.
 *
 * @throws ProxyError when it has no name
 */
export function routeEntry(value: Json, controllerName: string): RouteEntry | null {
  const object = clusterObjectOf(value);
  if (object === null || object.kind === 'Service') return null;
  const { kind, namespace, name, manifest } = object;
  const parents = parentsOf(object);
  const statusParents = listOf(objectOf(value, 'status'), 'parents');
  const isOurs = statusParents.some((entry) => textOf(entry, 'controllerName') === controllerName);
  if (parents.length === 0 && !isOurs) return null;
  const metadata = objectOf(value, 'metadata');
  return {
    key: `${kind} ${namespace}/${name}`,
    ...{ kind, namespace, name },
    apiVersion: textOf(value, 'apiVersion') ?? '',
    resourceVersion: textOf(metadata, 'resourceVersion') ?? '',
    generation: numberOf(metadata, 'generation') ?? 0,
    text: JSON.stringify(manifest),
    parents: names(parents),
    services: names(servicesOf(object)),
    producer: parents.some((parent) => parent.namespace === namespace),
    status: JSON.stringify(statusParents),
  };
}

function names(services: readonly ServiceName[]): string[] {
  return [...new Set(services.map(({ namespace, name }) => `${namespace}/${name}`))];
}

/** @throws ProxyError when it has no name */
export function serviceEntry(value: Json): ServiceEntry | null {
  const object = clusterObjectOf(value);
  if (object?.kind !== 'Service') return null;
  const { namespace, name, manifest } = object;
  const resourceVersion = textOf(objectOf(value, 'metadata'), 'resourceVersion') ?? '';
  return {
    key: `${namespace}/${name}`,
    kind: 'Service',
    namespace,
    name,
    resourceVersion,
    text: JSON.stringify(manifest),
  };
}

/** Null for a pod without a sidecar and for a pod that is being deleted. */
export function podEntry(value: Json): PodEntry | null {
  const metadata = objectOf(value, 'metadata');
  const annotations = objectOf(metadata, 'annotations');
  if (textOf(annotations, INJECTED_ANNOTATION) === null || metadata['deletionTimestamp'] != null) return null;
  const namespace = textOf(metadata, 'namespace') ?? '';
  const name = textOf(metadata, 'name') ?? '';
  return {
    key: `${namespace}/${name}`,
    ...{ namespace, name },
    uid: textOf(metadata, 'uid') ?? '',
    resourceVersion: textOf(metadata, 'resourceVersion') ?? '',
    createdMs: Date.parse(textOf(metadata, 'creationTimestamp') ?? '') || 0,
    told: textOf(annotations, ROUTES_ANNOTATION) ?? '',
  };
}

export function namespaceEntry(value: Json): NamespaceEntry {
  const metadata = objectOf(value, 'metadata');
  const from = textOf(objectOf(metadata, 'annotations'), ROUTES_FROM_ANNOTATION);
  return {
    name: textOf(metadata, 'name') ?? '',
    resourceVersion: textOf(metadata, 'resourceVersion') ?? '',
    injection: textOf(objectOf(metadata, 'labels'), INJECTION_LABEL) === 'enabled',
    routesFrom: from === null ? null : namespacesIn(from),
    terminating: metadata['deletionTimestamp'] != null,
  };
}

/** Names separated by commas. Null (all) when `*` is among them. */
function namespacesIn(text: string): string[] | null {
  const found = text.split(',').map((part) => part.trim());
  if (found.includes('*')) return null;
  return [...new Set(found.filter((part) => part !== ''))].sort();
}

/** Reads a ConfigMap, of which only the metadata is needed. */
export function shardEntry(value: Json): ShardEntry {
  const metadata = objectOf(value, 'metadata');
  const annotations = objectOf(metadata, 'annotations');
  const namespace = textOf(metadata, 'namespace') ?? '';
  const name = textOf(metadata, 'name') ?? '';
  const generation = Number(textOf(annotations, GENERATION_ANNOTATION) ?? '0');
  return {
    key: `${namespace}/${name}`,
    ...{ namespace, name },
    resourceVersion: textOf(metadata, 'resourceVersion') ?? '',
    textHash: hasForeignData(metadata) ? null : textOf(annotations, TEXT_HASH_ANNOTATION),
    // The next generation must fit as well, whatever another writer has put here.
    generation: Number.isSafeInteger(generation) && generation > 0 && generation < MAX_GENERATION ? generation : 0,
    names: textOf(annotations, NAMES_ANNOTATION),
    writtenMs: writtenMs(metadata),
  };
}

/** Whoever edits a field becomes its owner. So an edit of the data can be detected without reading the data. */
function hasForeignData(metadata: Json): boolean {
  return listOf(metadata, 'managedFields').some((entry) => {
    if (textOf(entry, 'manager') === FIELD_MANAGER) return false;
    const fields = objectOf(entry, 'fieldsV1');
    return fields['f:binaryData'] !== undefined || fields['f:data'] !== undefined;
  });
}

function writtenMs(metadata: Json): number {
  const times = listOf(metadata, 'managedFields')
    .filter((entry) => textOf(entry, 'manager') === FIELD_MANAGER)
    .map((entry) => Date.parse(textOf(entry, 'time') ?? '') || 0);
  return Math.max(0, ...times);
}
