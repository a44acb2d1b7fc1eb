/**
 * What a route set is: the routes and Services that a namespace needs, in up to eight ConfigMaps, of which a reader takes all or
 * none.
 *
 *     ConfigMap sideroute-set-0     binaryData: sideroute-set-0.gz     {"sideroute":"route-set","format":1,"generation":7,
 *                                                                      "shard":0,"shards":{"3":"<hash>"},"items":[...]}
 *                                               sideroute-set-previous.gz     what sideroute-set-0.gz was before
 *     ConfigMap sideroute-set-3     binaryData: sideroute-set-3.gz     {"sideroute":"route-set","format":1,"shard":3,"items":[...]}
 *
 * Each is gzip, of one or several members, of one JSON document with its items on a line each. A hash is the hex SHA-256 of a
 * document; that of the set is of shard 0 with generation 0 in its place, and covers the others through their hashes. A set is
 * complete when every shard that shard 0 names is there with that hash.
 *
 * A large set has its items in parts, and each part has two shards: a changed part is written into the one that the set there does
 * not name, and shard 0, written last, names that one instead. So the set there stays whole until the new one is, whoever stops
 * between two writes, and one write changes from one to the other. A kubelet may learn of shard 0 before it learns of the shards
 * that it names: then the set before, which shard 0 brings along, is whole.
 *
 * Written by the controller (`encode.ts`, `place.ts`), read by the sidecar (`decode.ts`). docs/configuration.md has the format for
 * other writers.
 */

export const FORMAT = 1;
/** Shard 0 names the others, and holds the items of a small set. */
export const SHARDS = 8;
/** Of a set that does not fit into shard 0. */
export const PARTS = 3;
/** 15 digits: what a reader takes. */
export const MAX_GENERATION = 999_999_999_999_999;
/** Compressed: in base64 it fits into a ConfigMap. */
export const MAX_SHARD_BYTES = 700 * 1024;
/** Of a shard, decompressed. */
export const MAX_TEXT_BYTES = 8 * 1024 * 1024;

/** The two shards of a part, from 0 on. Shard 7 is none of them; readers take it all the same. */
export function shardsOf(part: number): readonly [number, number] {
  return [1 + 2 * part, 2 + 2 * part];
}

/** Of the ConfigMap. */
export function shardName(index: number): string {
  return `sideroute-set-${index}`;
}

/** All that a set may have. */
export function shardNames(): string[] {
  return Array.from({ length: SHARDS }, (_, index) => shardName(index));
}

/** Of the key of a shard, under which it is mounted. */
export function shardKey(index: number): string {
  return `${shardName(index)}.gz`;
}

/** In the ConfigMap of shard 0, so that both are written at once: shard 0 of the set before. */
export const PREVIOUS_KEY = 'sideroute-set-previous.gz';

const SHARD_FILE = /^(|.*\/)(?:configmap\/[^/:]*:)?sideroute-set-([0-7]|previous)\.gz$/s;

export interface ShardFile {
  /** What stands before its name; shards of one place belong together. */
  readonly place: string;
  readonly index: number;
  /** It is shard 0 of the set before. */
  readonly previous: boolean;
}

/** Which shard a file is, null when it is none. */
export function shardFile(name: string): ShardFile | null {
  const match = SHARD_FILE.exec(name);
  if (match === null) return null;
  const previous = match[2] === 'previous';
  return { place: match[1]!, index: previous ? 0 : Number(match[2]), previous };
}
