/**
 * Explains how one request is routed and why. It uses the compiled structures that `decide` uses: the same search and
 * the same predicate objects. So the explanation cannot disagree with the traffic.
 *
 * Stage before: `routing/table.ts`. Stage after: `sideroute explain` and the admin endpoint. Not for the hot path.
 */
import type { AttachedFrontend } from '../config/attachment.ts';
import type { GrpcMethodMatch, HeaderMatch, PathMatch, QueryParamMatch, RouteMatch } from '../gateway-api/types.ts';
import type { FieldLine, RequestHead } from './decision.ts';
import { findMatch, findPath } from './decide.ts';
import { CONTENT_TYPE, isCallHead } from './grpc-call.ts';
import type { CompiledMatch } from './match-list.ts';
import { decidingCriterion, type PrecedenceCriterion, type RankedMatch } from './precedence.ts';
import { firstQueryValue, toWire, type RequestReader } from './predicates.ts';
import {
  backendName,
  explainForward,
  explainLocal,
  type ExplainableRequest,
  type ExplainedForward,
  type ExplainedLocal,
} from './explain-answer.ts';
import { resolveShare, type CompiledRule, type Share } from './rule.ts';
import type { FrontendTable, RouteTable } from './table.ts';

/** One condition of a match, and whether the request fulfils it. */
export interface ExplainedPredicate {
  readonly part: 'path' | 'method' | 'header' | 'query' | 'protocol';
  /** The condition, for instance `header version = "new"`. */
  readonly expected: string;
  /** The value in the request; null for an absent field. */
  readonly actual: string | null;
  readonly matched: boolean;
}

export interface ExplainedMatch {
  /** `namespace/name` of the route. */
  readonly route: string;
  readonly ruleIndex: number;
  readonly ruleName: string | null;
  readonly matchIndex: number;
  readonly matched: boolean;
  /** All predicates, the path first. Those after a failed one are listed too. */
  readonly predicates: readonly ExplainedPredicate[];
}

export interface ExplainedCandidate extends ExplainedMatch {
  /** Position in evaluation order, starting at 1. */
  readonly position: number;
}

/** What a share of the winner's requests gets. */
export interface ExplainedShare {
  /** `namespace/name:port` of the backend; `Kind namespace/name` when it is not a Service. */
  readonly backend: string;
  readonly weight: number;
  /** 0 to 100. */
  readonly percent: number;
  /** What a request of this share gets now. */
  readonly answer: ExplainedAnswer;
}

export type ExplainedAnswer =
  | ExplainedForward
  | ExplainedLocal
  /** A backend of weight 0. */
  | { readonly kind: 'never' };

export type ExplainedOutcome =
  /**
   * The request goes to its original destination, because no route is attached or because the connection is tunnelled
   * unread. In the second case `opaque` is the key of the frontend.
   */
  | { readonly kind: 'original'; readonly opaque: string | null }
  | ExplainedLocal
  | { readonly kind: 'shares'; readonly shares: readonly ExplainedShare[] };

export interface Explanation {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly query: string;
    /** True for a gRPC call. */
    readonly call: boolean;
  };
  /** Key of the frontend, null when there is none. */
  readonly frontend: string | null;
  /** Kind of the routes of the frontend. */
  readonly routeKind: string | null;
  readonly consumer: boolean;
  /**
   * Matches that the path index yields for this request, and all matches with a pattern, in evaluation order: the first
   * `MAX_CANDIDATES`, the winner and the runner-up.
   */
  readonly candidates: readonly ExplainedCandidate[];
  /** Number of all candidates, including those not listed. */
  readonly candidateCount: number;
  /** Matches whose path excludes the request, in precedence order, at most `MAX_ELSEWHERE`. */
  readonly elsewhere: readonly ExplainedMatch[];
  readonly elsewhereCount: number;
  /** Index in `candidates`, null when nothing matches. */
  readonly winner: number | null;
  /** The next match that also holds but belongs to another rule, and the criterion by which the winner precedes it. */
  readonly runnerUp: { readonly candidate: number; readonly criterion: PrecedenceCriterion } | null;
  readonly outcome: ExplainedOutcome;
}

/** Thousands of rules may share a path, and the event loop that explains them also carries the traffic. */
export const MAX_CANDIDATES = 50;
export const MAX_ELSEWHERE = 50;

/**
 * The frontend of a Service port: the one of this port, otherwise the one for all ports of the Service; null when that
 * one is opaque.
 */
