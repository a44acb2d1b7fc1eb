/**
 * One rule as a frontend serves it: its backends, their weighted rotation, and a decision object for every way one of
 * its requests can end (SPEC B1-B4, E2, E3).
 *
 * Stage before: `config/attach.ts`, called by `routing/table.ts`. Stage after: `routing/decide.ts`.
 */
import type { AttachedRule } from '../config/attachment.ts';
import { isCarriedFilter, refuseBackend } from '../config/support.ts';
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type { HttpBackendRef, HttpRoute, HttpRouteRule, Service } from '../gateway-api/types.ts';
import type { CompileDeps, ForwardDecision, LocalDecision, SeriesLabels } from './decision.ts';
import { WeightedPicker } from './picker.ts';

/** One backendRef with its part of the requests. */
export interface Share {
  readonly ref: HttpBackendRef;
  /** Where the share goes, null when `refused` tells why it goes nowhere. */
  readonly forward: ForwardDecision | null;
  readonly refused: Refusal | null;
  /** For a backend that turns out not to exist. */
  readonly missing: LocalDecision;
  /** For a backend whose address is not known yet. */
  readonly unresolved: LocalDecision;
}

export interface Refusal {
  readonly decision: LocalDecision;
  readonly message: string;
}

export interface CompiledRule {
  readonly route: HttpRoute;
  readonly rule: HttpRouteRule;
  /** Every backendRef in its order, those of weight 0 included. */
  readonly shares: readonly Share[];
  /** Shares of positive weight. */
  readonly active: readonly Share[];
  /** Null with fewer than two active shares. */
  readonly picker: WeightedPicker | null;
  /** The answer to every request, when no share can be picked. */
  readonly refused: Refusal | null;
}

/** `parent`: the labels of the frontend. */
export function compileRule(
  { route, rule }: AttachedRule,
  parent: SeriesLabels,
  services: ReadonlyMap<string, Service>,
  deps: CompileDeps,
): CompiledRule {
  const labels: SeriesLabels = {
    ...parent,
    routeNamespace: route.namespace,
    routeName: route.name,
    rule: rule.name ?? String(rule.index),
  };
  const refused = refuseRule(rule, labels, deps);
  const shares = rule.backendRefs.map((ref) => compileShare(ref, refused === null, labels, services, deps));
  const active = shares.filter((share) => share.ref.weight > 0);
  const weights = active.map((share) => share.ref.weight);
  return {
    route,
    rule,
    shares,
    active,
    picker: active.length < 2 ? null : new WeightedPicker(weights, deps.random ?? Math.random),
    refused,
  };
}

export function localDecision(reason: RequestReason, series: number): LocalDecision {
  return { kind: 'local', status: REQUEST_REASONS[reason].status, reason, series };
}

/** What a request gets that falls to this share now. Hot path: bench/micro/decide.ts. */
export function resolveShare(share: Share): ForwardDecision | LocalDecision {
  if (share.forward === null) return share.refused === null ? share.missing : share.refused.decision;
  const backend = share.forward.backend;
  if (backend.state === 'missing') return share.missing;
  return backend.addresses.length === 0 ? share.unresolved : share.forward;
}

function refuseRule(rule: HttpRouteRule, labels: SeriesLabels, deps: CompileDeps): Refusal | null {
  const filter = rule.filters.find((candidate) => !isCarriedFilter(candidate));
  let message: string;
  if (filter !== undefined) message = `filter ${filter.type} is not carried`;
  else if (rule.backendRefs.length === 0) message = 'the rule has no backendRefs';
  else if (rule.backendRefs.every((ref) => ref.weight === 0)) message = 'every backendRef has weight 0';
  else return null;
  const reason = filter === undefined ? 'no_backend' : 'unsupported_filter';
  return { decision: localDecision(reason, deps.internSeries(labels)), message };
}

/** `used`: false when the rule never picks a share; its backends are then not looked up either. */
function compileShare(
  ref: HttpBackendRef,
  used: boolean,
  rule: SeriesLabels,
  services: ReadonlyMap<string, Service>,
  deps: CompileDeps,
): Share {
  const series = deps.internSeries({
    ...rule,
    backendNamespace: ref.namespace,
    backendName: ref.name,
    backendPort: ref.port ?? 0,
  });
  const missing = localDecision('no_backend', series);
  const unresolved = localDecision('unresolved', series);
  const unusable = refuseShare(ref, series, missing, services);
  // A backend of weight 0 need not exist (SPEC B3), so it is not looked up.
  if (unusable !== null || ref.port === null || ref.weight === 0 || !used) {
    return { ref, forward: null, refused: unusable, missing, unresolved };
  }
  const backend = deps.internBackend(ref.namespace, ref.name, ref.port);
  return { ref, forward: { kind: 'forward', backend, series }, refused: null, missing, unresolved };
}

function refuseShare(
  ref: HttpBackendRef,
  series: number,
  missing: LocalDecision,
  services: ReadonlyMap<string, Service>,
): Refusal | null {
  const refusal = refuseBackend(ref, services);
  if (refusal !== null) return { decision: missing, message: refusal.message };
  const filter = ref.filters.find((candidate) => !isCarriedFilter(candidate));
  if (filter === undefined) return null;
  const message = `filter ${filter.type} of the backendRef is not carried`;
  return { decision: localDecision('unsupported_filter', series), message };
}
