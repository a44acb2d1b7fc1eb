/**
 * Turns the bytes of the route files into a snapshot. Parses changed files, and keeps the last good content of files
 * that are broken now (`held-resources.ts` does the same for routes).
 *
 * Stage before: `directory-reader.ts`. Stage after: `attach.ts`, which receives the snapshot.
 */
import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { ParsedFile, Problem, Resource } from '../gateway-api/types.ts';
import type { TextLayout } from '../gateway-api/yaml-tree.ts';
import { shardFile } from '../route-set/format.ts';
import type { DirectoryRead, FileFailure, FileRead } from './directory-reader.ts';
import { keepLastGood, type FileLosses } from './held-resources.ts';
import { RouteSetFiles, type TornSet } from './route-set-files.ts';
import type { ConfigSnapshot, RouteSetVersion } from './snapshot.ts';

/**
 * `parseRouteFile` of `gateway-api/parse.ts`: at once, in slices or in another thread. An exception or rejection is a
 * bug; the file is then treated as unparsable.
 */
export type ParseFile = (file: string, text: string, layout?: TextLayout) => ParsedFile | Promise<ParsedFile>;

interface FileState {
  readonly digest: string;
  readonly problems: readonly Problem[];
  /** The last content that could be parsed; null when there is none. */
  readonly good: GoodContent | null;
  /** True when the current file cannot be read or parsed, so that `good` is older. */
  readonly broken: boolean;
}

interface GoodContent extends FileLosses {
  readonly resources: readonly Resource[];
}

/** A problem with a whole file or directory, located at its first document. */
function wholeFileProblem(file: string, code: string, message: string): Problem {
  return { severity: 'error', code, file, document: 1, line: null, resource: null, path: '', message };
}

/**
 * The files of one route directory over time. `update` calls must not overlap.
 *
 * The generation counts changes of content. `unreadable` keeps content, hash and generation and only withdraws `valid`.
 */
export class RouteFiles {
  readonly #parse: ParseFile;
  readonly #holdRoutes: boolean;
  #files = new Map<string, FileState>();
  #snapshot: ConfigSnapshot | null = null;
  #ignored: readonly string[] = [];
  /** True when the last read of the directory failed. */
  #unreadable = false;
  /**
   * Route sets, by the part of the path before the names of their shards. For a directory this is empty; commands that
   * read several directories have several.
   */
  #sets = new Map<string, RouteSetFiles>();
  #setProblems: readonly Problem[] = [];
  readonly #tornAfterMs: number | undefined;

  /**
   * `holdRoutes`: serve the previous version of a route while its version in the files is refused. `tornAfterMs`: how
   * long a route set may be torn before this is a problem.
   */
  constructor(parse: ParseFile, holdRoutes = true, tornAfterMs?: number) {
    this.#parse = parse;
    this.#holdRoutes = holdRoutes;
    this.#tornAfterMs = tornAfterMs;
  }

