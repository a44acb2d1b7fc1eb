/**
 * The route set in a directory: parses complete sets, and keeps the last one while another arrives.
 *
 * Stage before: `directory-reader.ts`, through `route-files.ts`. Stage after: the same, which adds the routes of the
 * set to those of the files.
 *
 *     files --changed ones opened--> complete? --yes--> shards whose text is new are parsed --> all of it, at once
 *                                       `-----no------> the last complete one stays; a problem, once this has lasted
 *
 * Only the hash and the resources of a shard are kept, not the text.
 */
import type { ParsedFile, Problem, Resource } from '../gateway-api/types.ts';
import {
  assessSet,
  openShard,
  type CompleteSet,
  type SetState,
  type ShardDamage,
  type ShardHeader,
} from '../route-set/decode.ts';
import { shardFile } from '../route-set/format.ts';
import type { FileRead } from './directory-reader.ts';
import type { FileLosses } from './held-resources.ts';
import type { RouteSetVersion } from './snapshot.ts';

/** Parses the text of a shard. */
export type ParseShard = (file: string, text: string) => Promise<ParsedFile>;

/** What the items of one shard contain. */
export interface ShardContent extends FileLosses {
  readonly textHash: string;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
}

/** A set that is still incomplete. */
export interface TornSet {
  /** The shard that is missing, or of another version. */
  readonly shard: number;
  readonly message: string;
  /** How long it has been torn, in seconds. */
  readonly seconds: number;
}

/** Files by the number of their shard. */
type Files = ReadonlyMap<number, FileRead>;
type NotComplete = Exclude<SetState, { state: 'complete' | 'absent' }>;

interface KnownFile {
  readonly digest: string;
  readonly shard: ShardHeader | ShardDamage;
}

/** Problem code of a bug. */
const INTERNAL = 'internal';

/** A set takes a second or two to arrive when a volume is updated while the set is being written. */
export const TORN_AFTER_MS = 10_000;

export class RouteSetFiles {
  readonly #parse: ParseShard;
  readonly #tornAfterMs: number;
  readonly #now: () => number;
  #known = new Map<string, KnownFile>();
  #version: RouteSetVersion | null = null;
  #contents: readonly ShardContent[] = [];
  #torn: { readonly shard: number; readonly message: string; readonly sinceMs: number } | null = null;
  /** A complete set whose text cannot be parsed: its hash, and why. */
  #refused: { readonly hash: string; readonly problems: readonly Problem[] } | null = null;
  #problems: readonly Problem[] = [];

  constructor(parse: ParseShard, tornAfterMs = TORN_AFTER_MS, now: () => number = () => performance.now()) {
    this.#parse = parse;
    this.#tornAfterMs = tornAfterMs;
    this.#now = now;
  }

  /** The set that is served; null when there is none. */
  get version(): RouteSetVersion | null {
    return this.#version;
  }

  get contents(): readonly ShardContent[] {
    return this.#contents;
  }

