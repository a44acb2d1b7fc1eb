/**
 * Compiles an attachment into a route table: the paths of each frontend, its matches in precedence order, and (through
 * `rule.ts`) a decision object for every possible outcome of a request.
 *
 * Stage before: `config/attach.ts`. Stage after: `routing/decide.ts` and `routing/explain.ts`. A table never changes
 * after compilation; a reload compiles a new one and replaces the old one by one assignment. Only the readers and
 * pickers in it have state: that of one synchronous decision, and that of the weighted rotation.
 */
import type { Attachment, AttachedFrontend } from '../config/attachment.ts';
import { regexesOf } from '../gateway-api/match-regexes.ts';
import type { RouteMatch, RouteRule, Service } from '../gateway-api/types.ts';
import { compileRegex } from '../regex/regex.ts';
import { finish, sortInSteps, type Steps } from '../slices.ts';
import type { CompileDeps, LocalDecision, OriginalDecision, SeriesLabels } from './decision.ts';
import { CONTENT_TYPE } from './grpc-call.ts';
import { CompiledMatch, createCandidates, type Candidates } from './match-list.ts';
import { placeOf, type IndexedPath } from './match-place.ts';
import { createPathIndex, FIND_MY_WAY_MAX_PATHS, type PathIndex } from './path-index.ts';
import { compareMatches, type RankedMatch } from './precedence.ts';
import { RequestReader, SlotNames } from './predicates.ts';
import { compileRule, localDecision, PlainShares, type CompiledRule } from './rule.ts';

export interface FrontendTable {
  readonly id: number;
  readonly source: AttachedFrontend;
  /** Null when the only path is the prefix `/`; `everyPath` then serves every request. */
  readonly paths: PathIndex<Candidates> | null;
  /** The matches of the prefix `/`. */
  readonly everyPath: Candidates | null;
  /** Matches with a pattern, which no path leads to. */
  readonly patterns: Candidates | null;
  /** All matches in precedence order. */
  readonly matches: readonly CompiledMatch[];
  readonly reader: RequestReader;
  /** Slot of the content type, which identifies gRPC calls, in a frontend that serves only these; otherwise -1. */
  readonly callSlot: number;
  readonly noRoute: LocalDecision;
}

export interface RouteTable {
  /** By frontend id. */
  readonly frontends: readonly (FrontendTable | undefined)[];
  /** Frontends whose connections are tunnelled unread. */
  readonly opaque: readonly AttachedFrontend[];
  /** For a frontend that is no longer in the table. */
  readonly original: OriginalDecision;
}

const MATCHES_PER_STEP = 64;

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

/** Opaque frontends are not compiled, because their requests are never read. Not for the hot path. */
export function compileTable(attachment: Attachment, deps: CompileDeps): RouteTable {
  return finish(compileTableInSteps(attachment, deps));
}

/** Like `compileTable`, with pauses. */
export function* compileTableInSteps(attachment: Attachment, deps: CompileDeps): Steps<RouteTable> {
  const routed = attachment.frontends.filter((frontend) => frontend.mode === 'http');
  let paths = 0;
  for (const frontend of routed) {
    paths += yield* countPaths(frontend);
    if (paths > FIND_MY_WAY_MAX_PATHS) break;
  }
  const frontends: (FrontendTable | undefined)[] = [];
  const plain = new PlainShares();
  for (const frontend of routed) {
    const table = yield* compileFrontend(frontend, attachment.services, deps, plain, paths > FIND_MY_WAY_MAX_PATHS);
    while (frontends.length <= table.id) frontends.push(undefined);
    frontends[table.id] = table;
  }
  return {
    frontends,
    opaque: attachment.frontends.filter((frontend) => frontend.mode === 'opaque'),
    original: { kind: 'original', series: deps.internSeries(NO_LABELS) },
  };
}

/** Stops counting above the limit: the exact number does not matter there. */
function* countPaths(frontend: AttachedFrontend): Steps<number> {
  const paths = new Set<string>();
  for (const { rule } of frontend.rules) {
    for (const match of rule.matches) {
      const place = placeOf(match);
      if (place !== null) paths.add(`${place.exact} ${place.path}`);
    }
    if (paths.size > FIND_MY_WAY_MAX_PATHS) break;
    yield;
  }
  return paths.size;
}

