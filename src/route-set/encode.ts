/**
 * Routes and Services of a namespace to the shards of its route set.
 *
 * Stage before: the controller, which has the texts. Stage after: ConfigMaps, a volume, the sidecar. Equal items give equal hashes; the
 * generation is in no hash.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { MAX_SHARD_BYTES, shardKey, shardName, SHARDS } from './format.ts';

export interface SetItem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The manifest in JSON. */
  readonly text: string;
}

/** One ConfigMap. */
export interface Shard {
  readonly index: number;
  readonly name: string;
  /** In `binaryData`. */
  readonly key: string;
  readonly textHash: string;
  /** Compressed; not made before it is asked for. */
  bytes(generation: number): Buffer;
}

export interface RouteSet {
  readonly hash: string;
  /** The first is shard 0, which names the others. */
  readonly shards: readonly Shard[];
}

/** Up to here everything is in shard 0, and one change is one write. */
export const SPREAD_BYTES = 256 * 1024;

/** Whether the shard is more than a ConfigMap takes. */
export function isTooLarge(shard: Shard, generation: number): boolean {
  return shard.bytes(generation).length > MAX_SHARD_BYTES;
}

/** Of a data shard: always the same one for an object, so that a change of it rewrites one. */
export function shardOf({ kind, namespace, name }: SetItem): number {
  const digest = createHash('sha256').update(`${kind} ${namespace}/${name}`).digest();
  return 1 + (digest.readUInt32BE(0) % (SHARDS - 1));
}

/** Services before routes, by namespace, name and kind. */
export function compareItems(a: SetItem, b: SetItem): number {
  if ((a.kind === 'Service') !== (b.kind === 'Service')) return a.kind === 'Service' ? -1 : 1;
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name) || compareText(a.kind, b.kind);
}

/** A data shard, from 1 on. */
export function encodeShard(index: number, items: readonly SetItem[]): Shard {
  const text = `{"sideroute":"route-set","format":1,"shard":${index},"items":[${joined(items)}]}`;
  const bytes = once(() => gzipSync(text));
  return { index, ...names(index), textHash: sha256(text), bytes };
}

/** Shard 0 of a set with these data shards. */
export function encodeRoot(others: readonly Shard[], items: readonly SetItem[]): Shard {
  const shards = Object.fromEntries(others.map(({ index, textHash }) => [String(index), textHash]));
  const head = (generation: number): string => `{"sideroute":"route-set","format":1,"generation":${generation},`;
  const rest = `"shard":0,"shards":${JSON.stringify(shards)},"items":[${joined(items)}]}`;
  // Members of a gzip file follow one another: so what namespaces share is compressed once.
  const compressed = once(() => gzipSync(rest));
  return {
    ...{ index: 0, ...names(0), textHash: sha256(head(0) + rest) },
    bytes: (generation) => Buffer.concat([gzipSync(head(generation)), compressed()]),
  };
}

function joined(items: readonly SetItem[]): string {
  return items.map(({ text }) => text).join(',');
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function names(index: number): Pick<Shard, 'name' | 'key'> {
  return { name: shardName(index), key: shardKey(index) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** By code units, so that the order is the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
