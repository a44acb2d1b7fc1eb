/**
 * The route set of each namespace: what `export/route-export.ts` says that its clients need, encoded.
 *
 * Stage before: `route-index.ts`. Stage after: `set-writer.ts`.
 *
 * Namespaces that hear of everybody have nearly the same set, so it is made once, and for each of them only the shards anew
 * that hold routes of its own. Nothing is kept of the others.
 */
import type { RouteEntry, ServiceEntry } from './objects.ts';
import type { RouteIndex } from './route-index.ts';
import {
  compareItems,
  encodeRoot,
  encodeShard,
  shardOf,
  SPREAD_BYTES,
  type RouteSet,
  type Shard,
} from '../route-set/encode.ts';
import { SHARDS } from '../route-set/format.ts';

type Item = RouteEntry | ServiceEntry;

/** Every producer route with the Services that they name. */
interface SharedView {
  readonly version: number;
  readonly items: readonly Item[];
  readonly services: ReadonlySet<string>;
  readonly bytes: number;
  /** By shard, once the set is spread. */
  shards: readonly (readonly Item[])[] | null;
  set: RouteSet | null;
}

export class RouteSets {
  readonly #index: RouteIndex;
  #shared: SharedView | null = null;
  readonly #encoded = new WeakMap<readonly Item[], Shard>();

  constructor(index: RouteIndex) {
    this.#index = index;
  }

  /** Of a namespace that is a client. */
  setFor(namespace: string): RouteSet {
    const client = this.#index.clients.get(namespace);
    if (client?.routesFrom !== null) return this.#encode(this.#gather(namespace, client?.routesFrom ?? []));
    const shared = this.#view();
    const own = this.#ownItems(namespace, shared);
    if (own.length === 0) return (shared.set ??= this.#encodeShared(shared, []));
    return this.#encodeShared(shared, own);
  }

  /** Their texts, in the order of `routes export`, however they are encoded. */
  itemsOf(namespace: string): string[] {
    const client = this.#index.clients.get(namespace);
    const items =
      client?.routesFrom === null
        ? [...this.#view().items, ...this.#ownItems(namespace, this.#view())].sort(compareItems)
        : this.#gather(namespace, client?.routesFrom ?? []);
    return items.map(({ text }) => text);
  }

  /** Kept by what they are made of, so that nothing is done twice while nothing changes. */
  #view(): SharedView {
    const version = this.#index.producerVersion;
    if (this.#shared?.version === version) return this.#shared;
    const producers = [...this.#index.routes.values()].filter(({ producer }) => producer);
    const items = this.#withServices(producers);
    const services = new Set(producers.flatMap((route) => route.services));
    this.#shared = { version, items, services, bytes: size(items), shards: null, set: null };
    return this.#shared;
  }

  /** What the namespace needs besides: consumer routes, and Services that nobody else names. */
  #ownItems(namespace: string, shared: SharedView): Item[] {
    const routes = [...this.#index.routesOf(namespace)].filter((route) => !route.producer && route.parents.length > 0);
    return this.#withServices(routes).filter((item) => item.kind !== 'Service' || !shared.services.has(item.key));
  }

  #gather(namespace: string, routesFrom: readonly string[]): Item[] {
    const routes = [...this.#index.routesOf(namespace)].filter(({ parents }) => parents.length > 0);
    for (const from of routesFrom) {
      if (from === namespace) continue;
      for (const route of this.#index.routesOf(from)) if (route.producer) routes.push(route);
    }
    return this.#withServices(routes);
  }

  /** Sorted. */
  #withServices(routes: readonly RouteEntry[]): Item[] {
    const named = new Set(routes.flatMap(({ services }) => services));
    const services = [...named].flatMap((key) => this.#index.services.get(key) ?? []);
    return [...services, ...routes].sort(compareItems);
  }

  #encode(items: readonly Item[]): RouteSet {
    return size(items) <= SPREAD_BYTES ? whole(items) : this.#spread(partition(items));
  }

  #encodeShared(shared: SharedView, own: readonly Item[]): RouteSet {
    if (shared.bytes + size(own) <= SPREAD_BYTES) return whole([...shared.items, ...own].sort(compareItems));
    const shards = [...(shared.shards ??= partition(shared.items))];
    for (const [index, items] of partition(own).entries()) {
      if (items.length > 0) shards[index] = [...shards[index]!, ...items].sort(compareItems);
    }
    return this.#spread(shards);
  }

  #spread(shards: readonly (readonly Item[])[]): RouteSet {
    const others = shards.flatMap((items, index) => (items.length === 0 ? [] : [this.#shard(index, items)]));
    const root = encodeRoot(others, []);
    return { hash: root.textHash, shards: [root, ...others] };
  }

  #shard(index: number, items: readonly Item[]): Shard {
    const known = this.#encoded.get(items);
    if (known !== undefined) return known;
    const shard = encodeShard(index, items);
    this.#encoded.set(items, shard);
    return shard;
  }
}

function whole(items: readonly Item[]): RouteSet {
  const root = encodeRoot([], items);
  return { hash: root.textHash, shards: [root] };
}

function size(items: readonly Item[]): number {
  return items.reduce((sum, { text }) => sum + text.length, 0);
}

/** By shard; in the order of the items. Shard 0 has none. */
function partition(items: readonly Item[]): Item[][] {
  const shards: Item[][] = Array.from({ length: SHARDS }, () => []);
  for (const item of items) shards[shardOf(item)]!.push(item);
  return shards;
}
