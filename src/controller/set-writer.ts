/**
 * Writes the ConfigMaps of the route set of a namespace: only those that differ, data shards before shard 0, which
 * names them. Shards that shard 0 names are not overwritten, so the existing set stays complete until shard 0 is
 * replaced (`route-set/place.ts`).
 *
 * Stage before: `route-sets.ts` and `cluster-state.ts`. Stage after: the API server; `nudger.ts` is told about changes.
 */
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../log.ts';
import { openShard } from '../route-set/decode.ts';
import { isTooLarge, type RouteSet, type SetContent, type Shard } from '../route-set/encode.ts';
import { MAX_SHARD_BYTES, PREVIOUS_KEY, shardKey, shardName, SHARDS, shardsOf } from '../route-set/format.ts';
import { placeSet, type ShardsThere } from '../route-set/place.ts';
import type { ClusterState } from './cluster-state.ts';
import type { ShardEntry } from './objects.ts';
import { RepeatGuard } from './repeat-guard.ts';
import type { RouteSets } from './route-sets.ts';
import { ShardAccess, type RootExtras } from './shard-access.ts';
import { namesOf, rootThere, shardsThere } from './shards-there.ts';

export interface SetWriterOptions {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly sets: RouteSets;
  readonly logger: Logger;
  /** How long to keep the set of a namespace without sidecars, and a shard that is no longer in the set. */
  readonly cleanupAfterMs: number;
  /** Processes the namespace again after a time. */
  readonly later: (namespace: string, ms: number) => void;
  /** The set in the cluster has this hash. `changed`: it has just been written. */
  readonly onSet: (namespace: string, hash: string, changed: boolean) => void;
  readonly now?: () => number;
}

/**
 * When all shards were named at once, time until they are overwritten: by then kubelets have seen that they are no
 * longer named.
 */
const AGAIN_MS = 5_000;
const ROOT = shardName(0);
const SHARD_NAMES: ReadonlySet<string> = new Set(Array.from({ length: SHARDS }, (_, index) => shardName(index)));

export class SetWriter {
  readonly #options: SetWriterOptions;
  readonly #now: () => number;
  readonly #guard = new RepeatGuard();
  readonly #shards: ShardAccess;
  /** Namespaces with a set but without sidecars, and since when. */
  readonly #abandoned = new Map<string, number>();
  /** Namespaces with shards that are not in their set, and since when. */
  readonly #leftOver = new Map<string, number>();
  /** Namespaces whose set is too large; the last one that fitted stays. */
  readonly tooLarge = new Set<string>();
  /** Sets written although their routes had not changed. */
  repairs = 0;
  /** By namespace: the last hash written or found correct. */
  readonly #hashes = new Map<string, string>();

  constructor(options: SetWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#shards = new ShardAccess(options.client, options.state);
  }

  /** Number of writes of ConfigMaps. */
  get writes(): number {
    return this.#shards.writes;
  }

  get deletes(): number {
    return this.#shards.deletes;
  }

  /** Another replica may have been the leader in the meantime, so what is remembered is outdated. */
  begin(): void {
    this.#hashes.clear();
    this.#abandoned.clear();
    this.#leftOver.clear();
    this.tooLarge.clear();
  }

  /** Hash of the set in the cluster, as far as known. */
  hashOf(namespace: string): string | null {
    return this.#hashes.get(namespace) ?? null;
  }

  /** Number of namespaces with an up-to-date set. */
  get current(): number {
    return this.#hashes.size;
  }

  async write(namespace: string, signal: AbortSignal): Promise<void> {
    const { state } = this.#options;
    if (state.namespace(namespace)?.terminating === true) {
      this.#forget(namespace);
      return;
    }
    if (state.index.clients.has(namespace)) {
      this.#abandoned.delete(namespace);
      await this.#writeSet(namespace, signal);
      return;
    }
    await this.#cleanUp(namespace, signal);
  }