export function findFrontend(table: RouteTable, namespace: string, name: string, port: number): FrontendTable | null {
  const source = findSource(table, namespace, name, port);
  return table.frontends.find((frontend) => frontend?.source === source) ?? null;
}

function findSource(table: RouteTable, namespace: string, name: string, port: number): AttachedFrontend | null {
  const routed = table.frontends.flatMap((frontend) => (frontend === undefined ? [] : [frontend.source]));
  const own = [...routed, ...table.opaque].filter((source) => source.namespace === namespace && source.name === name);
  return own.find((source) => source.port === port) ?? own.find((source) => source.port === 0) ?? null;
}

/** Like `explain`, for a request to a Service port. */
export function explainService(
  table: RouteTable,
  service: { readonly namespace: string; readonly name: string; readonly port: number },
  head: RequestHead,
  fields: readonly FieldLine[] = [],
): Explanation {
  const { namespace, name, port } = service;
  const source = findSource(table, namespace, name, port);
  const explanation = explain(findFrontend(table, namespace, name, port), head, fields);
  if (source?.mode !== 'opaque') return explanation;
  return { ...explanation, routeKind: source.routeKind, outcome: { kind: 'original', opaque: source.key } };
}

/**
 * Does not advance the rotations of backends and mirrors. `frontend`: null when no route is attached. `fields`: the
 * fields of the request in their order, as far as they are to be shown in the request to the backend.
 */
export function explain(
  frontend: FrontendTable | null,
  head: RequestHead,
  fields: readonly FieldLine[] = [],
): Explanation {
  const request = { method: head.method, path: head.path, query: head.query, call: isCallHead(head) };
  if (frontend === null) {
    return {
      request,
      frontend: null,
      routeKind: null,
      consumer: false,
      candidates: [],
      candidateCount: 0,
      elsewhere: [],
      elsewhereCount: 0,
      winner: null,
      runnerUp: null,
      outcome: { kind: 'original', opaque: null },
    };
  }
  const tried = candidatesFor(frontend, head.path);
  const found = findMatch(frontend, head);
  const winnerAt = found === null ? null : tried.indexOf(found);
  const runnerUp = winnerAt === null ? null : findRunnerUp(frontend, tried, winnerAt, head);
  const important = new Set([winnerAt, runnerUp?.at ?? null]);
  const shown = [...tried.keys()].filter((at) => at < MAX_CANDIDATES || important.has(at));
  const isTried = new Set(tried);
  const others = frontend.matches.filter((match) => !isTried.has(match));
  return {
    request,
    frontend: frontend.source.key,
    routeKind: frontend.source.routeKind,
    consumer: frontend.source.consumer,
    candidates: shown.map((at) => ({ position: at + 1, ...explainMatch(tried[at]!, head, true) })),
    candidateCount: tried.length,
    elsewhere: others.slice(0, MAX_ELSEWHERE).map((match) => explainMatch(match, head, false)),
    elsewhereCount: others.length,
    winner: winnerAt === null ? null : shown.indexOf(winnerAt),
    runnerUp: runnerUp === null ? null : { candidate: shown.indexOf(runnerUp.at), criterion: runnerUp.criterion },
    outcome:
      found === null ? explainLocal(frontend.noRoute, 'no rule matches') : explainRule(found.rule, { head, fields }),
  };
}

function candidatesFor(frontend: FrontendTable, path: string): CompiledMatch[] {
  let list = findPath(frontend, path);
  const tried: CompiledMatch[] = [];
  for (; list?.beforePatterns === true; list = list.shorter) tried.push(...list.matches);
  tried.push(...(frontend.patterns?.matches ?? []));
  for (; list !== null; list = list.shorter) tried.push(...list.matches);
  return tried;
}

