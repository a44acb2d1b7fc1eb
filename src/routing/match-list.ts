/**
 * Matches for one path, tried in precedence order; the first whose predicates hold wins.
 *
 * Stage before: `routing/path-index.ts`. Stage after: `routing/decide.ts`.
 *
 * A list with many matches on the same header (for instance one rule per tenant) is not scanned. Its matches are
 * indexed by the value they require, and only those for the request's own value are tried.
 */
import type { HttpMethod, HttpRouteMatch, RouteMatch } from '../gateway-api/types.ts';
import type { Steps } from '../slices.ts';
import { patternOf, type IndexedPath, type PathPattern } from './match-place.ts';
import type { WeightedPicker } from './picker.ts';
import type { RankedMatch } from './precedence.ts';
import { FieldPredicate, type RequestReader, type SlotNames } from './predicates.ts';
import type { CompiledRule, Share } from './rule.ts';
import { StringIndex, type IndexEntry } from './string-index.ts';

/** Shared, so that matches without such predicates do not each read an array of their own from memory. */
const NO_PREDICATES: readonly FieldPredicate[] = [];
const NONE: HttpRouteMatch['queryParams'] = [];

/** What is tried for a path: the matches of an exact path, the matches of a prefix, or the matches with a pattern. */
export interface Candidates extends IndexEntry {
  /** True: tried before the patterns of the frontend. */
  readonly beforePatterns: boolean;
  /** The candidates of the longest shorter prefix. */
  readonly shorter: Candidates | null;
  /** In precedence order. */
  readonly matches: readonly CompiledMatch[];
  /** The first match in precedence order that holds; null when none does. Hot path: bench/micro/decide.ts. */
  find(request: RequestReader): CompiledMatch | null;
}

/** The position of candidates among the paths of their frontend. */
export interface Place extends Pick<IndexedPath, 'path' | 'beforePatterns'> {
  readonly shorter: Candidates | null;
}

/** `matches`: all matches of one place, in precedence order. */
export function* createCandidates(place: Place, matches: readonly CompiledMatch[]): Steps<Candidates> {
  const [first, ...more] = matches;
  if (first !== undefined && more.length === 0) {
    first.standAlone(place);
    return first;
  }
  if (matches.length <= SCAN_MAX) return new MatchList(place, matches, matches, NO_FILES);
  const { scanned, files } = yield* fileByHeader(matches);
  return new MatchList(place, matches, scanned, files);
}

/**
 * One entry of `rules[].matches`; all its conditions must hold.
 *
 * Most matches are the only one for their path or header value, so the index points directly to them. The fields that a
 * decision reads come first, so that they are close together in memory.
 */
export class CompiledMatch implements Candidates {
  hash = 0;
  /**
   * The key in the index: the path when this is the only match of its place, the header value when it is indexed by
   * one, otherwise empty.
   */
  key = '';
  /** True: no condition is left to test when the match is tried. */
  private unconditional = false;
  beforePatterns = false;
  /** Picker of `rule`; null when the rule does more than pick a share. */
  readonly picker: WeightedPicker<Share> | null;
  shorter: Candidates | null = null;
  /** The next match in precedence order that is indexed by the same value. */
  nextFiled: CompiledMatch | null = null;
  /** Position in the precedence order of the frontend. */
  readonly order: number;
  /** Case-sensitive; GET does not cover HEAD. */
  readonly method: HttpMethod | null;
  /** Those of `headers` that are still to be tested when the match is tried. */
  private tested: readonly FieldPredicate[];
  readonly queryParams: readonly FieldPredicate[];
  /** Tested here. The path index handles exact paths and prefixes. */
  readonly pattern: PathPattern | null;
  readonly headers: readonly FieldPredicate[];
  readonly rule: CompiledRule;
  readonly match: RouteMatch;
  readonly matchIndex: number;

  constructor(order: number, { match, matchIndex }: RankedMatch, rule: CompiledRule, slots: Slots) {
    const { headers } = match;
    const { method, queryParams } = 'path' in match ? match : { method: null, queryParams: NONE };
    this.rule = rule;
    this.picker = rule.refused === null && rule.responder === null ? rule.picker : null;
    this.order = order;
    this.method = method;
    this.headers =
      headers.length === 0
        ? NO_PREDICATES
        : headers.map((header) => new FieldPredicate(slots.headers.slot(header.name), header));
    this.queryParams =
      queryParams.length === 0
        ? NO_PREDICATES
        : queryParams.map((param) => new FieldPredicate(slots.queryParams.slot(param.name), param));
    this.pattern = patternOf(match);
    this.match = match;
    this.matchIndex = matchIndex;
    this.tested = this.headers;
    this.unconditional = this.isUnconditional();
  }

  get matches(): readonly CompiledMatch[] {
    return [this];
  }

  /** For the only match of a place. */
  standAlone({ path, beforePatterns, shorter }: Place): void {
    this.key = path;
    this.beforePatterns = beforePatterns;
    this.shorter = shorter;
  }

  find(request: RequestReader): CompiledMatch | null {
    return this.test(request) ? this : null;
  }