function* compileFrontend(
  source: AttachedFrontend,
  services: ReadonlyMap<string, Service>,
  deps: CompileDeps,
  plain: PlainShares,
  large: boolean,
): Steps<FrontendTable> {
  const labels: SeriesLabels = {
    ...NO_LABELS,
    parentNamespace: source.namespace,
    parentName: source.name,
    parentPort: source.port,
  };
  const ranked: RankedMatch[] = [];
  const rules = new Map<RouteRule, CompiledRule>();
  for (const attached of source.rules) {
    const { route, rule } = attached;
    rules.set(rule, compileRule(attached, labels, services, deps, plain));
    for (const [matchIndex, match] of rule.matches.entries()) ranked.push({ route, rule, match, matchIndex });
    yield;
  }
  const slots = { headers: new SlotNames(), queryParams: new SlotNames() };
  const callSlot = source.routeKind === 'GRPCRoute' ? slots.headers.slot(CONTENT_TYPE) : -1;
  const matches: CompiledMatch[] = [];
  for (const [order, entry] of (yield* sortInSteps(ranked, compareMatches)).entries()) {
    yield* compileRegexes(entry.match);
    matches.push(new CompiledMatch(order, entry, rules.get(entry.rule)!, slots));
    if (order % MATCHES_PER_STEP === 0) yield;
  }
  return {
    id: deps.frontendId(source.key),
    source,
    ...(yield* indexPaths(matches, large)),
    matches,
    reader: new RequestReader(slots.headers.names(), slots.queryParams.names()),
    callSlot,
    noRoute: localDecision('no_route', deps.internSeries(labels)),
  };
}

/**
 * One regular expression for each step, because the largest ones take a whole slice. The match then finds them
 * compiled.
 */
function* compileRegexes(match: RouteMatch): Steps<void> {
  for (const source of regexesOf(match)) {
    compileRegex(source);
    yield;
  }
}

/** Matches of one path, in precedence order, while the lists are being built. */
interface PathMatches extends IndexedPath {
  /** The order of these keys puts every path after the prefixes that cover it, nested like brackets. */
  readonly sortKey: string;
  readonly matches: CompiledMatch[];
}

function comparePaths(a: PathMatches, b: PathMatches): number {
  return a.sortKey < b.sortKey ? -1 : a.sortKey > b.sortKey ? 1 : Number(a.exact) - Number(b.exact);
}

/**
 * Longer prefixes come before shorter ones, whatever their other conditions. So the matches of a path are its own list
 * followed by the lists of its prefixes, longest first. The lists are linked by pointers and shared by all longer
 * paths, never copied.
 */
function* indexPaths(
  matches: readonly CompiledMatch[],
  large: boolean,
): Steps<Pick<FrontendTable, 'paths' | 'everyPath' | 'patterns'>> {
  const exactPaths = new Map<string, PathMatches>();
  const prefixPaths = new Map<string, PathMatches>();
  const patternMatches: CompiledMatch[] = [];
  for (const compiled of matches) {
    const place = placeOf(compiled.match);
    if (place === null) patternMatches.push(compiled);
    else append(place.exact ? exactPaths : prefixPaths, place, compiled);
    if (compiled.order % MATCHES_PER_STEP === 0) yield;
  }
  const exact: Candidates[] = [];
  const prefixes: Candidates[] = [];
  const open: Candidates[] = [];
  const ordered = yield* sortInSteps([...prefixPaths.values(), ...exactPaths.values()], comparePaths);
  for (const { sortKey, matches: own, ...place } of ordered) {
    while (open.length > 0 && !sortKey.startsWith(`${open.at(-1)!.key}/`)) open.pop();
    const list = yield* createCandidates({ ...place, shorter: open.at(-1) ?? null }, own);
    if (place.exact) {
      exact.push(list);
    } else {
      prefixes.push(list);
      open.push(list);
    }
    yield;
  }
  const everyPath = prefixes.find(({ key }) => key === '') ?? null;
  const trivial = exact.length === 0 && prefixes.length === (everyPath === null ? 0 : 1);
  const everywhere = { path: '', beforePatterns: false, shorter: null };
  return {
    paths: trivial ? null : yield* createPathIndex({ exact, prefixes }, large),
    everyPath,
    patterns: patternMatches.length === 0 ? null : yield* createCandidates(everywhere, patternMatches),
  };
}

function append(lists: Map<string, PathMatches>, place: IndexedPath, match: CompiledMatch): void {
  const list = lists.get(place.path);
  if (list === undefined) lists.set(place.path, { ...place, sortKey: `${place.path}/`, matches: [match] });
  else list.matches.push(match);
}
