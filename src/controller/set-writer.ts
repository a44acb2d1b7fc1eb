/**
 * Makes the ConfigMaps of a namespace what its route set is: only what differs is written, data shards before shard 0, which names
 * them, so that a reader never takes half of a change for the whole.
 *
 * Stage before: `route-sets.ts` and `cluster-state.ts`. Stage after: the API server; `nudger.ts` hears of what has changed.
 */
import { KubeError, type KubeClient } from '../kube/client.ts';
import { objectOf, textOf, type Json } from '../kube/json.ts';
import type { Logger } from '../log.ts';
import type { ClusterState } from './cluster-state.ts';
import {
  FIELD_MANAGER,
  GENERATION_ANNOTATION,
  MANAGED_BY_LABEL,
  shardEntry,
  TEXT_HASH_ANNOTATION,
  type ShardEntry,
} from './objects.ts';
import { RepeatGuard } from './repeat-guard.ts';
import type { RouteSets } from './route-sets.ts';
import { isTooLarge, type Shard } from '../route-set/encode.ts';
import { MAX_SHARD_BYTES, shardName, SHARDS } from '../route-set/format.ts';
import { AgainError } from './work-queue.ts';

export interface SetWriterOptions {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly sets: RouteSets;
  readonly logger: Logger;
  /** How long the set of a namespace without sidecars stays. */
  readonly cleanupAfterMs: number;
  /** Comes back to the namespace after a time. */
  readonly later: (namespace: string, ms: number) => void;
  /** The set in the cluster has this hash; `changed`: it has just been written. */
  readonly onSet: (namespace: string, hash: string, changed: boolean) => void;
  readonly now?: () => number;
}

const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const SHARD_NAMES: ReadonlySet<string> = new Set(Array.from({ length: SHARDS }, (_, index) => shardName(index)));

export class SetWriter {
  readonly #options: SetWriterOptions;
  readonly #now: () => number;
  readonly #guard = new RepeatGuard();
  /** Namespaces with a set and without sidecars, and since when. */
  readonly #abandoned = new Map<string, number>();
  /** Namespaces whose set has more than fits; the last one that did stays. */
  readonly tooLarge = new Set<string>();
  writes = 0;
  deletes = 0;
  /** Of those, such as were written though their routes had not changed. */
  repairs = 0;
  /** Last hash that was written or found right. */
  readonly #hashes = new Map<string, string>();

