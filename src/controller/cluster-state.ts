/**
 * The controller's view of the cluster, and what a change affects: namespaces whose route set may change, routes whose
 * status may change, pods that may not have the current set.
 *
 * Stage before: the watches. Stage after: the queues of `controller.ts`.
 */
import type { ObjectSink } from '../kube/reflector.ts';
import type { Json } from '../kube/json.ts';
import {
  namespaceEntry,
  podEntry,
  routeEntry,
  serviceEntry,
  shardEntry,
  type NamespaceEntry,
  type PodEntry,
  type RouteEntry,
  type ShardEntry,
} from './objects.ts';
import { RouteIndex } from './route-index.ts';
import { isOlder } from './versions.ts';

export interface ChangeListener {
  /** The route set of the namespace may have changed, or its ConfigMaps have been changed. */
  namespaceChanged(name: string): void;
  /** The status of the route, `HTTPRoute namespace/name`, may have to change. */
  routeChanged(key: string): void;
  /** A new pod with a sidecar, or a new pod with the name of an old one. */
  podAdded(pod: PodEntry): void;
  podRemoved(pod: PodEntry): void;
}

/** This namespace gets a set only when it is labelled; sidecars in it do not count. */
const SYSTEM_NAMESPACE = 'kube-system';

export class ClusterState {
  readonly index = new RouteIndex();
  readonly #controllerName: string;
  readonly #listener: ChangeListener;
  readonly #namespaces = new Map<string, NamespaceEntry>();
  readonly #pods = new Map<string, PodEntry>();
  readonly #podsByNamespace = new Map<string, Map<string, PodEntry>>();
  readonly #shards = new Map<string, Map<string, ShardEntry>>();

  constructor(controllerName: string, listener: ChangeListener) {
    this.#controllerName = controllerName;
    this.#listener = listener;
  }

  get pods(): ReadonlyMap<string, PodEntry> {
    return this.#pods;
  }

  podsOf(namespace: string): Iterable<PodEntry> {
    return this.#podsByNamespace.get(namespace)?.values() ?? [];
  }

  shardsOf(namespace: string): ReadonlyMap<string, ShardEntry> {
    return this.#shards.get(namespace) ?? new Map<string, ShardEntry>();
  }

  namespace(name: string): NamespaceEntry | null {
    return this.#namespaces.get(name) ?? null;
  }

  /** All namespaces that have a set or should have one. */
  *namespacesWithSets(): Generator<string> {
    yield* this.index.clients.keys();
    for (const name of this.#shards.keys()) if (!this.index.clients.has(name)) yield name;
  }

  /** `kind`: the kind of the watched routes. */
  routes(kind: string): ObjectSink {
    const prefix = `${kind} `;
    const { routes } = this.index;
    return {
      upsert: (object) => this.takeRoute(object),
      remove: (key) => this.#removeRoute(prefix + key),
      *keys() {
        for (const key of routes.keys()) if (key.startsWith(prefix)) yield key.slice(prefix.length);
      },
    };
  }

  /**
   * Takes the answer to a write by the controller. If the route no longer exists, the answer is outdated: the watch has
   * already reported the deletion and would not report it again.
   */
  takeAnswer(key: string, object: Json): void {
    if (this.index.routes.has(key)) this.takeRoute(object);
  }

  takeRoute(object: Json): void {
    const route = routeEntry(object, this.#controllerName);
    if (route === null) {
      const { metadata, kind } = object as { metadata?: { namespace?: string; name?: string }; kind?: string };
      this.#removeRoute(`${kind ?? ''} ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
      return;
    }
    const before = this.index.routes.get(route.key);
    if (before !== undefined && isOlder(route.resourceVersion, before.resourceVersion)) return;
    // The same object in another version of the API has another path for writes.
    if (before?.resourceVersion === route.resourceVersion && before.apiVersion === route.apiVersion) return;
    if (before?.text === route.text) {
      this.index.refreshRoute(route);
      if (before.status !== route.status || before.generation !== route.generation) {
        this.#listener.routeChanged(route.key);
      }
      return;
    }
    const touched = new Set(before === undefined ? [] : this.#touchedBy(before));
    this.index.setRoute(route);
    for (const concern of this.#touchedBy(route)) touched.add(concern);
    this.#tell(touched);
  }

  #removeRoute(key: string): void {
    const route = this.index.routes.get(key);
    if (route === undefined) return;
    const touched = new Set(this.#touchedBy(route));
    this.index.removeRoute(key);
    this.#tell(touched);
  }

  /** Keys of namespaces and of routes. Route keys contain a space, so they never coincide. */
  *#touchedBy(route: RouteEntry): Generator<string> {
    if (route.parents.length > 0) yield* this.index.seenBy(route);
    yield route.key;
    for (const rival of this.index.rivalsOf(route)) yield rival.key;
  }

  #tell(touched: Iterable<string>): void {
    for (const concern of touched) {
      if (concern.includes(' ')) this.#listener.routeChanged(concern);
      else this.#listener.namespaceChanged(concern);
    }
  }

  services(): ObjectSink {
    const { services } = this.index;
    return {
      upsert: (object) => {
        const service = serviceEntry(object);
        if (service === null) return;
        // Most changes of a Service do not affect routing.
        if (services.get(service.key)?.text === service.text) return;
        this.index.setService(service);
        this.#serviceChanged(service.key);
      },
      remove: (key) => {
        this.index.removeService(key);
        this.#serviceChanged(key);
      },
      keys: () => services.keys(),
    };
  }

  #serviceChanged(key: string): void {
    for (const name of this.index.clientsOf(key)) this.#listener.namespaceChanged(name);
    for (const route of this.index.routesNaming(key)) this.#listener.routeChanged(route.key);
  }

  namespaces(): ObjectSink {
    return {
      upsert: (object) => {
        const entry = namespaceEntry(object);
        this.#namespaces.set(entry.name, entry);
        this.#decideClient(entry.name);
      },
      remove: (name) => {
        this.#namespaces.delete(name);
        this.#decideClient(name);
      },
      keys: () => this.#namespaces.keys(),
    };
  }

  #decideClient(name: string): void {
    const entry = this.#namespaces.get(name);
    const before = this.index.clients.get(name);
    const hasPods = this.#podsByNamespace.has(name) && name !== SYSTEM_NAMESPACE;
    if (entry === undefined || entry.terminating || !(entry.injection || hasPods)) {
      if (before === undefined) return;
      this.index.removeClient(name);
      this.#listener.namespaceChanged(name);
      return;
    }
    if (before !== undefined && before.routesFrom?.join() === entry.routesFrom?.join()) return;
    this.index.setClient({ name, routesFrom: entry.routesFrom });
    this.#listener.namespaceChanged(name);
  }

