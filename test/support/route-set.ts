/** Route sets as a controller writes them, as files of volumes and directories. */
import { partOf, type SetItem } from '../../src/route-set/encode.ts';
import { PREVIOUS_KEY, shardsOf } from '../../src/route-set/format.ts';
import { encodeSet } from '../../src/route-set/place.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string; readonly name: string };
}

export function setItem(manifest: object): SetItem {
  const { kind, metadata } = manifest as Manifest;
  return { kind, namespace: metadata.namespace ?? 'shop', name: metadata.name, text: JSON.stringify(manifest) };
}

/** The shard of an item in a large set that starts empty. */
export function shardOf(item: SetItem): number {
  return shardsOf(partOf(item))[0];
}

/** Files of a volume with the set; always in the same shards. */
export function setFiles(manifests: readonly object[], generation: number): Record<string, Buffer> {
  const { shards } = encodeSet(manifests.map(setItem));
  return Object.fromEntries(shards.map((shard) => [shard.key, shard.bytes(generation)]));
}

/** Files of a volume in which a set has replaced another one, as a controller does it; only `next` has changed. */
export function replacedFiles(
  before: readonly object[],
  after: readonly object[],
  generation: number,
): { readonly before: Record<string, Buffer>; readonly next: Record<string, Buffer>; readonly hash: string } {
  const old = encodeSet(before.map(setItem));
  const set = encodeSet(after.map(setItem), old);
  const filesOf = ({ shards }: typeof set, of: number): Record<string, Buffer> =>
    Object.fromEntries(shards.map((shard) => [shard.key, shard.bytes(of)]));
  const files = filesOf(old, generation - 1);
  const next = { ...filesOf(set, generation), [PREVIOUS_KEY]: files['sideroute-set-0.gz']! };
  return { before: files, next, hash: set.hash };
}

export function setHash(manifests: readonly object[]): string {
  return encodeSet(manifests.map(setItem)).hash;
}
