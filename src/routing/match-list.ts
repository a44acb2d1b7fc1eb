/**
 * Matches for one path, tried in precedence order; the first whose predicates hold wins (SPEC P1, P2).
 *
 * Stage before: `routing/path-index.ts`. Stage after: `routing/decide.ts`.
 *
 * A list with many matches on the same header (one rule per tenant, say) is not scanned: those matches are filed under
 * the value they require, and only the file of the request's own value is tried.
 */
import type { HttpMethod, HttpRouteMatch } from '../gateway-api/types.ts';
import type { RankedMatch } from './precedence.ts';
import { FieldPredicate, type RequestReader, type SlotNames } from './predicates.ts';
import { compileRegex, type Regex } from './regex.ts';
import type { CompiledRule } from './rule.ts';

/** Shared, so that the many matches without such predicates do not each touch an array of their own. */
const NO_PREDICATES: readonly FieldPredicate[] = [];

/** One entry of `rules[].matches`; all it asks for must hold (SPEC M2). */
export class CompiledMatch {
  /** Position in the precedence order of the frontend. */
  readonly order: number;
  readonly rule: CompiledRule;
  /** Case-sensitive; GET does not cover HEAD (SPEC M9). */
  readonly method: HttpMethod | null;
  readonly headers: readonly FieldPredicate[];
  readonly queryParams: readonly FieldPredicate[];
  /** Tested here; exact paths and prefixes are the path index's business. */
  readonly pathRegex: Regex | null;
  readonly match: HttpRouteMatch;
  readonly matchIndex: number;

  constructor(order: number, { match, matchIndex }: RankedMatch, rule: CompiledRule, slots: Slots) {
    const { headers, queryParams } = match;
    this.order = order;
    this.rule = rule;
    this.method = match.method;
    this.headers =
      headers.length === 0
        ? NO_PREDICATES
        : headers.map((header) => new FieldPredicate(slots.headers.slot(header.name), header));
    this.queryParams =
      queryParams.length === 0
        ? NO_PREDICATES
        : queryParams.map((param) => new FieldPredicate(slots.queryParams.slot(param.name), param));
    this.pathRegex = match.path.type === 'RegularExpression' ? compileRegex(match.path.value) : null;
    this.match = match;
    this.matchIndex = matchIndex;
  }

  /** Hot path: bench/micro/decide.ts. */
  test(request: RequestReader): boolean {
    if (this.method !== null && this.method !== request.head.method) return false;
    for (const predicate of this.headers) {
      if (!predicate.test(request.header(predicate.slot))) return false;
    }
    for (const predicate of this.queryParams) {
      if (!predicate.test(request.queryParam(predicate.slot))) return false;
    }
    return this.pathRegex === null || this.pathRegex.matches(request.head.path);
  }
}

/** The names that the matches of a frontend look at. */
export interface Slots {
  readonly headers: SlotNames;
  readonly queryParams: SlotNames;
}

/** Lists up to this length are scanned: a few comparisons cost less than a hash. */
const SCAN_MAX = 8;

interface HeaderFile {
  readonly slot: number;
  readonly byValue: ReadonlyMap<string, readonly CompiledMatch[]>;
}

export class MatchList {
  /** Everything, in precedence order. */
  readonly matches: readonly CompiledMatch[];
  readonly #scanned: readonly CompiledMatch[];
  readonly #files: readonly HeaderFile[];

  /** `matches`: in precedence order. */
  constructor(matches: readonly CompiledMatch[]) {
    this.matches = matches;
    if (matches.length <= SCAN_MAX) {
      this.#scanned = matches;
      this.#files = [];
    } else {
      const { scanned, files } = fileByHeader(matches);
      this.#scanned = scanned;
      this.#files = files;
    }
  }

  /** The first match in precedence order that holds, null when none does. Hot path: bench/micro/decide.ts. */
  find(request: RequestReader): CompiledMatch | null {
    let best = firstMatch(this.#scanned, request, null);
    for (const file of this.#files) {
      const value = request.header(file.slot);
      if (value === null) continue;
      const candidates = file.byValue.get(value);
      if (candidates !== undefined) best = firstMatch(candidates, request, best);
    }
    return best;
  }
}

/** The first of `matches` that holds, unless `best` comes before it. */
function firstMatch(
  matches: readonly CompiledMatch[],
  request: RequestReader,
  best: CompiledMatch | null,
): CompiledMatch | null {
  for (const candidate of matches) {
    if (best !== null && best.order < candidate.order) return best;
    if (candidate.test(request)) return candidate;
  }
  return best;
}

/** File each match under the exact header whose name the most matches of the list share. */
function fileByHeader(matches: readonly CompiledMatch[]): { scanned: CompiledMatch[]; files: HeaderFile[] } {
  const users = new Map<number, number>();
  for (const match of matches) {
    for (const header of match.headers) {
      if (header.exact !== null) users.set(header.slot, (users.get(header.slot) ?? 0) + 1);
    }
  }
  const scanned: CompiledMatch[] = [];
  const bySlot = new Map<number, Map<string, CompiledMatch[]>>();
  for (const match of matches) {
    let key: FieldPredicate | null = null;
    for (const header of match.headers) {
      if (header.exact === null) continue;
      if (key === null || users.get(header.slot)! > users.get(key.slot)!) key = header;
    }
    // A name that few matches share is cheaper to compare than to hash.
    if (key === null || users.get(key.slot)! <= SCAN_MAX) {
      scanned.push(match);
      continue;
    }
    let byValue = bySlot.get(key.slot);
    if (byValue === undefined) {
      byValue = new Map();
      bySlot.set(key.slot, byValue);
    }
    const value = key.exact!;
    const filed = byValue.get(value);
    if (filed === undefined) byValue.set(value, [match]);
    else filed.push(match);
  }
  return { scanned, files: [...bySlot].map(([slot, byValue]) => ({ slot, byValue })) };
}
