/**
 * Which shards hold a set, so that the set that is there stays whole until the new one is: of the two shards of a part the one that
 * shard 0 there does not name.
 *
 * Stage before: `encode.ts`, and what is known of the shards that are there. Stage after: whoever writes them, shard 0 last.
 */
import { compareItems, contentOf, encodeRoot, type RouteSet, type SetContent, type SetItem } from './encode.ts';
import { shardsOf } from './format.ts';

export interface ShardsThere {
  /** What shard 0 names, with hashes; nothing when there is no shard 0, or all is in it. */
  readonly named: ReadonlyMap<number, string>;
  /** Hashes of the shards' texts; null where that is not known. */
  readonly hashes: ReadonlyMap<number, string | null>;
}

const NOTHING: ShardsThere = { named: new Map(), hashes: new Map() };

/** Null when some part has to change and both of its shards are named. */
export function placeSet(content: SetContent, there: ShardsThere = NOTHING): RouteSet | null {
  const { parts } = content;
  if (parts === null) {
    const root = content.whole();
    return { hash: root.textHash, shards: [root] };
  }
  const others = [];
  for (const part of parts) {
    const both = shardsOf(part.part);
    // What is named and right stays: if it has been damaged it is written again where it is.
    const right = both.find((index) => part.in(index).textHash === there.named.get(index));
    const free = both.filter((index) => !there.named.has(index));
    // One that was written before a crash, or stands there from an earlier time, need not be written again.
    const index = right ?? free.find((each) => there.hashes.get(each) === part.in(each).textHash) ?? free[0];
    if (index === undefined) return null;
    others.push(part.in(index));
  }
  const root = encodeRoot(others, []);
  return { hash: root.textHash, shards: [root, ...others] };
}

/** The set of all items, in whatever order they come, beside `previous` if it is given. */
export function encodeSet(items: readonly SetItem[], previous: RouteSet | null = null): RouteSet {
  const content = contentOf([...items].sort(compareItems));
  const [, ...others] = previous?.shards ?? [];
  const named = new Map(others.map(({ index, textHash }) => [index, textHash]));
  return placeSet(content, { named, hashes: named }) ?? placeSet(content)!;
}
