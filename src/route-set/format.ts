/**
 * What a route set is: the routes and Services that a namespace needs, in up to eight ConfigMaps, of which a reader takes all or
 * none.
 *
 *     ConfigMap sideroute-set-0     binaryData: sideroute-set-0.gz     {"sideroute":"route-set","format":1,"generation":7,
 *                                                                      "shard":0,"shards":{"3":"<hash>"},"items":[...]}
 *     ConfigMap sideroute-set-3     binaryData: sideroute-set-3.gz     {"sideroute":"route-set","format":1,"shard":3,"items":[...]}
 *
 * Each is gzip, of one or several members, of one JSON document with its items on a line each. A hash is the hex SHA-256 of a
 * document; that of the set is of shard 0 with generation 0 in its place, and covers the others through their hashes. A set is
 * complete when every shard that shard 0 names is there with that hash.
 *
 * Written by the controller (`encode.ts`), read by the sidecar (`decode.ts`). docs/configuration.md has the format for other
 * writers.
 */

export const FORMAT = 1;
/** Shard 0 names the others, and holds the items of a small set. */
export const SHARDS = 8;
/** 15 digits: what a reader takes. */
export const MAX_GENERATION = 999_999_999_999_999;
/** Compressed: in base64 it fits into a ConfigMap. */
export const MAX_SHARD_BYTES = 700 * 1024;
/** Of a shard, decompressed. */
export const MAX_TEXT_BYTES = 8 * 1024 * 1024;

/** Of the ConfigMap. */
export function shardName(index: number): string {
  return `sideroute-set-${index}`;
}

/** All that a set may have. */
export function shardNames(): string[] {
  return Array.from({ length: SHARDS }, (_, index) => shardName(index));
}

/** Of its one key, under which it is mounted. */
export function shardKey(index: number): string {
  return `${shardName(index)}.gz`;
}

const SHARD_FILE = /^(|.*\/)(?:configmap\/[^/:]*:)?sideroute-set-([0-7])\.gz$/s;

/**
 * Which shard a file is, null when it is none. `place`: what stands before its name; shards of one place belong together.
 */
export function shardFile(name: string): { readonly place: string; readonly index: number } | null {
  const match = SHARD_FILE.exec(name);
  return match === null ? null : { place: match[1]!, index: Number(match[2]) };
}
