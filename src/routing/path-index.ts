/**
 * Finds what a route table holds for a request path: an exact path, else the longest prefix of whole segments (SPEC M3,
 * M4). The raw path is compared byte for byte; nothing is decoded or normalised (SPEC M6).
 *
 * Stage before: `routing/table.ts`, which fills it once. Stage after: `routing/match-list.ts`, which tries what it finds.
 * The only importer of find-my-way.
 *
 * Two implementations with one contract. find-my-way serves the tables people write by hand. It generates a function
 * for each node of its tree, so that building costs about 0.1 ms a path and a large tree runs cold code: 10,000 paths
 * take 2 s to build and 2 us to find. Larger tables use a trie over segments, whose cost is one hash lookup a segment.
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
const SPECIALS = /[%*:?#]/g;

function escapePath(path: string): string {
  return SPECIAL.test(path)
    ? path.replace(SPECIALS, (character) => String.fromCharCode(character.charCodeAt(0) + 0x100))
    : path;
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

class Segment<T> {
  children: Map<string, Segment<T>> | null = null;
  /** What an exact path that ends here holds. */
  exact: T | null = null;
  /** What a prefix that ends here holds. */
  prefix: T | null = null;
}

export class SegmentPathIndex<T> implements PathIndex<T> {
  readonly #root = new Segment<T>();

  constructor(paths: IndexedPaths<T>) {
    for (const [path, value] of paths.exact) this.#node(path).exact = value;
    for (const [prefix, value] of paths.prefixes) this.#node(prefix).prefix = value;
  }

  #node(path: string): Segment<T> {
    let node = this.#root;
    if (path === '') return node;
    for (const name of path.slice(1).split('/')) {
      node.children ??= new Map();
      let child = node.children.get(name);
      if (child === undefined) {
        child = new Segment<T>();
        node.children.set(name, child);
      }
      node = child;
    }
    return node;
  }

  find(path: string): T | null {
    let node = this.#root;
    let longest = node.prefix;
    if (path.charCodeAt(0) !== 0x2f) return longest;
    let start = 1;
    while (node.children !== null) {
      const slash = path.indexOf('/', start);
      const child = node.children.get(slash === -1 ? path.slice(start) : path.slice(start, slash));
      if (child === undefined) return longest;
      node = child;
      if (slash === -1 && node.exact !== null) return node.exact;
      if (node.prefix !== null) longest = node.prefix;
      if (slash === -1) return longest;
      start = slash + 1;
    }
    return longest;
  }
}

/** `large`: the table has more than `FIND_MY_WAY_MAX_PATHS` paths, in all its indexes together. */
export function createPathIndex<T>(paths: IndexedPaths<T>, large: boolean): PathIndex<T> {
  return large ? new SegmentPathIndex(paths) : new RadixPathIndex(paths);
}