  /** Problems of the set as a whole. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get torn(): TornSet | null {
    if (this.#torn === null) return null;
    const { shard, message, sinceMs } = this.#torn;
    return { shard, message, seconds: Math.floor((this.#now() - sinceMs) / 1_000) };
  }

  /** Milliseconds until a torn set becomes a problem; null when none will. */
  get dueInMs(): number | null {
    if (this.#torn === null || this.#problems.length > 0) return null;
    return Math.max(0, this.#torn.sinceMs + this.#tornAfterMs - this.#now());
  }

  /** Takes the current shards, from one consistent read. Calls must not overlap. */
  async update(files: readonly FileRead[]): Promise<void> {
    const current = new Map<number, FileRead>();
    let before: FileRead | null = null;
    for (const file of files) {
      const { index, previous } = shardFile(file.name)!;
      if (previous) before = file;
      else current.set(index, file);
    }
    const state = await this.#assess(current, before);
    if (state.state === 'absent') {
      this.#version = this.#torn = this.#refused = null;
      this.#contents = this.#problems = [];
      return;
    }
    if (state.state === 'complete') {
      this.#torn = null;
      this.#problems = (await this.#take(state, current)) ?? this.#problems;
      return;
    }
    const { previous } = state;
    if (previous !== null && before !== null && this.#lacks(previous, state.hash)) {
      await this.#take(previous, new Map([...current, [0, before]]));
    }
    this.#notComplete(state, current.get(0) ?? files[0]!);
  }

  /** False when a newer set is served, or the very set whose shards are wrong now. */
  #lacks(previous: CompleteSet, hash: string | null): boolean {
    if (this.#version === null) return true;
    return this.#version.hash !== hash && this.#version.generation < previous.generation;
  }

  /**
   * Serves a complete set and returns its problems. Null when its files have been replaced: the next read will find the
   * new ones.
   */
  async #take({ hash, generation, shards }: CompleteSet, files: Files): Promise<readonly Problem[] | null> {
    if (this.#version?.hash !== hash && this.#refused?.hash !== hash) {
      const contents: ShardContent[] = [];
      for (const [index, textHash] of shards) {
        const content = await this.#contentOf(files.get(index)!, textHash);
        if (content === null) return null;
        if (!('textHash' in content)) {
          this.#refused = { hash, problems: content.problems };
          break;
        }
        contents.push(content);
      }
      if (this.#refused?.hash !== hash) this.#contents = contents;
    }
    if (this.#refused?.hash === hash) return this.#refused.problems;
    this.#refused = null;
    this.#version = { generation, hash };
    return [];
  }

  async #assess(current: Files, before: FileRead | null): Promise<SetState> {
    const known = new Map<string, KnownFile>();
    const open = async (index: number, { name, digest, content }: FileRead): Promise<ShardHeader | ShardDamage> => {
      const last = this.#known.get(name);
      const shard = last?.digest === digest ? last.shard : await headerOf(index, content);
      known.set(name, { digest, shard });
      return shard;
    };
    const shards = new Map<number, ShardHeader | ShardDamage>();
    for (const [index, file] of current) shards.set(index, await open(index, file));
    const previous = before === null ? null : await open(0, before);
    this.#known = known;
    return assessSet(shards, previous);
  }

  /** `one`: any file of the set. */
  #notComplete({ state, shard, message }: NotComplete, one: FileRead): void {
    const file = one.name.replaceAll(/sideroute-set-(?:[0-7]|previous)/g, `sideroute-set-${shard}`);
    const kept =
      this.#version === null
        ? 'no route of the set is served'
        : `the routes of generation ${this.#version.generation} are served`;
    if (state === 'damaged') {
      this.#torn = null;
      this.#problems = [setProblem({ code: 'damaged-set', file, message: `${message}; ${kept}` })];
      return;
    }
    // If it is still torn, even at another shard, it has been torn since the first time.
    const sinceMs = this.#torn?.sinceMs ?? this.#now();
    this.#torn = { shard, message, sinceMs };
    // Without an earlier set there are no routes at all, so this is reported at once.
    const lasts = this.#version === null || this.#now() - sinceMs >= this.#tornAfterMs;
    this.#problems = lasts ? [setProblem({ code: 'torn-set', file, message: `${message}; ${kept}` })] : [];
  }

  /**
   * A shard that is served already is not parsed again. A result with only `problems` means that the text cannot be
   * parsed.
   */
  async #contentOf(
    { name, content }: FileRead,
    textHash: string,
  ): Promise<ShardContent | { readonly problems: readonly Problem[] } | null> {
    const known = this.#contents.find((each) => each.file === name && each.textHash === textHash);
    if (known !== undefined) return known;
    const opened = Buffer.isBuffer(content) ? await openShard(shardFile(name)!.index, content) : null;
    if (opened === null || !('text' in opened)) return null;
    const text = opened.text.toString('utf8');
    try {
      const parsed = await this.#parse(name, text);
      const { resources, problems, unparsable, refusedServices: services = [], unidentified = false } = parsed;
      if (unparsable) return { problems };
      return { file: name, textHash, resources, problems, services, unidentified };
    } catch (error) {
      const message = `the parser failed: ${error instanceof Error ? error.message : String(error)}`;
      return { problems: [setProblem({ code: INTERNAL, file: name, message })] };
    }
  }
}

async function headerOf(index: number, content: FileRead['content']): Promise<ShardHeader | ShardDamage> {
  if (!Buffer.isBuffer(content)) return { index, damage: content.message };
  const opened = await openShard(index, content);
  if ('damage' in opened) return opened;
  const { textHash, root } = opened;
  return { index, textHash, root };
}

function setProblem(problem: Pick<Problem, 'code' | 'file' | 'message'>): Problem {
  return { severity: 'error', document: 1, line: null, resource: null, path: '', ...problem };
}
