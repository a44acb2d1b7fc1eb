/**
 * Compiles an attachment into a route table: per frontend the paths, the matches in precedence order, and through
 * `rule.ts` a decision object for every way a request can end (SPEC A5, M1-M9, P1-P5, E1).
 *
 * Stage before: `config/attach.ts`. Stage after: `routing/decide.ts` and `routing/explain.ts`. A table never changes
 * after compilation; a reload compiles another and replaces it by one assignment. Only the readers and pickers inside
 * it hold state, of one synchronous decision and of the weighted rotation.
 */
import type { Attachment, AttachedFrontend } from '../config/attachment.ts';
import type { HttpRouteRule, Service } from '../gateway-api/types.ts';
import type { CompileDeps, LocalDecision, OriginalDecision, SeriesLabels } from './decision.ts';
import { CompiledMatch, MatchList } from './match-list.ts';
import { createPathIndex, FIND_MY_WAY_MAX_PATHS, type PathIndex } from './path-index.ts';
import { compareMatches, normalizePrefix, type RankedMatch } from './precedence.ts';
import { RequestReader, SlotNames, toWire } from './predicates.ts';
import { compileRule, localDecision, type CompiledRule } from './rule.ts';

/** What the path index holds for one path. */
export interface PathNode {
  /** Matches of type Exact, when the node is an exact path. */
  readonly exact: MatchList | null;
  /** Matches of type PathPrefix with this prefix, then with each shorter one. */
  readonly prefix: PrefixNode | null;
}

export interface PrefixNode {
  readonly matches: MatchList;
  /** The longest shorter prefix. */
  readonly shorter: PrefixNode | null;
}

export interface FrontendTable {
  readonly id: number;
  readonly source: AttachedFrontend;
  /** Null when the only path is the prefix `/`; `everyPath` then serves every request. */
  readonly paths: PathIndex<PathNode> | null;
  readonly everyPath: PathNode;
  readonly regexes: MatchList | null;
  /** All matches in precedence order. */
  readonly matches: readonly CompiledMatch[];
  readonly reader: RequestReader;
  readonly noRoute: LocalDecision;
}

export interface RouteTable {
  /** By frontend id. */
  readonly frontends: readonly (FrontendTable | undefined)[];
  /** Tunnelled unread: no request of theirs ever gets here. */
  readonly opaque: readonly AttachedFrontend[];
  /** For a frontend that is in no table any more (SPEC A5). */
  readonly original: OriginalDecision;
}

const NO_LABELS: SeriesLabels = {
  parentNamespace: '',
  parentName: '',
  parentPort: 0,
  routeNamespace: '',
  routeName: '',
  rule: '',
  backendNamespace: '',
  backendName: '',
  backendPort: 0,
};

/** Opaque frontends are not compiled: no request of theirs is ever read. Not for the hot path. */
export function compileTable(attachment: Attachment, deps: CompileDeps): RouteTable {
  const routed = attachment.frontends.filter((frontend) => frontend.mode === 'http');
  const large = routed.reduce((sum, frontend) => sum + countPaths(frontend), 0) > FIND_MY_WAY_MAX_PATHS;
  const compiled = routed.map((frontend) => compileFrontend(frontend, attachment.services, deps, large));
  const size = compiled.reduce((max, frontend) => Math.max(max, frontend.id + 1), 0);
  const frontends = new Array<FrontendTable | undefined>(size).fill(undefined);
  for (const frontend of compiled) frontends[frontend.id] = frontend;
  return {
    frontends,
    opaque: attachment.frontends.filter((frontend) => frontend.mode === 'opaque'),
    original: { kind: 'original', series: deps.internSeries(NO_LABELS) },
  };
}

function countPaths(frontend: AttachedFrontend): number {
  const paths = new Set<string>();
  for (const { rule } of frontend.rules) {
    for (const { path } of rule.matches) if (path.type !== 'RegularExpression') paths.add(`${path.type} ${path.value}`);
  }
  return paths.size;
}

function compileFrontend(
  source: AttachedFrontend,
  services: ReadonlyMap<string, Service>,
  deps: CompileDeps,
  large: boolean,
): FrontendTable {
  const labels: SeriesLabels = {
    ...NO_LABELS,
    parentNamespace: source.namespace,
    parentName: source.name,
    parentPort: source.port,
  };
  const ranked: RankedMatch[] = [];
  const rules = new Map<HttpRouteRule, CompiledRule>();
  for (const attached of source.rules) {
    rules.set(attached.rule, compileRule(attached, labels, services, deps));
    for (const [matchIndex, match] of attached.rule.matches.entries()) ranked.push({ ...attached, match, matchIndex });
  }
  ranked.sort(compareMatches);
  const slots = { headers: new SlotNames(), queryParams: new SlotNames() };
  const matches = ranked.map((entry, order) => new CompiledMatch(order, entry, rules.get(entry.rule)!, slots));
  return {
    id: deps.frontendId(source.key),
    source,
    ...indexPaths(matches, large),
    matches,
    reader: new RequestReader(slots.headers.names(), slots.queryParams.names()),
    noRoute: localDecision('no_route', deps.internSeries(labels)),
  };
}

/**
 * Longer prefixes outrank shorter ones whatever else they ask (SPEC P1), so a path's matches are its own list and then
 * the lists of its prefixes, longest first: a chain of pointers, shared by all longer paths, never a merged copy.
 */
function indexPaths(
  matches: readonly CompiledMatch[],
  large: boolean,
): Pick<FrontendTable, 'paths' | 'everyPath' | 'regexes'> {
  const exactMatches = new Map<string, CompiledMatch[]>();
  const prefixMatches = new Map<string, CompiledMatch[]>();
  const regexMatches: CompiledMatch[] = [];
  for (const compiled of matches) {
    const { type, value } = compiled.match.path;
    if (type === 'RegularExpression') regexMatches.push(compiled);
    else if (type === 'Exact') append(exactMatches, toWire(value), compiled);
    else append(prefixMatches, normalizePrefix(toWire(value)), compiled);
  }
  // Sorted with a `/` at the end, every path follows the prefixes that cover it, and these nest like brackets.
  const keys = [
    ...[...prefixMatches.keys()].map((path) => ({ path, key: `${path}/`, isPrefix: true })),
    ...[...exactMatches.keys()].map((path) => ({ path, key: `${path}/`, isPrefix: false })),
  ].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : Number(b.isPrefix) - Number(a.isPrefix)));
  const exact = new Map<string, PathNode>();
  const prefixes = new Map<string, PathNode>();
  const open: { key: string; node: PrefixNode }[] = [];
  for (const { path, key, isPrefix } of keys) {
    while (open.length > 0 && !key.startsWith(open.at(-1)!.key)) open.pop();
    const shorter = open.at(-1)?.node ?? null;
    if (isPrefix) {
      const node = { matches: new MatchList(prefixMatches.get(path)!), shorter };
      prefixes.set(path, { exact: null, prefix: node });
      open.push({ key, node });
    } else {
      exact.set(path, { exact: new MatchList(exactMatches.get(path)!), prefix: shorter });
    }
  }
  const everyPath = prefixes.get('') ?? { exact: null, prefix: null };
  const trivial = exact.size === 0 && prefixes.size === (prefixes.has('') ? 1 : 0);
  return {
    paths: trivial ? null : createPathIndex({ exact, prefixes }, large),
    everyPath,
    regexes: regexMatches.length === 0 ? null : new MatchList(regexMatches),
  };
}

function append(lists: Map<string, CompiledMatch[]>, key: string, value: CompiledMatch): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
