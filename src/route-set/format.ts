/**
 * The format of a route set: the routes and Services that a namespace needs, in up to eight ConfigMaps. A reader takes
 * all of them or none.
 *
 *     ConfigMap sideroute-set-0     binaryData: sideroute-set-0.gz     {"sideroute":"route-set","format":1,"generation":7,
 *                                                                      "shard":0,"shards":{"3":"<hash>"},"items":[...]}
 *                                               sideroute-set-previous.gz     what sideroute-set-0.gz was before
 *     ConfigMap sideroute-set-3     binaryData: sideroute-set-3.gz     {"sideroute":"route-set","format":1,"shard":3,"items":[...]}
 *
 * Each is gzip (one or several members) of one JSON document with one item on each line. A hash is the hex SHA-256 of a
 * document. The hash of the set is that of shard 0 with generation 0, and covers the other shards through their hashes.
 * A set is complete when every shard that shard 0 names exists with the given hash.
 *
 * A large set has its items in parts, and each part has two shards. A changed part is written to the shard that the
 * current set does not name; then shard 0, which is written last, names this shard. So the current set stays complete
 * until the new one is, even if the writer stops in between, and a single write switches from one to the other. A
 * kubelet may see shard 0 before the shards that it names. Then the previous set is complete, because shard 0 contains
 * its own predecessor.
 *
 * Written by the controller (`encode.ts`, `place.ts`), read by the sidecar (`decode.ts`). docs/configuration.md has the
 * format for other writers.
 */

export const FORMAT = 1;
/** Shard 0 names the others, and contains the items of a small set. */
export const SHARDS = 8;
/** Number of parts of a set that does not fit into shard 0. */
export const PARTS = 3;
/** 15 digits, the maximum for a reader. */
export const MAX_GENERATION = 999_999_999_999_999;
/** Maximum compressed size: in base64 it fits into a ConfigMap. */
export const MAX_SHARD_BYTES = 700 * 1024;
/** Maximum decompressed size of a shard. */
export const MAX_TEXT_BYTES = 8 * 1024 * 1024;

/** The two shards of a part, which counts from 0. Shard 7 is not used, but readers accept it. */
export function shardsOf(part: number): readonly [number, number] {
  return [1 + 2 * part, 2 + 2 * part];
}

/** Name of the ConfigMap. */
export function shardName(index: number): string {
  return `sideroute-set-${index}`;
}

/** All possible names. */
export function shardNames(): string[] {
  return Array.from({ length: SHARDS }, (_, index) => shardName(index));
}

/** Key of a shard, and so its file name when mounted. */
export function shardKey(index: number): string {
  return `${shardName(index)}.gz`;
}

/** The previous shard 0. It is in the ConfigMap of shard 0, so that both are written together. */
export const PREVIOUS_KEY = 'sideroute-set-previous.gz';

const SHARD_FILE = /^(|.*\/)(?:configmap\/[^/:]*:)?sideroute-set-([0-7]|previous)\.gz$/s;

export interface ShardFile {
  /** The part of the path before its name; shards with the same place belong together. */
  readonly place: string;
  readonly index: number;
  /** True for the copy of the previous shard 0. */
  readonly previous: boolean;
}

/** The shard of a file name; null for another file. */
export function shardFile(name: string): ShardFile | null {
  const match = SHARD_FILE.exec(name);
  if (match === null) return null;
  const previous = match[2] === 'previous';
  return { place: match[1]!, index: previous ? 0 : Number(match[2]), previous };
}