  constructor(options: SetWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Of what is in the cluster, as far as it is known. */
  hashOf(namespace: string): string | null {
    return this.#hashes.get(namespace) ?? null;
  }

  /** Namespaces with a set that is as it is to be. */
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
    // Shard 0 first: without it there is no set.
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) await this.#delete(entry, signal);
    this.#forget(namespace);
    logger.info('a route set without sidecars is removed', { namespace });
  }

  #forget(namespace: string): void {
    this.#abandoned.delete(namespace);
    this.#hashes.delete(namespace);
    this.tooLarge.delete(namespace);
  }

  async #writeSet(namespace: string, signal: AbortSignal): Promise<void> {
    const { state, sets, logger, onSet } = this.#options;
    const set = sets.setFor(namespace);
    const [root, ...others] = set.shards as [Shard, ...Shard[]];
    const present = state.shardsOf(namespace);
    const differs = (shard: Shard): boolean => present.get(shard.name)?.textHash !== shard.textHash;
    const changed = [...others, root].filter(differs);
    const generation = 1 + Math.max(0, ...[...present.values()].map((entry) => entry.generation));
    // Before anything is written: half of a set is of no use.
    const tooLarge = changed.find((shard) => isTooLarge(shard, generation));
    if (tooLarge !== undefined) {
      if (!this.tooLarge.has(namespace)) {
        logger.error('the routes for a namespace are more than its ConfigMaps hold; its last set stays', {
          ...{ namespace, shard: tooLarge.name, bytes: tooLarge.bytes(generation).length, limit: MAX_SHARD_BYTES },
        });
      }
      this.tooLarge.add(namespace);
      return;
    }
    this.tooLarge.delete(namespace);
    if (changed.length > 0) {
      const waitMs = this.#guard.waitMs(namespace, set.hash);
      if (waitMs > 0) {
        this.#options.later(namespace, waitMs);
        return;
      }
    }
    const isRepair = this.#hashes.get(namespace) === set.hash && changed.length > 0;
    if (isRepair) {
      this.repairs++;
      logger.warn('ConfigMaps of a route set were changed or removed by somebody else; they are written again', {
        ...{ namespace, names: changed.map(({ name }) => name) },
      });
    }
    // Its own hash says that of the whole set, so it is written last and only when it differs.
    for (const shard of changed) await this.#put(namespace, shard, generation, signal);
    const wanted = new Set(set.shards.map(({ name }) => name));
    for (const entry of [...state.shardsOf(namespace).values()]) {
      if (SHARD_NAMES.has(entry.name) && !wanted.has(entry.name)) await this.#delete(entry, signal);
    }
    this.#hashes.set(namespace, set.hash);
    if (changed.length > 0) {
      this.#guard.written(namespace, set.hash);
      logger.debug('a route set is written', {
        namespace,
        hash: set.hash.slice(0, 12),
        shards: changed.length,
        generation,
      });
    }
    onSet(namespace, set.hash, changed.length > 0);
  }

  async #put(namespace: string, shard: Shard, generation: number, signal: AbortSignal): Promise<void> {
    const { client, state } = this.#options;
    const before = state.shardsOf(namespace).get(shard.name) ?? null;
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        ...{ name: shard.name, namespace },
        labels: { [MANAGED_BY_LABEL]: FIELD_MANAGER },
        annotations: { [TEXT_HASH_ANNOTATION]: shard.textHash, [GENERATION_ANNOTATION]: String(generation) },
        ...(before === null ? {} : { resourceVersion: before.resourceVersion }),
      },
      binaryData: { [shard.key]: shard.bytes(generation).toString('base64') },
    };
    try {
      const answer = await client.send({
        ...(before === null
          ? { method: 'POST' as const, path: collection }
          : { method: 'PUT' as const, path: `${collection}/${shard.name}` }),
        ...{ query: { fieldManager: FIELD_MANAGER }, body, accept: METADATA_ONLY, signal },
      });
      this.writes++;
      state.takeShard(shardEntry(answer));
    } catch (error) {
      await this.#refused(error, namespace, shard.name, signal);
    }
  }

  /** What the copy says is not what is there: look, and try again. */
  async #refused(error: unknown, namespace: string, name: string, signal: AbortSignal): Promise<never> {
    const { state } = this.#options;
    if (!(error instanceof KubeError)) throw error;
    if (error.status === 409) {
      const found = await this.#read(namespace, name, signal);
      if (found === null) state.dropShard(namespace, name);
      else state.takeShard(shardEntry(found));
      throw new AgainError(error.message);
    }
    if (error.status === 404) {
      // It has been removed, or the namespace has.
      state.dropShard(namespace, name);
      throw new AgainError(error.message);
    }
    // A policy of the cluster answers 422 too: only one that can never be written again may go.
    if (error.status === 422 && (await this.#removeImmutable(namespace, name, signal))) {
      state.dropShard(namespace, name);
      throw new AgainError(error.message);
    }
    throw error;
  }

  /** False when it is not immutable: then it stays, for it holds the last set. */
  async #removeImmutable(namespace: string, name: string, signal: AbortSignal): Promise<boolean> {
    const { client } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    // Not being there is no reason why a write was refused.
    const found = await client.send({ method: 'GET', path, signal }).catch((error: unknown): Json => {
      if (error instanceof KubeError && error.status === 404) return {};
      throw error;
    });
    if (found['immutable'] !== true) return false;
    const { uid } = objectOf(found, 'metadata');
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...preconditions };
    await client.send({ method: 'DELETE', path, body, signal });
    return true;
  }

  async #read(namespace: string, name: string, signal: AbortSignal): Promise<Json | null> {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    try {
      const found = await this.#options.client.send({ method: 'GET', path, accept: METADATA_ONLY, signal });
      // Of somebody else under our name: it is written over.
      const isOurs = textOf(objectOf(objectOf(found, 'metadata'), 'labels'), MANAGED_BY_LABEL) === FIELD_MANAGER;
      if (isOurs) return found;
      const metadata = { ...objectOf(found, 'metadata'), annotations: {} };
      return { ...found, metadata };
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return null;
      throw error;
    }
  }

  async #delete(entry: ShardEntry, signal: AbortSignal): Promise<void> {
    const { client, state } = this.#options;
    const path = `/api/v1/namespaces/${entry.namespace}/configmaps/${entry.name}`;
    try {
      await client.send({ method: 'DELETE', path, accept: METADATA_ONLY, signal });
      this.deletes++;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
    }
    state.dropShard(entry.namespace, entry.name);
  }
}