  async #cleanUp(namespace: string, signal: AbortSignal): Promise<void> {
    const { state, cleanupAfterMs, later, logger } = this.#options;
    const entries = [...state.shardsOf(namespace).values()].filter(({ name }) => SHARD_NAMES.has(name));
    if (entries.length === 0 || state.namespace(namespace) === null) {
      this.#forget(namespace);
      return;
    }
    const since = this.#abandoned.get(namespace) ?? this.#now();
    this.#abandoned.set(namespace, since);
    const leftMs = since + cleanupAfterMs - this.#now();
    if (leftMs > 0) {
      later(namespace, leftMs);
      return;
    }
    // Shard 0 is deleted first: without it there is no set.
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) await this.#shards.delete(entry, signal);
    this.#forget(namespace);
    logger.info('a route set without sidecars is removed', { namespace });
  }

  #forget(namespace: string): void {
    this.#abandoned.delete(namespace);
    this.#leftOver.delete(namespace);
    this.#hashes.delete(namespace);
    this.tooLarge.delete(namespace);
  }

  async #writeSet(namespace: string, signal: AbortSignal): Promise<void> {
    const { state, sets, logger, onSet, later } = this.#options;
    // A copy as the basis of the decision: later changes make the writes fail.
    const present = new Map(state.shardsOf(namespace));
    const there = shardsThere(present);
    const generation = 1 + Math.max(0, ...[...present.values()].map((entry) => entry.generation));
    const content = sets.setFor(namespace);
    const set = placeSet(content, there) ?? this.#withoutRoom(namespace, content, generation);
    const [root, ...others] = set.shards as [Shard, ...Shard[]];
    const differs = (shard: Shard): boolean => present.get(shard.name)?.textHash !== shard.textHash;
    const changed = [...others, root].filter(differs);
    // Checked before any write, because a part of a set is of no use.
    if (!this.#fits(namespace, changed, generation)) return;
    if (changed.length > 0) {
      const waitMs = this.#guard.waitMs(namespace, set.hash);
      if (waitMs > 0) {
        later(namespace, waitMs);
        return;
      }
    }
    const isRepair = this.#hashes.get(namespace) === set.hash && changed.length > 0;
    const extras = changed.includes(root) ? await this.#extras(set, present.get(ROOT), there, signal) : null;
    // Shard 0 carries the hash of the whole set, so it is written last and only when it differs.
    for (const shard of changed) {
      const before = present.get(shard.name) ?? null;
      await this.#shards.put(namespace, { shard, generation, before, extras: shard === root ? extras : null }, signal);
    }
    if (isRepair) {
      this.repairs++;
      logger.warn('ConfigMaps of a route set were changed or removed by somebody else; they have been written again', {
        ...{ namespace, names: changed.map(({ name }) => name) },
      });
    }
    if (extras !== null) this.#leftOver.delete(namespace);
    const leftMs = await this.#removeLeftOver(namespace, set, signal);
    const isMoving = others.length === 0 && content.parts !== null;
    if (isMoving) later(namespace, AGAIN_MS);
    else if (leftMs !== null) later(namespace, leftMs);
    this.#hashes.set(namespace, set.hash);
    if (changed.length > 0) {
      this.#guard.written(namespace, set.hash);
      logger.debug('a route set is written', {
        ...{ namespace, hash: set.hash.slice(0, 12), shards: changed.length, generation },
      });
    }
    onSet(namespace, set.hash, changed.length > 0);
  }

  /**
   * For when both shards of a part are in use, for instance by a version that knew only one of them. The set goes into
   * shard 0 for a moment, which takes one write. If it does not fit there, the shards are overwritten.
   */
  #withoutRoom(namespace: string, content: SetContent, generation: number): RouteSet {
    const whole = content.whole();
    if (!isTooLarge(whole, generation)) return { hash: whole.textHash, shards: [whole] };
    this.#options.logger.warn('a route set is written over another one, for want of room beside it', { namespace });
    return placeSet(content)!;
  }

  #fits(namespace: string, changed: readonly Shard[], generation: number): boolean {
    const tooLarge = changed.find((shard) => isTooLarge(shard, generation));
    if (tooLarge === undefined) {
      this.tooLarge.delete(namespace);
      return true;
    }
    if (!this.tooLarge.has(namespace)) {
      this.#options.logger.error('the routes for a namespace are more than its ConfigMaps hold; its last set stays', {
        ...{ namespace, shard: tooLarge.name, bytes: tooLarge.bytes(generation).length, limit: MAX_SHARD_BYTES },
      });
    }
    this.tooLarge.add(namespace);
    return false;
  }

  /** Shard 0 contains a copy of its predecessor, because it may be seen before the shards that it names. */
  async #extras(
    { shards: [, ...others] }: RouteSet,
    before: ShardEntry | undefined,
    there: ShardsThere,
    signal: AbortSignal,
  ): Promise<RootExtras> {
    const names = namesOf(others);
    if (others.length === 0 || before?.textHash == null) return { names, data: {} };
    const bytes = rootThere(before, there) ?? (await this.#shards.bytes(before, shardKey(0), signal));
    if (bytes === null) return { names, data: {} };
    const opened = await openShard(0, bytes);
    const isIt = 'textHash' in opened && opened.textHash === before.textHash;
    return { names, data: isIt ? { [PREVIOUS_KEY]: bytes.toString('base64') } : {} };
  }

  /**
   * Milliseconds until unneeded shards may be removed; null when there are none. They are kept for a while, because a
   * kubelet may not have seen the new shard 0 yet. Both shards of a part stay as long as the part has items.
   */
  async #removeLeftOver(namespace: string, { shards }: RouteSet, signal: AbortSignal): Promise<number | null> {
    const { state, cleanupAfterMs } = this.#options;
    const inUse = new Set(shards.flatMap(({ index }) => (index === 0 ? [0] : shardsOf(Math.floor((index - 1) / 2)))));
    const wanted = new Set([...inUse].map(shardName));
    const leftOver = [...state.shardsOf(namespace).values()].filter(({ name }) => {
      return SHARD_NAMES.has(name) && !wanted.has(name);
    });
    if (leftOver.length === 0) {
      this.#leftOver.delete(namespace);
      return null;
    }
    const since = this.#leftOver.get(namespace) ?? this.#now();
    this.#leftOver.set(namespace, since);
    const leftMs = since + cleanupAfterMs - this.#now();
    if (leftMs > 0) return leftMs;
    for (const entry of leftOver) await this.#shards.delete(entry, signal);
    return null;
  }
}
