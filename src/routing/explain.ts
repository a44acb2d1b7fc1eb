/**
 * Tells how one request would be routed and why, on the compiled structures that `decide` uses: the winner comes from
 * the same search, the predicates are the same objects, so the explanation cannot disagree with the traffic.
 *
 * Stage before: `routing/table.ts`. Stage after: `sideroute explain` and the admin endpoint. Not for the hot path.
 */
import type { HeaderMatch, PathMatch, QueryParamMatch } from '../gateway-api/types.ts';
import type { RequestHead } from './decision.ts';
import { findMatch, findPath } from './decide.ts';
import type { CompiledMatch } from './match-list.ts';
import { decidingCriterion, type PrecedenceCriterion, type RankedMatch } from './precedence.ts';
import { firstQueryValue, toWire } from './predicates.ts';
import { resolveShare, type CompiledRule } from './rule.ts';
import type { FrontendTable, RouteTable } from './table.ts';

/** One condition of a match, and how the request fared with it. */
export interface ExplainedPredicate {
  readonly part: 'path' | 'method' | 'header' | 'query';
  /** What is asked, `header version = "new"`. */
  readonly expected: string;
  /** What the request has, null for an absent field. */
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
  /** The path first; all of them, also after one that does not hold. */
  readonly predicates: readonly ExplainedPredicate[];
}

/** What a part of the winner's requests gets. */
export interface ExplainedShare {
  /** `namespace/name:port` of the backend, `Kind namespace/name` when it is no Service. */
  readonly backend: string;
  readonly weight: number;
  /** 0 to 100. */
  readonly percent: number;
  /** What such a request gets at this moment. */
  readonly answer: ExplainedAnswer;
}

export type ExplainedAnswer =
  | { readonly kind: 'forward'; readonly addresses: readonly string[] }
  | { readonly kind: 'local'; readonly status: number; readonly reason: string; readonly message: string }
  /** A backend of weight 0. */
  | { readonly kind: 'never' };

export type ExplainedOutcome =
  /** No route is attached: the request goes on to its original destination (SPEC A5). */
  | { readonly kind: 'original' }
  | { readonly kind: 'local'; readonly status: number; readonly reason: string; readonly message: string }
  | { readonly kind: 'shares'; readonly shares: readonly ExplainedShare[] };

export interface Explanation {
  readonly request: { readonly method: string; readonly path: string; readonly query: string };
  /** Key of the frontend, null when there is none. */
  readonly frontend: string | null;
  readonly consumer: boolean;
  /** Matches whose path the index yields for this request, and all with a regular expression, in evaluation order. */
  readonly candidates: readonly ExplainedMatch[];
  /** Matches whose path rules the request out, in precedence order, at most `MAX_ELSEWHERE`. */
  readonly elsewhere: readonly ExplainedMatch[];
  readonly elsewhereCount: number;
  /** Index in `candidates`, null when nothing matches. */
  readonly winner: number | null;
  /** The next match that holds as well and serves another rule, and by what the winner comes before it. */
  readonly runnerUp: { readonly candidate: number; readonly criterion: PrecedenceCriterion } | null;
  readonly outcome: ExplainedOutcome;
}

export const MAX_ELSEWHERE = 50;

/** The frontend of a Service port: its own, else that of every port of the Service. */
export function findFrontend(table: RouteTable, namespace: string, name: string, port: number): FrontendTable | null {
  let every: FrontendTable | null = null;
  for (const frontend of table.frontends) {
    if (frontend?.source.namespace !== namespace || frontend.source.name !== name) continue;
    if (frontend.source.port === port) return frontend;
    if (frontend.source.port === 0) every = frontend;
  }
  return every;
}

