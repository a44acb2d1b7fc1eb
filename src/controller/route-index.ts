/**
 * Indexes the routes and Services of a cluster by their relations and by the namespaces that see a route. So the cost
 * of a change depends on what it affects, not on the size of the cluster.
 *
 * Stage before: `objects.ts`. Stage after: `route-sets.ts`, which collects what a namespace needs, and
 * `route-status.ts`. Pure.
 *
 * `export/route-export.ts` defines what a namespace sees: its own routes, and the producer routes of the namespaces it
 * has chosen.
 */
import type { RouteEntry, ServiceEntry } from './objects.ts';

/** A namespace whose pods need routes. */
export interface ClientNamespace {
  readonly name: string;
  /** Null: the producer routes of all namespaces. */
  readonly routesFrom: readonly string[] | null;
}

export class RouteIndex {
  readonly #routes = new Map<string, RouteEntry>();
  readonly #services = new Map<string, ServiceEntry>();
  readonly #byNamespace = new Map<string, Set<RouteEntry>>();
  /** By Service: the routes that name it as a parent or as a backend. */
  readonly #byService = new Map<string, Set<RouteEntry>>();
  readonly #clients = new Map<string, ClientNamespace>();
  /** Clients that see all namespaces, and by namespace the clients that have chosen it. */
  readonly #unlimited = new Set<string>();
  readonly #listeners = new Map<string, Set<string>>();
  /** Changes whenever `producers` or their Services change. */
  #producerVersion = 0;

  get routes(): ReadonlyMap<string, RouteEntry> {
    return this.#routes;
  }

  get services(): ReadonlyMap<string, ServiceEntry> {
    return this.#services;
  }

  get clients(): ReadonlyMap<string, ClientNamespace> {
    return this.#clients;
  }

  get producerVersion(): number {
    return this.#producerVersion;
  }

  routesOf(namespace: string): Iterable<RouteEntry> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  routesNaming(service: string): Iterable<RouteEntry> {
    return this.#byService.get(service) ?? [];
  }

  /** Replaces the entry with the same key. */
  setRoute(route: RouteEntry): void {
    this.#dropRoute(route.key);
    this.#routes.set(route.key, route);
    insert(this.#byNamespace, route.namespace, route);
    for (const service of route.services) insert(this.#byService, service, route);
    if (route.producer) this.#producerVersion++;
  }

  removeRoute(key: string): void {
    this.#dropRoute(key);
  }

  /** Replaces an entry that differs only in parts that sets do not contain. */
  refreshRoute(route: RouteEntry): void {
    const version = this.#producerVersion;
    this.setRoute(route);
    this.#producerVersion = version;
  }

  #dropRoute(key: string): void {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    this.#routes.delete(key);
    drop(this.#byNamespace, route.namespace, route);
    for (const service of route.services) drop(this.#byService, service, route);
    if (route.producer) this.#producerVersion++;
  }

  setService(service: ServiceEntry): void {
    this.#services.set(service.key, service);
    this.#touchService(service.key);
  }

  removeService(key: string): void {
    if (this.#services.delete(key)) this.#touchService(key);
  }

  #touchService(key: string): void {
    for (const route of this.routesNaming(key)) {
      if (!route.producer) continue;
      this.#producerVersion++;
      return;
    }
  }

  setClient(client: ClientNamespace): void {
    this.removeClient(client.name);
    this.#clients.set(client.name, client);
    if (client.routesFrom === null) this.#unlimited.add(client.name);
    else for (const namespace of client.routesFrom) insert(this.#listeners, namespace, client.name);
  }

  removeClient(name: string): void {
    const client = this.#clients.get(name);
    if (client === undefined) return;
    this.#clients.delete(name);
    this.#unlimited.delete(name);
    for (const namespace of client.routesFrom ?? []) drop(this.#listeners, namespace, name);
  }

  /** Names of the clients that see the route. */
  *seenBy(route: RouteEntry): Generator<string> {
    if (this.#clients.has(route.namespace)) yield route.namespace;
    if (!route.producer) return;
    for (const name of this.#unlimited) if (name !== route.namespace) yield name;
    for (const name of this.#listeners.get(route.namespace) ?? []) if (name !== route.namespace) yield name;
  }

  /** Names of the clients that see some route that names the Service. */
  clientsOf(service: string): Set<string> {
    const found = new Set<string>();
    for (const route of this.routesNaming(service)) for (const name of this.seenBy(route)) found.add(name);
    return found;
  }

  /** Routes of other kinds with a common parent: different kinds conflict. */
  rivalsOf(route: RouteEntry): RouteEntry[] {
    const rivals = new Set<RouteEntry>();
    for (const parent of route.parents) {
      for (const other of this.routesNaming(parent)) {
        if (other.kind !== route.kind && other.parents.includes(parent)) rivals.add(other);
      }
    }
    return [...rivals];
  }
}

function insert<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function drop<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set?.delete(value) === true && set.size === 0) map.delete(key);
}
