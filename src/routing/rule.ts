/**
 * One rule as a frontend serves it: the filters that answer by themselves, the backends with their weighted rotation,
 * and a decision object for every possible outcome of a request.
 *
 * Stage before: `config/attach.ts`, called by `routing/table.ts`. Stage after: `routing/decide.ts`.
 */
import type { AttachedRule } from '../config/attachment.ts';
import { isCarriedFilter, refuseBackend, type CarriedKind } from '../config/support.ts';
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type { CarriedRoute, HttpBackendRef, HttpRouteMatch, RouteRule, Service } from '../gateway-api/types.ts';
import { NO_BACKEND_REFS } from '../grpc-status.ts';
import type {
  CompileDeps,
  ForwardDecision,
  ForwardPolicy,
  LocalDecision,
  RequestHead,
  SeriesLabels,
} from './decision.ts';
import { composeFilters } from './filters/compose.ts';
import type { CorsPolicy } from './filters/cors.ts';
import { MirrorRotation, type CompiledMirror } from './filters/request-mirror.ts';
import { compileResponder, type Responder } from './filters/responder.ts';
import { WeightedPicker } from './picker.ts';
import { compilePolicy } from './policy.ts';

/** One backendRef with its part of the requests. */
export interface Share {
  /**
   * Where the share goes, with all its possible mirrors; null when `refused` or `responder` explains why it goes
   * nowhere.
   */
  readonly forward: ForwardDecision | null;
  /** Filters of the backendRef that answer by themselves; usually null. */
  readonly responder: Responder | null;
  /** Null when the mirrors are the same for every request. */
  readonly rotation: MirrorRotation | null;
  /** Null without a CORS filter. */
  readonly cors: CorsPolicy | null;
  readonly refused: RuleRefusal | null;
  /** Decision when the backend does not exist. */
  readonly missing: LocalDecision;
  /** Decision while the address of the backend is not known yet. */
  readonly unresolved: LocalDecision;
  readonly ref: HttpBackendRef;
  /** In filter order, dropped ones included. */
  readonly mirrors: readonly CompiledMirror[];
}

export interface RuleRefusal {
  readonly decision: LocalDecision;
  readonly message: string;
}

export interface CompiledRule {
  /** The answer to every request that no filter answers, if no share can be picked. */
  readonly refused: RuleRefusal | null;
  /** Picks among the active shares; null when there are none. */
  readonly picker: WeightedPicker<Share> | null;
  readonly route: CarriedRoute;
  readonly rule: RouteRule;
  /** Filters of the rule that answer by themselves, asked first; usually null. */
  readonly responder: Responder | null;
  /** All backendRefs in their order, those of weight 0 included. */
  readonly shares: readonly Share[];
  /** Shares of positive weight. */
  readonly active: readonly Share[];
}

/**
 * Cache for one table. When a share depends on nothing but its backendRef, rules with the same backendRef use the same
 * share.
 */
export class PlainShares {
  readonly byRef = new Map<HttpBackendRef, Share>();
  readonly byRefs = new Map<readonly HttpBackendRef[], readonly Share[]>();
  /** The levels of pickers that have no state. */
  readonly last = new Map<Share, WeightedPicker<Share>>();

  /** Returns the same array for equal lists. */
  listOf(refs: readonly HttpBackendRef[], shares: readonly Share[]): readonly Share[] {
    const known = this.byRefs.get(refs);
    if (known?.every((share, index) => share === shares[index])) return known;
    this.byRefs.set(refs, shares);
    return shares;
  }
}

/** What the shares of a rule have in common. */
interface RuleContext {
  readonly kind: CarriedKind;
  readonly rule: RouteRule;
  /** Matches of the rule, needed for path modifiers. Empty for a GRPCRoute, which has no path modifiers. */
  readonly matches: readonly HttpRouteMatch[];
  readonly labels: SeriesLabels;
  readonly services: ReadonlyMap<string, Service>;
  readonly deps: CompileDeps;
  readonly responder: Responder | null;
  readonly policy: ForwardPolicy | null;
  /** False when the rule never picks a share; its backends are then not looked up. */
  readonly used: boolean;
  readonly plain: PlainShares;
}

/** `parent`: labels of the frontend. */
export function compileRule(
  { route, rule }: AttachedRule,
  parent: SeriesLabels,
  services: ReadonlyMap<string, Service>,
  deps: CompileDeps,
  plain: PlainShares,
): CompiledRule {
  const labels: SeriesLabels = {
    ...parent,
    routeNamespace: route.namespace,
    routeName: route.name,
    rule: rule.name ?? String(rule.index),
  };
  const matches = rule.matches.filter((match) => 'path' in match);
  const refused = refuseRule(rule, labels, deps);
  const responder =
    refused?.decision.reason === 'unsupported_filter'
      ? null
      : compileResponder(rule.filters, {
          frontend: frontendOf(labels),
          matches,
          series: () => deps.internSeries(labels),
          outer: null,
        });
  const policy = compilePolicy(rule);
  const context: RuleContext = {
    ...{ kind: route.kind, rule, matches, labels, services, deps, responder, policy },
    ...{ used: refused === null, plain },
  };
  const shares = plain.listOf(
    rule.backendRefs,
    rule.backendRefs.map((ref) => compileShare(ref, context)),
  );
  const active = shares.every((share) => share.ref.weight > 0)
    ? shares
    : shares.filter((share) => share.ref.weight > 0);
  const weights = active.map((share) => share.ref.weight);
  return {
    // The fields that a decision reads come first, so that they are close together in memory.
    refused,
    picker: active.length === 0 ? null : WeightedPicker.of(active, weights, deps.random ?? Math.random, plain.last),
    route,
    rule,
    responder,
    shares,
    active,
  };
}