  /** The route set that is incomplete now; null when there is none. */
  get tornSet(): TornSet | null {
    for (const set of this.#sets.values()) if (set.torn !== null) return set.torn;
    return null;
  }

  /** Milliseconds until an update may give another snapshot although nothing changes in the directory. */
  get dueInMs(): number {
    return Math.min(...[...this.#sets.values()].map((set) => set.dueInMs ?? Number.POSITIVE_INFINITY));
  }

  /**
   * Processes a consistent read. Parses the changed files, one for each turn of the event loop, so that many files do
   * not delay traffic. Returns the new snapshot; null when nothing changed.
   */
  async update(read: DirectoryRead): Promise<ConfigSnapshot | null> {
    const files = new Map<string, FileState>();
    const plain = read.files.filter(({ name }) => shardFile(name) === null);
    for (const file of plain) {
      const known = this.#files.get(file.name);
      if (known?.digest === file.digest) {
        files.set(file.name, known);
        continue;
      }
      files.set(file.name, await this.#parseFile(file, known?.good ?? null));
      await yieldToEventLoop();
    }
    await this.#updateSets(read.files);
    const sets = [...this.#sets.values()];
    const setProblems = sets.flatMap((set) => set.problems);
    const sameSetProblems = JSON.stringify(setProblems) === JSON.stringify(this.#setProblems);
    const routeSet = sets.find(({ version }) => version !== null)?.version ?? null;
    const hash = hashContent(plain, routeSet);
    const previous = this.#snapshot;
    const sameIgnored = read.ignored.join('/') === this.#ignored.join('/');
    if (previous?.hash === hash && sameIgnored && sameSetProblems && !this.#unreadable) return null;
    this.#files = files;
    this.#ignored = read.ignored;
    this.#setProblems = setProblems;
    this.#unreadable = false;

    const states = [...files.values()];
    const shards = sets.flatMap((set) => set.contents);
    const problems = [
      ...setProblems,
      ...[...states, ...shards].flatMap((state) => state.problems),
      ...read.ignored.map(ignoredFile),
    ];
    const contents = [...states.flatMap((state) => (state.good === null ? [] : [state.good])), ...shards];
    const found = contents.flatMap((content) => content.resources);
    const { resources, held } = this.#holdRoutes
      ? keepLastGood(found, contents, previous?.resources ?? [])
      : { resources: found, held: [] };
    const heldFiles = [...files].filter(([, state]) => state.broken && state.good !== null).map(([name]) => name);
    return this.#publish({
      generation: nextGeneration(previous, hash),
      hash,
      valid: heldFiles.length === 0 && !problems.some((problem) => problem.severity === 'error'),
      resources,
      problems,
      routeSet,
      heldFiles,
      heldRoutes: held,
    });
  }

  async #updateSets(files: readonly FileRead[]): Promise<void> {
    const places = new Map<string, FileRead[]>([...this.#sets.keys()].map((place) => [place, []]));
    for (const file of files) {
      const place = shardFile(file.name)?.place;
      if (place !== undefined) places.set(place, [...(places.get(place) ?? []), file]);
    }
    const parse = async (file: string, text: string): Promise<ParsedFile> => this.#parse(file, text, 'route-set');
    for (const [place, shards] of places) {
      const set = this.#sets.get(place) ?? new RouteSetFiles(parse, this.#tornAfterMs);
      await set.update(shards);
      if (shards.length === 0) this.#sets.delete(place);
      else this.#sets.set(place, set);
    }
  }

  /**
   * For a directory that cannot be read: the last good content stays, marked invalid. Null when that is known already.
   */
  unreadable(directory: string, code: string, message: string): ConfigSnapshot | null {
    const previous = this.#snapshot;
    const problem = wholeFileProblem(directory, code, message);
    if (this.#unreadable && previous?.problems[0]?.message === message) return null;
    const hash = previous?.hash ?? hashFiles([]);
    const kept = this.#unreadable ? (previous?.problems.slice(1) ?? []) : (previous?.problems ?? []);
    this.#unreadable = true;
    return this.#publish({
      generation: nextGeneration(previous, hash),
      hash,
      valid: false,
      resources: previous?.resources ?? [],
      problems: [problem, ...kept],
      routeSet: previous?.routeSet ?? null,
      heldFiles: previous?.heldFiles ?? [],
      heldRoutes: previous?.heldRoutes ?? [],
    });
  }

  #publish(snapshot: ConfigSnapshot): ConfigSnapshot {
    this.#snapshot = snapshot;
    return snapshot;
  }

  async #parseFile(file: FileRead, good: GoodContent | null): Promise<FileState> {
    const broken = (code: string, message: string): FileState => ({
      digest: file.digest,
      problems: [wholeFileProblem(file.name, code, message)],
      good,
      broken: true,
    });
    const text = decode(file.content);
    if (typeof text !== 'string') return broken(text.code, text.message);
    let parsed: ParsedFile;
    try {
      parsed = await this.#parse(file.name, text);
    } catch (error) {
      return broken('internal', `the parser failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    const { resources, refusedServices: services = [], unidentified = false } = parsed;
    return {
      digest: file.digest,
      problems: parsed.problems,
      good: parsed.unparsable ? good : { file: file.name, resources, services, unidentified },
      broken: parsed.unparsable,
    };
  }
}

/** For a ConfigMap key or file that contains routes but lacks a known ending. */
export function ignoredFile(file: string): Problem {
  const message = 'looks like a route file, but is not read: its name must end in .yaml, .yml or .json';
  return {
    severity: 'warning',
    code: 'ignored-file',
    file,
    document: 1,
    line: null,
    resource: null,
    path: '',
    message,
  };
}

function nextGeneration(previous: ConfigSnapshot | null, hash: string): number {
  if (previous === null) return 1;
  return previous.hash === hash ? previous.generation : previous.generation + 1;
}

/** Covers the files and the served route set, but not the shards in the directory: these may be half of a set. */
export function hashContent(
  files: readonly Pick<FileRead, 'name' | 'digest'>[],
  routeSet: RouteSetVersion | null,
): string {
  return hashFiles(routeSet === null ? files : [...files, { name: 'sideroute-set', digest: routeSet.hash }]);
}

/**
 * Equal bytes under equal names give the same hash in every pod, independent of the order in which the file system
 * lists them.
 */
function hashFiles(files: readonly Pick<FileRead, 'name' | 'digest'>[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file.name}\0${file.digest}\n`);
  return hash.digest('hex').slice(0, 16);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(content: Buffer | FileFailure): string | FileFailure {
  if (!Buffer.isBuffer(content)) return content;
  try {
    return utf8.decode(content);
  } catch {
    return { code: 'invalid-utf8', message: 'is not UTF-8 text' };
  }
}