/** `indexed`: the path index yields the match for this path. A pattern is tested here. */
function explainMatch(compiled: CompiledMatch, head: RequestHead, indexed: boolean): ExplainedMatch {
  const { match, rule, pattern } = compiled;
  const results: ExplainedPredicate[] = [
    {
      part: 'path',
      expected: describePlace(match),
      actual: head.path,
      matched: pattern === null ? indexed : pattern.matches(head.path),
    },
  ];
  if (compiled.method !== null) {
    const matched = compiled.method === head.method;
    results.push({ part: 'method', expected: `method ${compiled.method}`, actual: head.method, matched });
  }
  for (const header of compiled.headers) {
    const actual = head.header(toWire(header.source.name));
    const expected = `header ${describeField(header.source)}`;
    results.push({ part: 'header', expected, actual, matched: header.test(actual) });
  }
  for (const param of compiled.queryParams) {
    const actual = firstQueryValue(head.query, toWire(param.source.name));
    const expected = `query ${describeField(param.source)}`;
    results.push({ part: 'query', expected, actual, matched: param.test(actual) });
  }
  if (rule.route.kind === 'GRPCRoute') {
    const actual = `${head.method}, ${head.header(CONTENT_TYPE) ?? 'no content-type'}`;
    results.push({ part: 'protocol', expected: 'a call of gRPC', actual, matched: isCallHead(head) });
  }
  return {
    route: `${rule.route.namespace}/${rule.route.name}`,
    ruleIndex: rule.rule.index,
    ruleName: rule.rule.name,
    matchIndex: compiled.matchIndex,
    matched: results.every((result) => result.matched),
    predicates: results,
  };
}

function describePlace(match: RouteMatch): string {
  return 'path' in match ? describePath(match.path) : describeCall(match.method);
}

function describeCall(call: GrpcMethodMatch | null): string {
  if (call === null) return 'every service and method';
  const sign = call.type === 'Exact' ? '=' : '~';
  const { service, method } = call;
  return Object.entries({ service, method })
    .flatMap(([part, name]) => (name === null ? [] : [`${part} ${sign} ${name}`]))
    .join(', ');
}

function describePath(path: PathMatch): string {
  const words = { Exact: 'path =', PathPrefix: 'path prefix', RegularExpression: 'path ~' } as const;
  return `${words[path.type]} ${path.value}`;
}

function describeField(field: HeaderMatch | QueryParamMatch): string {
  return `${field.name} ${field.type === 'Exact' ? '=' : '~'} ${JSON.stringify(field.value)}`;
}

function findRunnerUp(
  { reader }: FrontendTable,
  tried: readonly CompiledMatch[],
  winnerAt: number,
  head: RequestHead,
): { readonly at: number; readonly criterion: PrecedenceCriterion } | null {
  const first = tried[winnerAt]!;
  reader.begin(head);
  // No match before the winner holds.
  const at = tried.findIndex((match, index) => index > winnerAt && match.rule !== first.rule && holds(match, reader));
  reader.end();
  if (at < 0) return null;
  const criterion = decidingCriterion(rank(first), rank(tried[at]!));
  return criterion === null ? null : { at, criterion };
}

/** The same result as `explainMatch`, for a match that the path index yields. */
function holds({ pattern, method, headers, queryParams }: CompiledMatch, reader: RequestReader): boolean {
  return (
    (method === null || method === reader.head.method) &&
    headers.every((header) => header.test(reader.header(header.slot))) &&
    queryParams.every((param) => param.test(reader.queryParam(param.slot))) &&
    (pattern === null || pattern.matches(reader.head.path))
  );
}

function rank(compiled: CompiledMatch): RankedMatch {
  const { rule, match, matchIndex } = compiled;
  return { route: rule.route, rule: rule.rule, match, matchIndex };
}

/** Follows the same steps as `decide`. */
function explainRule(rule: CompiledRule, request: ExplainableRequest): ExplainedOutcome {
  const reply = rule.responder?.respond(request.head) ?? null;
  if (reply !== null) return explainLocal(reply);
  if (rule.refused !== null) return explainLocal(rule.refused.decision, rule.refused.message);
  const sum = rule.active.reduce((total, share) => total + share.ref.weight, 0);
  const shares = rule.shares.map((share): ExplainedShare => {
    const { weight } = share.ref;
    const answer = explainShare(share, request);
    return { backend: backendName(share.ref), weight, percent: (weight / sum) * 100, answer };
  });
  return { kind: 'shares', shares };
}

function explainShare(share: Share, request: ExplainableRequest): ExplainedAnswer {
  if (share.ref.weight === 0) return { kind: 'never' };
  const decision = resolveShare(share, request.head, false);
  if (decision.kind === 'forward') return explainForward(decision, share.mirrors, request);
  if (decision === share.unresolved) return explainLocal(decision, 'its address is not known yet');
  if (decision === share.refused?.decision) return explainLocal(decision, share.refused.message);
  return decision === share.missing ? explainLocal(decision, 'the Service does not exist') : explainLocal(decision);
}
