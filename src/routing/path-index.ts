/**
 * Finds the entry of a route table for a request path: an exact path, otherwise the longest prefix of whole segments.
 * The raw path is compared byte by byte; nothing is decoded or normalised.
 *
 * Stage before: `routing/table.ts`, which fills it once. Stage after: `routing/match-list.ts`, which tries the entry
 * found. The only importer of find-my-way.
 *
 * There are two implementations with one contract. find-my-way serves tables of the size people write by hand. It
 * generates a function for each node of its tree, so building costs about 0.1 ms a path, and a large tree runs cold
 * code: 10,000 paths take 2 s to build and 2 us to find. Larger tables use hashing.
 */
import { onDemand } from '../on-demand.ts';
import type { Steps } from '../slices.ts';
import { StringIndex, type IndexEntry } from './string-index.ts';

const findMyWay = onDemand((load) => load('find-my-way') as typeof import('find-my-way'));

/** `null` when neither an exact path nor a prefix matches. Hot path: bench/micro/decide.ts. */
export interface PathIndex<T> {
  find(path: string): T | null;
}

/** The key of each entry is its path; the keys of each list differ. */
export interface IndexedPaths<T extends IndexEntry> {
  /** Exact paths, which start with `/`. */
  readonly exact: readonly T[];
  /** Prefixes without their trailing `/`; the empty prefix matches every path, even one that does not start with `/`. */
  readonly prefixes: readonly T[];
}

function emptyPrefix<T extends IndexEntry>(paths: IndexedPaths<T>): T | null {
  return paths.prefixes.find(({ key }) => key === '') ?? null;
}

/** Up to this number of paths in one route table, find-my-way indexes them. */
export const FIND_MY_WAY_MAX_PATHS = 64;

/**
 * Characters with a meaning for find-my-way: `:` and `*` in patterns; `%`, which it decodes, and `?` and `#`, which end
 * the path, in paths to be found. They are moved up by 0x100 in both. Paths consist of bytes, so no other character is
 * in that range, and escaped paths are equal exactly when the paths are.
 */
const SPECIAL = /[%*:?#]/;

function escapePath(path: string): string {
  if (!SPECIAL.test(path)) return path;
  return path
    .replaceAll('%', '\u0125')
    .replaceAll('*', '\u012a')
    .replaceAll(':', '\u013a')
    .replaceAll('?', '\u013f')
    .replaceAll('#', '\u0123');
}

const unusedHandler = (): void => undefined;

export class RadixPathIndex<T extends IndexEntry> implements PathIndex<T> {
  readonly #router = findMyWay()();
  readonly #everyPath: T | null;

  private constructor(everyPath: T | null) {
    this.#everyPath = everyPath;
  }

  /** Pauses after each path, because the router generates and compiles code for it. */
  static *inSteps<T extends IndexEntry>(paths: IndexedPaths<T>): Steps<RadixPathIndex<T>> {
    const index = new RadixPathIndex(emptyPrefix(paths));
    const exact = new Set<string>();
    for (const entry of paths.exact) {
      exact.add(entry.key);
      index.#add(entry.key, '', entry);
      yield;
    }
    for (const entry of paths.prefixes) {
      if (entry.key !== '' && !exact.has(entry.key)) index.#add(entry.key, '', entry);
      yield;
      index.#add(`${entry.key}/`, '*', entry);
      yield;
    }
    return index;
  }

  #add(path: string, wildcard: '' | '*', value: T): void {
    this.#router.on('GET', escapePath(path) + wildcard, unusedHandler, value);
  }

  find(path: string): T | null {
    if (path.charCodeAt(0) !== 0x2f) return this.#everyPath;
    const found = this.#router.find('GET', escapePath(path));
    return found === null ? null : (found.store as T);
  }
}

/**
 * Two hash tables. A prefix is looked up at each depth (number of segments) at which there is one, deepest first. A
 * table has few depths, and the cost of a lookup does not depend on the number of paths.
 */
export class HashedPathIndex<T extends IndexEntry> implements PathIndex<T> {
  readonly #exact: StringIndex<T>;
  readonly #prefixes: StringIndex<T>;
  readonly #everyPath: T | null;
  /** Depths of all prefixes except the empty one, descending. */
  readonly #depths: Int32Array;
  readonly #deepest: number;
  /** End of the segment at each depth in the path being looked up. */
  readonly #ends: Int32Array;

  private constructor(exact: StringIndex<T>, prefixes: StringIndex<T>, everyPath: T | null, depths: readonly number[]) {
    this.#exact = exact;
    this.#prefixes = prefixes;
    this.#everyPath = everyPath;
    this.#depths = Int32Array.from(depths).sort().reverse();
    this.#deepest = this.#depths[0] ?? 0;
    this.#ends = new Int32Array(this.#deepest + 1);
  }

  static *inSteps<T extends IndexEntry>(paths: IndexedPaths<T>): Steps<HashedPathIndex<T>> {
    const exact = yield* StringIndex.inSteps(paths.exact);
    const prefixes = yield* StringIndex.inSteps(paths.prefixes);
    const depths = new Set(paths.prefixes.map(({ key }) => countSlashes(key)));
    depths.delete(0);
    yield;
    return new HashedPathIndex(exact, prefixes, emptyPrefix(paths), [...depths]);
  }

  find(path: string): T | null {
    if (path.charCodeAt(0) !== SLASH) return this.#everyPath;
    const exact = this.#exact.find(path);
    if (exact !== null) return exact;
    const deepest = this.#deepest;
    let depth = 0;
    let end = 0;
    while (depth < deepest && end < path.length) {
      end = path.indexOf('/', end + 1);
      if (end === -1) end = path.length;
      depth++;
      this.#ends[depth] = end;
    }
    for (const candidate of this.#depths) {
      if (candidate > depth) continue;
      const found = this.#prefixes.findStart(path, this.#ends[candidate]!);
      if (found !== null) return found;
    }
    return this.#everyPath;
  }
}

const SLASH = 0x2f;

function countSlashes(path: string): number {
  let count = 0;
  for (let at = 0; at < path.length; at++) if (path.charCodeAt(at) === SLASH) count++;
  return count;
}

/** `large`: the table has more than `FIND_MY_WAY_MAX_PATHS` paths in all its indexes together. */
export function* createPathIndex<T extends IndexEntry>(paths: IndexedPaths<T>, large: boolean): Steps<PathIndex<T>> {
  return large ? yield* HashedPathIndex.inSteps(paths) : yield* RadixPathIndex.inSteps(paths);
}
