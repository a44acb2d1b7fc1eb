/**
 * Finds an entry by a string without creating one: the string looked up may be the beginning of a longer text.
 *
 * Stage before: `routing/table.ts`, which fills it once. Used by `routing/path-index.ts` for paths and by
 * `routing/match-list.ts` for header values.
 *
 * A `Map` would need a new string for each prefix that is tried, and would hash all of it. Here finding an entry needs
 * two memory accesses, the slot and the entry; in a large table most of the time is spent waiting for memory. The hash
 * covers only as many characters as are needed to tell the keys apart, usually the last few.
 */
import type { Steps } from '../slices.ts';

export interface IndexEntry {
  /** Latin-1, like requests. */
  readonly key: string;
  /** Set by the index only. An entry may be in one index at most. */
  hash: number;
}

/** How many characters at the end of a key are hashed, tried in this order; the last value means the whole key. */
const WINDOWS = [4, 8, 16, 32, 1 << 30];
/**
 * At most MAX_SAME_HASH keys share a hash, and on average fewer than one in SAME_HASH_SHARE keys comes after another
 * one with the same hash.
 */
const MAX_SAME_HASH = 8;
const SAME_HASH_SHARE = 4;

/** At least half of the slots are empty, so that a search reads few slots of other entries. */
const SLOTS_PER_ENTRY = 2;
const ENTRIES_PER_STEP = 512;

export class StringIndex<T extends IndexEntry> {
  /** Length of the longest key, -1 when there are no entries. */
  readonly longest: number;
  readonly #slots: readonly (T | null)[];
  readonly #mask: number;
  readonly #window: number;

  private constructor(slots: readonly (T | null)[], window: number, longest: number) {
    this.longest = longest;
    this.#slots = slots;
    this.#mask = slots.length - 1;
    this.#window = window;
  }

  /** Keys must differ. */
  static *inSteps<T extends IndexEntry>(entries: readonly T[]): Steps<StringIndex<T>> {
    let window = 0;
    for (const candidate of WINDOWS) {
      window = candidate;
      if (yield* hashEntries(entries, window)) break;
    }
    let size = 4;
    while (size < entries.length * SLOTS_PER_ENTRY) size *= 2;
    const slots = new Array<T | null>(size).fill(null);
    let longest = -1;
    for (const [index, entry] of entries.entries()) {
      longest = Math.max(longest, entry.key.length);
      let slot = firstSlot(entry.hash) & (size - 1);
      while (slots[slot] !== null) slot = (slot + 1) & (size - 1);
      slots[slot] = entry;
      if (index % ENTRIES_PER_STEP === 0) yield;
    }
    return new StringIndex(slots, window, longest);
  }

  /** The entry whose key is `key`, null when there is none. Hot path: bench/micro/decide.ts. */
  find(key: string): T | null {
    const end = key.length;
    if (end > this.longest) return null;
    const hash = hashEnd(key, end, this.#window);
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = firstSlot(hash) & mask; ; slot = (slot + 1) & mask) {
      // At least half of the slots are empty, so the search ends.
      const entry = slots[slot] as T | null;
      if (entry === null || (entry.hash === hash && entry.key === key)) return entry;
    }
  }

  /** The entry whose key is `text.slice(0, end)`. Hot path: bench/micro/decide.ts. */
  findStart(text: string, end: number): T | null {
    if (end === text.length) return this.find(text);
    if (end > this.longest) return null;
    const hash = hashEnd(text, end, this.#window);
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = firstSlot(hash) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] as T | null;
      if (entry === null) return null;
      // `lastIndexOf(key, 0)` is a fast prefix test: it compares at the beginning only.
      if (entry.hash === hash && entry.key.length === end && text.lastIndexOf(entry.key, 0) === 0) return entry;
    }
  }
}

/**
 * Sets the hash of every entry. Returns false as soon as too many keys share a hash, unless the hash covers the whole
 * key.
 */
function* hashEntries(entries: readonly IndexEntry[], window: number): Steps<boolean> {
  const total = window === WINDOWS.at(-1) ? Number.POSITIVE_INFINITY : entries.length / SAME_HASH_SHARE;
  const users = new Map<number, number>();
  let before = 0;
  for (const [index, entry] of entries.entries()) {
    entry.hash = hashEnd(entry.key, entry.key.length, window);
    const same = users.get(entry.hash) ?? 0;
    users.set(entry.hash, same + 1);
    before += same;
    if (before > total || (same >= MAX_SAME_HASH && total < Number.POSITIVE_INFINITY)) return false;
    if (index % ENTRIES_PER_STEP === 0) yield;
  }
  return true;
}

/** FNV-1a over the last `window` code units of `text.slice(0, end)`. Hot path: bench/micro/decide.ts. */
function hashEnd(text: string, end: number, window: number): number {
  let hash = 0x811c9dc5 ^ end;
  for (let at = end > window ? end - window : 0; at < end; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash | 0;
}

/** The low bits of the hash depend on low bits only, so the higher bits are mixed in. */
function firstSlot(hash: number): number {
  return hash ^ (hash >>> 15);
}