export function localDecision(reason: RequestReason, series: number): LocalDecision {
  const { status, grpc } = REQUEST_REASONS[reason];
  return { kind: 'local', status, reason, grpc, series };
}

/**
 * The decision for a request of this share at this moment. `rotate`: false does not advance the rotation of mirrors and
 * decides as if every mirror were chosen. Hot path: bench/micro/decide.ts.
 */
export function resolveShare(share: Share, head: RequestHead, rotate = true): ForwardDecision | LocalDecision {
  if (share.responder !== null) {
    const reply = share.responder.respond(head);
    if (reply !== null) return reply;
  }
  if (share.forward === null) return share.refused === null ? share.missing : share.refused.decision;
  const backend = share.forward.backend;
  if (backend.state === 'missing') return share.missing;
  if (backend.addresses.length === 0) return share.unresolved;
  const forward = share.rotation === null || !rotate ? share.forward : share.rotation.next();
  if (share.cors === null) return forward;
  const responseFields = share.cors.responseFields(head);
  return responseFields === null ? forward : { ...forward, responseFields };
}

function frontendOf({ parentNamespace, parentName, parentPort }: SeriesLabels) {
  return { namespace: parentNamespace, name: parentName, port: parentPort };
}

function refuseRule(rule: RouteRule, labels: SeriesLabels, deps: CompileDeps): RuleRefusal | null {
  const filter = rule.filters.find((candidate) => !isCarriedFilter(candidate));
  let message: string;
  if (filter !== undefined) message = `filter ${filter.type} is not carried`;
  else if (rule.backendRefs.length === 0) message = 'the rule has no backendRefs';
  else if (rule.backendRefs.every((ref) => ref.weight === 0)) message = 'every backendRef has weight 0';
  else return null;
  const reason = filter === undefined ? 'no_backend' : 'unsupported_filter';
  const decision = localDecision(reason, deps.internSeries(labels));
  const isEmpty = filter === undefined && rule.backendRefs.length === 0;
  return { decision: isEmpty ? { ...decision, grpc: NO_BACKEND_REFS } : decision, message };
}

const NO_MIRRORS: readonly CompiledMirror[] = [];

interface Failures {
  readonly missing: LocalDecision;
  readonly unresolved: LocalDecision;
}

let last: Failures | null = null;

/**
 * In a table with many backends most of them use the same series, so the decisions of the last call can often be
 * reused.
 */
function failuresOf(series: number): Failures {
  if (last?.missing.series !== series) {
    last = { missing: localDecision('no_backend', series), unresolved: localDecision('unresolved', series) };
  }
  return last;
}

function compileShare(ref: HttpBackendRef, context: RuleContext): Share {
  const { kind, rule, matches, labels, services, deps } = context;
  const series = deps.internSeries({
    ...labels,
    backendNamespace: ref.namespace,
    backendName: ref.name,
    backendPort: ref.port ?? 0,
  });
  const { missing, unresolved } = failuresOf(series);
  const refused = refuseShare(ref, series, missing, services, kind);
  // The fields that a decision reads come first here too.
  const idle: Share = {
    forward: null,
    responder: null,
    rotation: null,
    cors: null,
    refused,
    missing,
    unresolved,
    ref,
    mirrors: NO_MIRRORS,
  };
  // A backend of weight 0 need not exist, so it is not looked up.
  if (refused !== null || ref.port === null || ref.weight === 0 || !context.used) return idle;
  // Only with a single backend, and when nothing is chosen or answered for the single request.
  const single = rule.backendRefs.filter(({ weight }) => weight > 0).length === 1;
  const isPlain = rule.filters.length === 0 && ref.filters.length === 0 && context.policy === null;
  const same = isPlain ? context.plain.byRef.get(ref)?.forward : null;
  if (same?.series === series && same.repeatable === single) return context.plain.byRef.get(ref)!;
  const outer = context.responder?.cors ?? null;
  const responder = compileResponder(ref.filters, {
    frontend: frontendOf(labels),
    matches,
    series: () => series,
    outer,
  });
  // A redirected share needs no backend either.
  if (ref.filters.some((filter) => filter.type === 'RequestRedirect')) return { ...idle, responder };
  const { plan, mirrors, cors } = composeFilters([...rule.filters, ...ref.filters], matches, context);
  const backend = deps.internBackend(ref.namespace, ref.name, ref.port);
  const answers = context.responder !== null || responder !== null || cors !== null;
  const chosen = mirrors.filter((mirror) => mirror.target !== null);
  const always = chosen.every((mirror) => mirror.numerator === mirror.denominator);
  const repeatable = single && !answers && always;
  const plain: ForwardDecision = { kind: 'forward', backend, series, plan, policy: context.policy, repeatable };
  const forward = chosen.length === 0 ? plain : { ...plain, mirrors: chosen.map((mirror) => mirror.target!) };
  const rotation = always ? null : new MirrorRotation(plain, chosen, deps.random ?? Math.random);
  const share: Share = { ...idle, forward, responder, mirrors, rotation, cors };
  if (isPlain) context.plain.byRef.set(ref, share);
  return share;
}

function refuseShare(
  ref: HttpBackendRef,
  series: number,
  missing: LocalDecision,
  services: ReadonlyMap<string, Service>,
  kind: CarriedKind,
): RuleRefusal | null {
  const refusal = refuseBackend(ref, services, kind);
  if (refusal !== null) return { decision: missing, message: refusal.message };
  const filter = ref.filters.find((candidate) => !isCarriedFilter(candidate));
  if (filter === undefined) return null;
  const message = `filter ${filter.type} of the backendRef is not carried`;
  return { decision: localDecision('unsupported_filter', series), message };
}
