/**
 * Chooses the shards for a set so that the current set stays complete until the new one is: of the two shards of a
 * part, the one that the current shard 0 does not name.
 *
 * Stage before: `encode.ts`, and what is known about the existing shards. Stage after: the writer, which writes shard 0
 * last.
 */
import { compareItems, contentOf, encodeRoot, type RouteSet, type SetContent, type SetItem } from './encode.ts';
import { shardsOf } from './format.ts';

export interface ShardsThere {
  /** The shards that shard 0 names, with hashes; empty when there is no shard 0 or it contains everything. */
  readonly named: ReadonlyMap<number, string>;
  /** Hashes of the texts of shards; null when unknown. */
  readonly hashes: ReadonlyMap<number, string | null>;
}

const NOTHING: ShardsThere = { named: new Map(), hashes: new Map() };

/** Null when a part has to change but both of its shards are named. */
export function placeSet(content: SetContent, there: ShardsThere = NOTHING): RouteSet | null {
  const { parts } = content;
  if (parts === null) {
    const root = content.whole();
    return { hash: root.textHash, shards: [root] };
  }
  const others = [];
  for (const part of parts) {
    const both = shardsOf(part.part);
    // A named shard with the right content stays; if it is damaged it is rewritten in place.
    const right = both.find((index) => part.in(index).textHash === there.named.get(index));
    const free = both.filter((index) => !there.named.has(index));
    // A shard written before a crash, or left from an earlier time, need not be written again.
    const index = right ?? free.find((each) => there.hashes.get(each) === part.in(each).textHash) ?? free[0];
    if (index === undefined) return null;
    others.push(part.in(index));
  }
  const root = encodeRoot(others, []);
  return { hash: root.textHash, shards: [root, ...others] };
}

/** The set of all items, in any order, placed beside `previous` if given. */
export function encodeSet(items: readonly SetItem[], previous: RouteSet | null = null): RouteSet {
  const content = contentOf([...items].sort(compareItems));
  const [, ...others] = previous?.shards ?? [];
  const named = new Map(others.map(({ index, textHash }) => [index, textHash]));
  return placeSet(content, { named, hashes: named }) ?? placeSet(content)!;
}
