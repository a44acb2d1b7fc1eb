/**
 * Describes the current route set of a namespace by the metadata of its ConfigMaps.
 *
 * Stage before: `cluster-state.ts`. Stage after: `route-set/place.ts`, which does not overwrite that set.
 */
import { encodeRoot, type Shard } from '../route-set/encode.ts';
import { shardName, SHARDS } from '../route-set/format.ts';
import type { ShardsThere } from '../route-set/place.ts';
import type { ShardEntry } from './objects.ts';

/** Shards by number, without shard 0. */
function shardsIn(present: ReadonlyMap<string, ShardEntry>): Map<number, ShardEntry> {
  const shards = new Map<number, ShardEntry>();
  for (let index = 1; index < SHARDS; index++) {
    const entry = present.get(shardName(index));
    if (entry !== undefined) shards.set(index, entry);
  }
  return shards;
}

export function shardsThere(present: ReadonlyMap<string, ShardEntry>): ShardsThere {
  const root = present.get(shardName(0));
  const hashes = new Map([...shardsIn(present)].map(([index, { textHash }]) => [index, textHash]));
  if (root === undefined) return { named: new Map(), hashes };
  // Without this information (an older version, or another writer has changed it), shard 0 may name any of the existing
  // shards.
  const named = namedBy(root) ?? new Map([...hashes].map(([index, hash]) => [index, hash ?? '']));
  return { named, hashes };
}

export function namesOf(shards: readonly { readonly index: number; readonly textHash: string }[]): string {
  return JSON.stringify(Object.fromEntries(shards.map(({ index, textHash }) => [String(index), textHash])));
}

/** Null when it is unknown or contradictory. */
function namedBy({ names, textHash }: ShardEntry): Map<number, string> | null {
  const named = namedIn(names);
  if (named === null || named.size === 0 || textHash === null) return named;
  return rootOf(named).textHash === textHash ? named : null;
}

/** Null when it is unreadable. */
function namedIn(text: string | null): Map<number, string> | null {
  try {
    const entries = Object.entries(JSON.parse(text ?? '') as object);
    const fine = entries.every(([name, hash]) => /^[1-7]$/.test(name) && typeof hash === 'string');
    return fine ? new Map(entries.map(([name, hash]) => [Number(name), hash as string])) : null;
  } catch {
    return null;
  }
}

/** Rebuilds the current shard 0 when it has no items; null when it has, or when its metadata is not reliable. */
export function rootThere({ textHash, generation }: ShardEntry, { named }: ShardsThere): Buffer | null {
  if (named.size === 0) return null;
  const root = rootOf(named);
  return root.textHash === textHash ? root.bytes(generation) : null;
}

function rootOf(named: ReadonlyMap<number, string>): Shard {
  return encodeRoot(
    [...named].map(([index, textHash]) => ({ index, textHash })),
    [],
  );
}
