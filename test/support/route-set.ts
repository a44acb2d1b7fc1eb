/** Route sets as a controller writes them, for volumes and directories. */
import { encodeSet, type SetItem } from '../../src/route-set/encode.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string; readonly name: string };
}

export function setItem(manifest: object): SetItem {
  const { kind, metadata } = manifest as Manifest;
  return { kind, namespace: metadata.namespace ?? 'shop', name: metadata.name, text: JSON.stringify(manifest) };
}

/** Files of a volume with the set. */
export function setFiles(manifests: readonly object[], generation: number): Record<string, Buffer> {
  const { shards } = encodeSet(manifests.map(setItem));
  return Object.fromEntries(shards.map((shard) => [shard.key, shard.bytes(generation)]));
}

export function setHash(manifests: readonly object[]): string {
  return encodeSet(manifests.map(setItem)).hash;
}
