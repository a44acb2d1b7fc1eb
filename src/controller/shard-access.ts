/**
 * Reads, writes and removes single ConfigMaps of route sets. Keeps the copy in `cluster-state.ts` up to date.
 *
 * Stage before: `set-writer.ts`, which decides what is written and in which order. Stage after: the API server.
 */
import { KubeError, type KubeClient } from '../kube/client.ts';
import { objectOf, textOf, type Json } from '../kube/json.ts';
import type { Shard } from '../route-set/encode.ts';
import type { ClusterState } from './cluster-state.ts';
import {
  FIELD_MANAGER,
  GENERATION_ANNOTATION,
  MANAGED_BY_LABEL,
  NAMES_ANNOTATION,
  shardEntry,
  TEXT_HASH_ANNOTATION,
  type ShardEntry,
} from './objects.ts';
import { AgainError } from './work-queue.ts';

/** Additional content of the ConfigMap of shard 0. */
export interface RootExtras {
  /** The shards it names, in JSON. */
  readonly names: string;
  /** Additional keys, in base64. */
  readonly data: Readonly<Record<string, string>>;
}

export interface ShardWrite {
  readonly shard: Shard;
  readonly generation: number;
  readonly before: ShardEntry | null;
  readonly extras: RootExtras | null;
}

const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

export class ShardAccess {
  readonly #client: KubeClient;
  readonly #state: ClusterState;
  writes = 0;
  deletes = 0;

  constructor(client: KubeClient, state: ClusterState) {
    this.#client = client;
    this.#state = state;
  }

  /**
   * `before`: the version to overwrite; null when there is none. The API server refuses the write when the current
   * version is another one, for instance by another leader. `extras`: for shard 0.
   */
  async put(namespace: string, { shard, generation, before, extras }: ShardWrite, signal: AbortSignal): Promise<void> {
    const client = this.#client;
    const state = this.#state;
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        ...{ name: shard.name, namespace },
        labels: { [MANAGED_BY_LABEL]: FIELD_MANAGER },
        annotations: {
          [TEXT_HASH_ANNOTATION]: shard.textHash,
          [GENERATION_ANNOTATION]: String(generation),
          ...(extras === null ? {} : { [NAMES_ANNOTATION]: extras.names }),
        },
        ...(before === null ? {} : { resourceVersion: before.resourceVersion }),
      },
      binaryData: { [shard.key]: shard.bytes(generation).toString('base64'), ...extras?.data },
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

  /** The copy differs from the cluster: read again and retry. */
  async #refused(error: unknown, namespace: string, name: string, signal: AbortSignal): Promise<never> {
    const state = this.#state;
    if (!(error instanceof KubeError)) throw error;
    if (error.status === 409) {
      const found = await this.#read(namespace, name, signal);
      if (found === null) state.dropShard(namespace, name);
      else state.takeShard(shardEntry(found));
      throw new AgainError(error.message);
    }
    if (error.status === 404) {
      // The ConfigMap or its namespace has been removed.
      state.dropShard(namespace, name);
      throw new AgainError(error.message);
    }
    // A policy of the cluster also answers 422. Only an immutable ConfigMap, which can never be written again, is
    // removed.
    if (error.status === 422 && (await this.#removeImmutable(namespace, name, signal))) {
      state.dropShard(namespace, name);
      throw new AgainError(error.message);
    }
    throw error;
  }

  /** False when it is not immutable: it then stays, because it holds the last set. */
  async #removeImmutable(namespace: string, name: string, signal: AbortSignal): Promise<boolean> {
    const client = this.#client;
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    // A missing ConfigMap does not explain why the write was refused.
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
      const found = await this.#client.send({ method: 'GET', path, accept: METADATA_ONLY, signal });
      // An object of another owner under our name is overwritten.
      const isOurs = textOf(objectOf(objectOf(found, 'metadata'), 'labels'), MANAGED_BY_LABEL) === FIELD_MANAGER;
      if (isOurs) return found;
      const metadata = { ...objectOf(found, 'metadata'), annotations: {} };
      return { ...found, metadata };
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return null;
      throw error;
    }
  }

  /** Deletes only this version, because another leader may have used the ConfigMap for its set in the meantime. */
  async delete({ namespace, name, resourceVersion }: ShardEntry, signal: AbortSignal): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { resourceVersion } };
    try {
      await this.#client.send({ method: 'DELETE', path, body, accept: METADATA_ONLY, signal });
      this.deletes++;
      this.#state.dropShard(namespace, name);
    } catch (error) {
      await this.#refused(error, namespace, name, signal).catch((reason: unknown) => {
        // If it is already gone, the goal is reached.
        if (!(error instanceof KubeError) || error.status !== 404) throw reason;
      });
    }
  }

  /** The bytes of a shard; null when it does not exist or its version differs from the copy. */
  async bytes(
    { namespace, name, resourceVersion }: ShardEntry,
    key: string,
    signal: AbortSignal,
  ): Promise<Buffer | null> {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    try {
      const found = await this.#client.send({ method: 'GET', path, signal });
      if (textOf(objectOf(found, 'metadata'), 'resourceVersion') !== resourceVersion) return null;
      const data = textOf(objectOf(found, 'binaryData'), key);
      return data === null ? null : Buffer.from(data, 'base64');
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return null;
      throw error;
    }
  }
}
