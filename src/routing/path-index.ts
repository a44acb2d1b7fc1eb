/**
 * Finds what a route table holds for a request path: an exact path, else the longest prefix of whole segments (SPEC M3,
 * M4). The raw path is compared byte for byte; nothing is decoded or normalised (SPEC M6).
 *
 * Stage before: `routing/table.ts`, which fills it once. Stage after: `routing/match-list.ts`, which tries what it finds.
 * The only importer of find-my-way.
 *
 * Two implementations with one contract. find-my-way serves the tables people write by hand. It generates a function
 * for each node of its tree, so that building costs about 0.1 ms a path and a large tree runs cold code: 10,000 paths
 * take 2 s to build and 2 us to find. Larger tables use hashing.
 */
import findMyWay from 'find-my-way';

/** `null` when neither an exact path nor a prefix matches. Hot path: bench/micro/decide.ts. */
export interface PathIndex<T> {
  find(path: string): T | null;
}

export interface IndexedPaths<T> {
  /** By exact path, which starts with `/`. */
  readonly exact: ReadonlyMap<string, T>;
  /** By prefix without its trailing `/`; the empty prefix matches every path, even one that does not start with `/`. */
  readonly prefixes: ReadonlyMap<string, T>;
}

/** Paths in one route table up to which find-my-way indexes them. */
export const FIND_MY_WAY_MAX_PATHS = 64;

/**
 * The characters that find-my-way gives a meaning, in patterns (`:` and `*`) or in paths to be found (`%` is decoded,
 * `?` and `#` end the path). They stand 0x100 higher in both; as paths are bytes, nothing else is up there, so escaped
 * paths are equal exactly when the paths are.
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

export class RadixPathIndex<T> implements PathIndex<T> {
  readonly #router = findMyWay();
  readonly #everyPath: T | null;

  constructor(paths: IndexedPaths<T>) {
    this.#everyPath = paths.prefixes.get('') ?? null;
    for (const [path, value] of paths.exact) this.#add(path, '', value);
    for (const [prefix, value] of paths.prefixes) {
      if (prefix !== '' && !paths.exact.has(prefix)) this.#add(prefix, '', value);
      this.#add(`${prefix}/`, '*', value);
    }
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
 * Two hash tables. A prefix is looked for at each depth (number of segments) that some prefix has, deepest first; the
 * depths of a table are few, and no lookup depends on how many paths there are.
 */
export class HashedPathIndex<T> implements PathIndex<T> {
  readonly #exact: ReadonlyMap<string, T>;
  readonly #prefixes: ReadonlyMap<string, T>;
  readonly #everyPath: T | null;
  /** Depths of the prefixes but the empty one, descending. */
  readonly #depths: Int32Array;
  readonly #deepest: number;
  /** Where the segment of each depth ends in the path being looked for. */
  readonly #ends: Int32Array;

  constructor(paths: IndexedPaths<T>) {
    this.#exact = new Map(paths.exact);
    this.#prefixes = new Map(paths.prefixes);
    this.#everyPath = paths.prefixes.get('') ?? null;
    const depths = new Set([...paths.prefixes.keys()].map((prefix) => prefix.split('/').length - 1));
    depths.delete(0);
    this.#depths = Int32Array.from(depths).sort().reverse();
    this.#deepest = this.#depths[0] ?? 0;
    this.#ends = new Int32Array(this.#deepest + 1);
  }

  find(path: string): T | null {
    if (path.charCodeAt(0) !== 0x2f) return this.#everyPath;
    if (this.#exact.size > 0) {
      const exact = this.#exact.get(path);
      if (exact !== undefined) return exact;
    }
    let depth = 0;
    let end = 0;
    while (depth < this.#deepest && end < path.length) {
      end = path.indexOf('/', end + 1);
      if (end === -1) end = path.length;
      depth++;
      this.#ends[depth] = end;
    }
    for (const candidate of this.#depths) {
      if (candidate > depth) continue;
      const found = this.#prefixes.get(path.slice(0, this.#ends[candidate]));
      if (found !== undefined) return found;
    }
    return this.#everyPath;
  }
}

/** `large`: the table has more than `FIND_MY_WAY_MAX_PATHS` paths, in all its indexes together. */
export function createPathIndex<T>(paths: IndexedPaths<T>, large: boolean): PathIndex<T> {
  return large ? new HashedPathIndex(paths) : new RadixPathIndex(paths);
}