  /** Indexes the match by a header value: from now on it is tried only when `header` holds. */
  file(header: FieldPredicate, value: string): void {
    this.key = value;
    this.tested = this.headers.length === 1 ? NO_PREDICATES : this.headers.filter((other) => other !== header);
    this.unconditional = this.isUnconditional();
  }

  /** Hot path: bench/micro/decide.ts. */
  test(request: RequestReader): boolean {
    if (this.unconditional) return true;
    if (this.method !== null && this.method !== request.head.method) return false;
    for (const predicate of this.tested) {
      if (!predicate.test(request.header(predicate.slot))) return false;
    }
    for (const predicate of this.queryParams) {
      if (!predicate.test(request.queryParam(predicate.slot))) return false;
    }
    return this.pattern === null || this.pattern.matches(request.head.path);
  }

  private isUnconditional(): boolean {
    return this.method === null && this.tested.length === 0 && this.queryParams.length === 0 && this.pattern === null;
  }
}

/** The names of the fields that the matches of a frontend read. */
export interface Slots {
  readonly headers: SlotNames;
  readonly queryParams: SlotNames;
}

/** Lists up to this length are scanned: a few comparisons are cheaper than a hash. */
const SCAN_MAX = 8;

/** The matches of a list that require a value of one header, indexed by that value. */
interface HeaderFile {
  readonly slot: number;
  /** The first match in precedence order; `nextFiled` links the others. */
  readonly byValue: StringIndex<CompiledMatch>;
}

const NO_FILES: readonly HeaderFile[] = [];
const MATCHES_PER_STEP = 256;

/** Several matches of one place. */
class MatchList implements Candidates {
  hash = 0;
  readonly key: string;
  readonly beforePatterns: boolean;
  readonly shorter: Candidates | null;
  readonly matches: readonly CompiledMatch[];
  readonly #scanned: readonly CompiledMatch[];
  readonly #files: readonly HeaderFile[];

  /** Each of `matches` is either scanned or in one of the files. */
  constructor(
    { path, beforePatterns, shorter }: Place,
    matches: readonly CompiledMatch[],
    scanned: readonly CompiledMatch[],
    files: readonly HeaderFile[],
  ) {
    this.key = path;
    this.beforePatterns = beforePatterns;
    this.shorter = shorter;
    this.matches = matches;
    this.#scanned = scanned;
    this.#files = files;
  }

  find(request: RequestReader): CompiledMatch | null {
    let best = this.#scanned.length === 0 ? null : firstScanned(this.#scanned, request);
    for (const file of this.#files) {
      const value = request.header(file.slot);
      if (value !== null) best = firstFiled(file.byValue.find(value), request, best);
    }
    return best;
  }
}

function firstScanned(matches: readonly CompiledMatch[], request: RequestReader): CompiledMatch | null {
  for (const candidate of matches) if (candidate.test(request)) return candidate;
  return null;
}

/** The first match that holds, starting at `candidate`; `best` when that one comes earlier. */
function firstFiled(
  candidate: CompiledMatch | null,
  request: RequestReader,
  best: CompiledMatch | null,
): CompiledMatch | null {
  for (; candidate !== null; candidate = candidate.nextFiled) {
    if (best !== null && best.order < candidate.order) return best;
    if (candidate.test(request)) return candidate;
  }
  return best;
}

/** Indexes each match by one of its exact headers: the one whose name most matches of the list share. */
function* fileByHeader(
  matches: readonly CompiledMatch[],
): Steps<{ scanned: readonly CompiledMatch[]; files: readonly HeaderFile[] }> {
  const users = new Map<number, number>();
  for (const [index, match] of matches.entries()) {
    if (index % MATCHES_PER_STEP === 0) yield;
    for (const header of match.headers) {
      if (header.exact !== null) users.set(header.slot, (users.get(header.slot) ?? 0) + 1);
    }
  }
  const scanned: CompiledMatch[] = [];
  /** By slot and value: the last match indexed there. */
  const last = new Map<number, Map<string, CompiledMatch>>();
  const first = new Map<number, CompiledMatch[]>();
  for (const [index, match] of matches.entries()) {
    if (index % MATCHES_PER_STEP === 0) yield;
    let chosen: FieldPredicate | null = null;
    for (const header of match.headers) {
      if (header.exact === null) continue;
      if (chosen === null || users.get(header.slot)! > users.get(chosen.slot)!) chosen = header;
    }
    // For a name that few matches share, comparing is cheaper than hashing.
    if (chosen === null || users.get(chosen.slot)! <= SCAN_MAX) {
      scanned.push(match);
      continue;
    }
    const { slot } = chosen;
    const value = chosen.exact!;
    match.file(chosen, value);
    if (!last.has(slot)) {
      last.set(slot, new Map());
      first.set(slot, []);
    }
    const filed = last.get(slot)!.get(value);
    if (filed === undefined) first.get(slot)!.push(match);
    else filed.nextFiled = match;
    last.get(slot)!.set(value, match);
  }
  const files: HeaderFile[] = [];
  for (const [slot, entries] of first) files.push({ slot, byValue: yield* StringIndex.inSteps(entries) });
  return { scanned, files };
}
