/**
 * Matches for one path, tried in precedence order; the first whose predicates hold wins.
 *
 * Stage before: `routing/path-index.ts`. Stage after: `routing/decide.ts`.
 *
 * A list with many matches on the same header (one rule per tenant, say) is not scanned: those matches are filed under
 * the value they require, and only the file of the request's own value is tried.
 */
import type { HttpMethod, HttpRouteMatch, RouteMatch } from '../gateway-api/types.ts';
import type { Steps } from '../slices.ts';
import { patternOf, type IndexedPath, type PathPattern } from './match-place.ts';
import type { WeightedPicker } from './picker.ts';
import type { RankedMatch } from './precedence.ts';
import { FieldPredicate, type RequestReader, type SlotNames } from './predicates.ts';
import type { CompiledRule, Share } from './rule.ts';
import { StringIndex, type IndexEntry } from './string-index.ts';

/** Shared, so that the many matches without such predicates do not each touch an array of their own. */
const NO_PREDICATES: readonly FieldPredicate[] = [];
const NONE: HttpRouteMatch['queryParams'] = [];

/** What is tried for a path: the matches of an exact path, of a prefix, or those with a pattern. */
export interface Candidates extends IndexEntry {
  /** They are tried before the patterns of their frontend. */
  readonly beforePatterns: boolean;
  /** Those of the longest shorter prefix. */
  readonly shorter: Candidates | null;
  /** In precedence order. */
  readonly matches: readonly CompiledMatch[];
  /** The first match in precedence order that holds, null when none does. Hot path: bench/micro/decide.ts. */
  find(request: RequestReader): CompiledMatch | null;
}

/** Where candidates stand among the paths of their frontend. */
export interface Place extends Pick<IndexedPath, 'path' | 'beforePatterns'> {
  readonly shorter: Candidates | null;
}

/** `matches`: all those of one place, in precedence order. */
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
 * One entry of `rules[].matches`; all it asks for must hold.
 *
 * Most are the only one of their path, or of the value of a header, and are then found in an index without anything in
 * between. What a decision looks at comes first, so that it is together in memory.
 */
export class CompiledMatch implements Candidates {
  hash = 0;
  /** The path, when the match stands alone; the value under which it is filed, when it is; else empty. */
  key = '';
  /** Nothing is left to test when the match is tried. */
  private unconditional = false;
  beforePatterns = false;
  /** Of `rule`; null when that has more to say than which share. */
  readonly picker: WeightedPicker<Share> | null;
  shorter: Candidates | null = null;
  /** The next one in precedence order that is filed under the same value. */
  nextFiled: CompiledMatch | null = null;
  /** Position in the precedence order of the frontend. */
  readonly order: number;
  /** Case-sensitive; GET does not cover HEAD. */
  readonly method: HttpMethod | null;
  /** Of `headers`, those that are not known to hold when the match is tried. */
  private tested: readonly FieldPredicate[];
  readonly queryParams: readonly FieldPredicate[];
  /** Tested here; exact paths and prefixes are the path index's business. */
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

  /** It is the only one of its place. */
  standAlone({ path, beforePatterns, shorter }: Place): void {
    this.key = path;
    this.beforePatterns = beforePatterns;
    this.shorter = shorter;
  }

  find(request: RequestReader): CompiledMatch | null {
    return this.test(request) ? this : null;
  }

  /** From now on the match is tried only when `header` holds. */
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

/** The names that the matches of a frontend look at. */
export interface Slots {
  readonly headers: SlotNames;
  readonly queryParams: SlotNames;
}

/** Lists up to this length are scanned: a few comparisons cost less than a hash. */
const SCAN_MAX = 8;

/** The matches of a list that require some value of one header, by that value. */
interface HeaderFile {
  readonly slot: number;
  /** The first in precedence order; the others follow by `nextFiled`. */
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

  /** Each of `matches` is scanned or in a file. */
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

/** The first from `candidate` on that holds, unless `best` comes before it. */
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

/** Files each match under the exact header whose name the most matches of the list share. */
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
  /** By slot and value, the last match filed there. */
  const last = new Map<number, Map<string, CompiledMatch>>();
  const first = new Map<number, CompiledMatch[]>();
  for (const [index, match] of matches.entries()) {
    if (index % MATCHES_PER_STEP === 0) yield;
    let chosen: FieldPredicate | null = null;
    for (const header of match.headers) {
      if (header.exact === null) continue;
      if (chosen === null || users.get(header.slot)! > users.get(chosen.slot)!) chosen = header;
    }
    // A name that few matches share is cheaper to compare than to hash.
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
