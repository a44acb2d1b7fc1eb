/**
 * What an API server stores: objects by kind, namespace and name, checked against the schema and completed with
 * defaults.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { schemaProblems } from '../kubernetes-schema.ts';
import type { Manifest, PodSpec } from '../manifests.ts';

/** A manifest with what the server adds. */
export interface StoredObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  spec?: {
    replicas?: number;
    selector?: { matchLabels?: Record<string, string> } & Record<string, unknown>;
    template?: { metadata?: Partial<StoredObject['metadata']>; spec: PodSpec };
    ports?: { name?: string; port: number; targetPort?: number | string }[];
    clusterIP?: string;
    clusterIPs?: string[];
    [field: string]: unknown;
  };
  data?: Record<string, string>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

/** Singular, plural, API group and short names of the kinds in the documents. */
const RESOURCES: readonly {
  kind: string;
  apiVersion: string;
  names: readonly [singular: string, plural: string, ...short: string[]];
  clusterWide?: true;
}[] = [
  { kind: 'Namespace', apiVersion: 'v1', names: ['namespace', 'namespaces', 'ns'], clusterWide: true },
  { kind: 'Pod', apiVersion: 'v1', names: ['pod', 'pods', 'po'] },
  { kind: 'Service', apiVersion: 'v1', names: ['service', 'services', 'svc'] },
  { kind: 'ConfigMap', apiVersion: 'v1', names: ['configmap', 'configmaps', 'cm'] },
  { kind: 'Deployment', apiVersion: 'apps/v1', names: ['deployment', 'deployments', 'deploy'] },
  {
    kind: 'HTTPRoute',
    apiVersion: 'gateway.networking.k8s.io/v1',
    names: ['httproute', 'httproutes'],
  },
  {
    kind: 'GRPCRoute',
    apiVersion: 'gateway.networking.k8s.io/v1',
    names: ['grpcroute', 'grpcroutes'],
  },
  {
    kind: 'ServiceCIDR',
    apiVersion: 'networking.k8s.io/v1',
    names: ['servicecidr', 'servicecidrs'],
    clusterWide: true,
  },
  { kind: 'PodMonitor', apiVersion: 'monitoring.coreos.com/v1', names: ['podmonitor', 'podmonitors', 'pmon'] },
  {
    kind: 'PrometheusRule',
    apiVersion: 'monitoring.coreos.com/v1',
    names: ['prometheusrule', 'prometheusrules', 'promrule'],
  },
];

/** An error, in words for the user of the command. */
export class CommandError extends Error {}

/** @throws CommandError for a word that names no kind known here */
export function kindOf(word: string): string {
  const name = word.toLowerCase().replace(/\..*$/, '');
  const found = RESOURCES.find(({ names }) => names.includes(name));
  if (found === undefined) throw new CommandError(`the server doesn't have a resource type "${word}"`);
  return found.kind;
}

function resourceOf(kind: string): (typeof RESOURCES)[number] {
  const found = RESOURCES.find((resource) => resource.kind === kind);
  if (found === undefined) throw new CommandError(`no matches for kind "${kind}"`);
  return found;
}

/** The name kubectl prints for an object: `deployment.apps/client`. */
export function referenceOf({ kind, metadata }: StoredObject): string {
  const { apiVersion, names } = resourceOf(kind);
  const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
  return `${names[0]}${group}/${metadata.name}`;
}

export const matchesLabels = (wanted: Readonly<Record<string, string>>, labels: Record<string, string> = {}): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

/** Counted up for each change, as etcd does. */
let revision = 1000;

export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  #clusterIps = 10;

  constructor() {
    this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }, 'default');
    this.apply(
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'ServiceCIDR',
        metadata: { name: 'kubernetes' },
        spec: { cidrs: ['10.96.0.0/16'] },
      } as unknown as Manifest,
      'default',
    );
  }

  #key(kind: string, namespace: string, name: string): string {
    return resourceOf(kind).clusterWide === true ? `${kind}//${name}` : `${kind}/${namespace}/${name}`;
  }

  /** In the order of their names, as the server lists. */
  list(kind: string, namespace?: string): StoredObject[] {
    return [...this.#objects.values()]
      .filter(
        (object) => object.kind === kind && (namespace ?? object.metadata.namespace) === object.metadata.namespace,
      )
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  find(kind: string, namespace: string, name: string): StoredObject | undefined {
    return this.#objects.get(this.#key(kind, namespace, name));
  }

  /** @throws CommandError as kubectl says it */
  get(kind: string, namespace: string, name: string): StoredObject {
    const found = this.find(kind, namespace, name);
    if (found !== undefined) return found;
    const { names, apiVersion } = resourceOf(kind);
    const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
    throw new CommandError(`Error from server (NotFound): ${names[1]}${group} "${name}" not found`);
  }

  /** Makes or replaces what the manifest says and keeps what the server has added. @throws CommandError for a wrong manifest */
  apply(manifest: Manifest, defaultNamespace: string): 'created' | 'configured' | 'unchanged' {
    const { clusterWide } = resourceOf(manifest.kind);
    const problems = schemaProblems(manifest) ?? [];
    if (problems.length > 0)
      throw new CommandError(`${manifest.kind} ${manifest.metadata.name}: ${problems.join('; ')}`);
    const namespace = manifest.metadata.namespace ?? defaultNamespace;
    if (clusterWide !== true && !this.#objects.has(`Namespace//${namespace}`))
      throw new CommandError(`Error from server (NotFound): namespaces "${namespace}" not found`);
    const key = this.#key(manifest.kind, namespace, manifest.metadata.name);
    const old = this.#objects.get(key);
    const next = structuredClone(manifest) as unknown as StoredObject;
    if (clusterWide !== true) next.metadata.namespace = namespace;
    Object.assign(next.metadata, {
      uid: old?.metadata['uid'] ?? randomUUID(),
      creationTimestamp: old?.metadata['creationTimestamp'] ?? '2026-01-02T03:04:05Z',
      resourceVersion: old?.metadata['resourceVersion'] ?? String(revision++),
    });
    if (next.kind === 'Service') {
      const clusterIP = old?.spec?.clusterIP ?? next.spec?.clusterIP ?? `10.96.0.${this.#clusterIps++}`;
      next.spec = { type: 'ClusterIP', ...next.spec, clusterIP, clusterIPs: [clusterIP] };
    }
    if (next.kind === 'Deployment') next.spec = { replicas: 1, ...next.spec };
    if (old?.status !== undefined) next.status = old.status;
    if (old !== undefined && isDeepStrictEqual(old, next)) return 'unchanged';
    next.metadata['resourceVersion'] = String(revision++);
    this.#objects.set(key, next);
    return old === undefined ? 'created' : 'configured';
  }

  /** For what a controller makes: no schema, nothing added. */
  put(object: StoredObject): void {
    this.#objects.set(this.#key(object.kind, object.metadata.namespace ?? '', object.metadata.name), object);
  }

  /** A namespace goes with everything in it. */
  delete(object: StoredObject): void {
    for (const [key, other] of this.#objects)
      if (other === object || (object.kind === 'Namespace' && other.metadata.namespace === object.metadata.name))
        this.#objects.delete(key);
  }
}