  podSink(): ObjectSink {
    return {
      upsert: (object) => {
        const pod = podEntry(object);
        if (pod === null) {
          const { namespace = '', name = '' } =
            (object as { metadata?: { namespace?: string; name?: string } }).metadata ?? {};
          this.#removePod(`${namespace}/${name}`);
          return;
        }
        const before = this.#pods.get(pod.key);
        if (before !== undefined && isOlder(pod.resourceVersion, before.resourceVersion)) return;
        if (before !== undefined && before.uid !== pod.uid) this.#removePod(pod.key);
        this.#pods.set(pod.key, pod);
        const ofNamespace = this.#podsByNamespace.get(pod.namespace);
        if (ofNamespace === undefined) {
          this.#podsByNamespace.set(pod.namespace, new Map([[pod.key, pod]]));
          this.#decideClient(pod.namespace);
        } else ofNamespace.set(pod.key, pod);
        if (before?.uid !== pod.uid) this.#listener.podAdded(pod);
      },
      remove: (key) => this.#removePod(key),
      keys: () => this.#pods.keys(),
    };
  }

  #removePod(key: string): void {
    const pod = this.#pods.get(key);
    if (pod === undefined) return;
    this.#pods.delete(key);
    const ofNamespace = this.#podsByNamespace.get(pod.namespace);
    ofNamespace?.delete(key);
    if (ofNamespace?.size === 0) {
      this.#podsByNamespace.delete(pod.namespace);
      this.#decideClient(pod.namespace);
    }
    this.#listener.podRemoved(pod);
  }

  shardSink(): ObjectSink {
    const shards = this.#shards;
    return {
      upsert: (object) => {
        const entry = shardEntry(object);
        const before = shards.get(entry.namespace)?.get(entry.name);
        if (before !== undefined && isOlder(entry.resourceVersion, before.resourceVersion)) return;
        this.takeShard(entry);
        if (before?.resourceVersion !== entry.resourceVersion) this.#listener.namespaceChanged(entry.namespace);
      },
      remove: (key) => {
        const [namespace = '', name = ''] = key.split('/');
        if (shards.get(namespace)?.has(name) !== true) return;
        this.dropShard(namespace, name);
        this.#listener.namespaceChanged(namespace);
      },
      *keys() {
        for (const entries of shards.values()) for (const { key } of entries.values()) yield key;
      },
    };
  }

  /** Also takes the answer to a write by the controller, which may be older than the state reported by the watch. */
  takeShard(entry: ShardEntry): void {
    const ofNamespace = this.#shards.get(entry.namespace);
    const before = ofNamespace?.get(entry.name);
    if (before !== undefined && isOlder(entry.resourceVersion, before.resourceVersion)) return;
    if (ofNamespace === undefined) this.#shards.set(entry.namespace, new Map([[entry.name, entry]]));
    else ofNamespace.set(entry.name, entry);
  }

  dropShard(namespace: string, name: string): void {
    const ofNamespace = this.#shards.get(namespace);
    ofNamespace?.delete(name);
    if (ofNamespace?.size === 0) this.#shards.delete(namespace);
  }
}
