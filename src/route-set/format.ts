/**
 * How a route set is laid out: what the controller writes and the sidecar reads.
 *
 *     ConfigMap sideroute-set-0     binaryData: sideroute-set-0.gz     {"sideroute":"route-set","format":1,"generation":7,"shard":0,
 *                                                                      "shards":{"3":"<hash of its text>"},"items":[...]}
 *     ConfigMap sideroute-set-3     binaryData: sideroute-set-3.gz     {"sideroute":"route-set","format":1,"shard":3,"items":[...]}
 *
 * Each is gzip, of one or several members, of one JSON document. A hash is the hex SHA-256 of a document; that of the set is of shard 0 with
 * generation 0 in its place, and covers the others through their hashes. A set is complete when every shard that shard 0 names is
 * there with that hash.
 */

/** Shard 0 and the data shards. */
export const SHARDS = 8;

/** Compressed; base64 makes 933 KiB of it, and a ConfigMap takes 1 MiB. */
export const MAX_SHARD_BYTES = 700 * 1024;

/** Of the ConfigMap. */
export function shardName(index: number): string {
  return `sideroute-set-${index}`;
}

/** In `binaryData`, and the name of the file in a volume. */
export function shardKey(index: number): string {
  return `${shardName(index)}.gz`;
}