/** Does not advance the weighted rotation. `frontend`: null when no route is attached. */
export function explain(frontend: FrontendTable | null, head: RequestHead): Explanation {
  const request = { method: head.method, path: head.path, query: head.query };
  if (frontend === null) {
    return {
      request,
      frontend: null,
      consumer: false,
      candidates: [],
      elsewhere: [],
      elsewhereCount: 0,
      winner: null,
      runnerUp: null,
      outcome: { kind: 'original' },
    };
  }
  const tried = candidatesFor(frontend, head.path);
  const found = findMatch(frontend, head);
  const candidates = tried.map((match) => explainMatch(match, head, true));
  const winner = found === null ? null : tried.indexOf(found);
  const isTried = new Set(tried);
  const others = frontend.matches.filter((match) => !isTried.has(match));
  return {
    request,
    frontend: frontend.source.key,
    consumer: frontend.source.consumer,
    candidates,
    elsewhere: others.slice(0, MAX_ELSEWHERE).map((match) => explainMatch(match, head, false)),
    elsewhereCount: others.length,
    winner,
    runnerUp: winner === null ? null : findRunnerUp(tried, candidates, winner),
    outcome: found === null ? describeLocal(frontend.noRoute, 'no rule matches') : explainRule(found.rule, head),
  };
}

function candidatesFor(frontend: FrontendTable, path: string): CompiledMatch[] {
  const node = findPath(frontend, path);
  const tried = [...(node?.exact?.matches ?? []), ...(frontend.regexes?.matches ?? [])];
  for (let prefix = node?.prefix ?? null; prefix !== null; prefix = prefix.shorter) {
    tried.push(...prefix.matches.matches);
  }
  return tried;
}

/** `indexed`: the path index yields the match for this path; a regular expression is tested here. */
function explainMatch(compiled: CompiledMatch, head: RequestHead, indexed: boolean): ExplainedMatch {
  const { match, rule, pathRegex } = compiled;
  const results: ExplainedPredicate[] = [
    {
      part: 'path',
      expected: describePath(match.path),
      actual: head.path,
      matched: pathRegex === null ? indexed : pathRegex.matches(head.path),
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
  return {
    route: `${rule.route.namespace}/${rule.route.name}`,
    ruleIndex: rule.rule.index,
    ruleName: rule.rule.name,
    matchIndex: compiled.matchIndex,
    matched: results.every((result) => result.matched),
    predicates: results,
  };
}

function describePath(path: PathMatch): string {
  const words = { Exact: 'path =', PathPrefix: 'path prefix', RegularExpression: 'path ~' } as const;
  return `${words[path.type]} ${path.value}`;
}

function describeField(field: HeaderMatch | QueryParamMatch): string {
  return `${field.name} ${field.type === 'Exact' ? '=' : '~'} ${JSON.stringify(field.value)}`;
}

function findRunnerUp(
  tried: readonly CompiledMatch[],
  candidates: readonly ExplainedMatch[],
  winner: number,
): Explanation['runnerUp'] {
  const first = tried[winner]!;
  for (const [index, match] of tried.entries()) {
    if (!candidates[index]!.matched || match.rule === first.rule) continue;
    const criterion = decidingCriterion(rank(first), rank(match));
    return criterion === null ? null : { candidate: index, criterion };
  }
  return null;
}

function rank(compiled: CompiledMatch): RankedMatch {
  const { rule, match, matchIndex } = compiled;
  return { route: rule.route, rule: rule.rule, match, matchIndex };
}

function describeLocal(
  decision: { readonly status: number; readonly reason: string },
  message: string,
): { kind: 'local'; status: number; reason: string; message: string } {
  return { kind: 'local', status: decision.status, reason: decision.reason, message };
}

function explainRule(rule: CompiledRule, head: RequestHead): ExplainedOutcome {
  if (rule.refused !== null) return describeLocal(rule.refused.decision, rule.refused.message);
  const sum = rule.active.reduce((total, share) => total + share.ref.weight, 0);
  const shares = rule.shares.map((share): ExplainedShare => {
    const { ref } = share;
    const decision = resolveShare(share, head, false);
    let answer: ExplainedAnswer;
    if (ref.weight === 0) answer = { kind: 'never' };
    else if (decision.kind === 'forward') answer = { kind: 'forward', addresses: decision.backend.addresses };
    else {
      const message =
        share.refused?.message ??
        (decision.reason === 'unresolved' ? 'its address is not known yet' : 'the Service does not exist');
      answer = describeLocal(decision, message);
    }
    const name = `${ref.namespace}/${ref.name}${ref.port === null ? '' : `:${ref.port}`}`;
    return {
      backend: ref.kind === 'Service' && ref.group === '' ? name : `${ref.kind} ${name}`,
      weight: ref.weight,
      percent: (ref.weight / sum) * 100,
      answer,
    };
  });
  return { kind: 'shares', shares };
}
