/**
 * Matches for one path, tried in precedence order; the first whose predicates hold wins (SPEC P1, P2).
 *
 * Stage before: `routing/path-index.ts`. Stage after: `routing/decide.ts`.
 *
 * A list with many matches on the same header (one rule per tenant, say) is not scanned: those matches are filed under
 * the value they require, and only the file of the request's own value is tried.
 */
import type { HttpRouteMatch } from '../gateway-api/types.ts';
import type { FieldPredicate, Predicates, RequestReader } from './predicates.ts';
import type { Regex } from './regex.ts';
import type { CompiledRule } from './rule.ts';

export class CompiledMatch {
  /** Position in the precedence order of the frontend. */
  readonly order: number;
  readonly match: HttpRouteMatch;
  readonly matchIndex: number;
  readonly rule: CompiledRule;
  readonly predicates: Predicates;
  /** Tested here; exact paths and prefixes are the path index's business. */
  readonly pathRegex: Regex | null;

  constructor(
    order: number,
    match: HttpRouteMatch,
    matchIndex: number,
    rule: CompiledRule,
    predicates: Predicates,
    pathRegex: Regex | null,
  ) {
    this.order = order;
    this.match = match;
    this.matchIndex = matchIndex;
    this.rule = rule;
    this.predicates = predicates;
    this.pathRegex = pathRegex;
  }

  /** Hot path: bench/micro/decide.ts. */
  test(request: RequestReader): boolean {
    return this.predicates.test(request) && (this.pathRegex === null || this.pathRegex.matches(request.head.path));
  }
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
    for (const header of match.predicates.headers) {
      if (header.exact !== null) users.set(header.slot, (users.get(header.slot) ?? 0) + 1);
    }
  }
  const scanned: CompiledMatch[] = [];
  const bySlot = new Map<number, Map<string, CompiledMatch[]>>();
  for (const match of matches) {
    let key: FieldPredicate | null = null;
    for (const header of match.predicates.headers) {
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
