/**
 * The route set of each namespace: what its clients need according to `export/route-export.ts`, encoded.
 *
 * Stage before: `route-index.ts`. Stage after: `set-writer.ts`.
 *
 * Namespaces that see all others have nearly the same set. So that set is built once, and for each of these namespaces
 * only the parts with its own routes are built anew. The sets of other namespaces are not cached.
 */
import type { RouteEntry, ServiceEntry } from './objects.ts';
import type { RouteIndex } from './route-index.ts';
import {
  compareItems,
  contentOf,
  encodePart,
  encodeRoot,
  partOf,
  SPREAD_BYTES,
  type EncodedPart,
  type SetContent,
} from '../route-set/encode.ts';
import { PARTS } from '../route-set/format.ts';

type Item = RouteEntry | ServiceEntry;

/** All producer routes, with the Services they name. */
interface SharedView {
  readonly version: number;
  readonly items: readonly Item[];
  readonly services: ReadonlySet<string>;
  readonly bytes: number;
  /** By part, as soon as a set needs several parts. */
  parts: readonly (readonly Item[])[] | null;
  content: SetContent | null;
}

export class RouteSets {
  readonly #index: RouteIndex;
  #shared: SharedView | null = null;
  readonly #encoded = new WeakMap<readonly Item[], EncodedPart>();

  constructor(index: RouteIndex) {
    this.#index = index;
  }

  /** `namespace` must be a client. */
  setFor(namespace: string): SetContent {
    const client = this.#index.clients.get(namespace);
    if (client?.routesFrom !== null) return contentOf(this.#gather(namespace, client?.routesFrom ?? []));
    const shared = this.#view();
    const own = this.#ownItems(namespace, shared);
    if (own.length === 0) return (shared.content ??= this.#withShared(shared, []));
    return this.#withShared(shared, own);
  }

  /** The texts in the order of `routes export`, independent of their encoding. */
  itemsOf(namespace: string): string[] {
    const client = this.#index.clients.get(namespace);
    const items =
      client?.routesFrom === null
        ? [...this.#view().items, ...this.#ownItems(namespace, this.#view())].sort(compareItems)
        : this.#gather(namespace, client?.routesFrom ?? []);
    return items.map(({ text }) => text);
  }

  /** Cached while its inputs do not change. */
  #view(): SharedView {
    const version = this.#index.producerVersion;
    if (this.#shared?.version === version) return this.#shared;
    const producers = [...this.#index.routes.values()].filter(({ producer }) => producer);
    const items = this.#withServices(producers);
    const services = new Set(producers.flatMap((route) => route.services));
    this.#shared = { version, items, services, bytes: size(items), parts: null, content: null };
    return this.#shared;
  }

  /** What the namespace needs in addition: consumer routes, and Services that only these name. */
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

  #withShared(shared: SharedView, own: readonly Item[]): SetContent {
    const all = (): Item[] => (own.length === 0 ? [...shared.items] : [...shared.items, ...own].sort(compareItems));
    if (shared.bytes + size(own) <= SPREAD_BYTES) return contentOf(all());
    const byPart = [...(shared.parts ??= partition(shared.items))];
    for (const [part, items] of partition(own).entries()) {
      if (items.length > 0) byPart[part] = [...byPart[part]!, ...items].sort(compareItems);
    }
    const parts = byPart.flatMap((items, part) => (items.length === 0 ? [] : [this.#part(part, items)]));
    return { parts, whole: () => encodeRoot([], all()) };
  }

  #part(part: number, items: readonly Item[]): EncodedPart {
    const known = this.#encoded.get(items) ?? encodePart(part, items);
    this.#encoded.set(items, known);
    return known;
  }
}

function size(items: readonly Item[]): number {
  return items.reduce((sum, { text }) => sum + text.length, 0);
}

/** Items by part, in their order. */
function partition(items: readonly Item[]): Item[][] {
  const parts: Item[][] = Array.from({ length: PARTS }, () => []);
  for (const item of items) parts[partOf(item)]!.push(item);
  return parts;
}
