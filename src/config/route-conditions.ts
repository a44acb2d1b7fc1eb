/**
 * Reports the conditions of each route and parentRef (Accepted, ResolvedRefs, PartiallyInvalid), and warns of fields
 * without effect.
 *
 * Stage before: `parents.ts` and `conflicts.ts`. Stage after: `check`, the log, the admin endpoint.
 */
import type {
  CarriedRoute,
  HttpRouteFilter,
  OtherRoute,
  ParentRef,
  RefusedRoute,
  Route,
} from '../gateway-api/types.ts';
import { describeLost, type Conflict } from './conflicts.ts';
import type { Claim } from './parents.ts';
import { addCondition, problemAt, serviceParents, warn, type Progress, type RouteResource } from './progress.ts';
import { judgeReferences, resolvedRefs } from './route-references.ts';
import { answerOf, isCarriedFilter } from './support.ts';
import { SharedObjects } from '../gateway-api/shared-objects.ts';
import { SharedTexts } from '../gateway-api/shared-texts.ts';
import { untilLoaded } from '../gateway-api/until-loaded.ts';
import type { ConditionSubject } from './attachment.ts';

/** A parentRef with its claim, or a sentence that explains why there is none. */
export interface ResolvedParent {
  readonly parent: ParentRef;
  readonly claim: Claim | string;
}

/**
 * The reader has reported the fault already. The Gateway API has no reason for a document that an API server would not
 * store.
 */
export function reportRefused(route: RefusedRoute, progress: Progress): void {
  const reason = route.reason === 'Invalid' ? 'UnsupportedValue' : route.reason;
  const parents = route.parentRefs.length === 0 ? [null] : serviceParents(route);
  for (const parent of parents) {
    addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason, message: route.message });
  }
}

/** Kinds that are not carried yet are never accepted. Those that another kind displaces get their own message. */
export function reportOther(
  route: OtherRoute,
  parents: readonly ResolvedParent[],
  conflicts: ReadonlyMap<Claim, Conflict>,
  progress: Progress,
): void {
  for (const { parent, claim } of parents) {
    reportPartiallyInvalid(route, parent, [], progress);
    if (typeof claim === 'string') {
      reportNoParent(route, parent, claim, progress);
      continue;
    }
    const conflict = conflicts.get(claim);
    if (conflict?.everywhere === true) {
      reportConflict(route, parent, conflict, progress);
      continue;
    }
    const message =
      `${route.routeKind} is not carried by this version; connections to ${claim.service} that it is attached to are ` +
      'tunnelled unread';
    addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason: 'UnsupportedValue', message });
  }
  warn(
    progress,
    route,
    '',
    'not-carried-yet',
    `${route.routeKind} is not carried by this version; nothing in the route has an effect but what it is attached to`,
  );
}

/** UDP is never redirected to this proxy. */
export function reportUdp(route: OtherRoute, progress: Progress): void {
  const message = 'UDPRoute is not carried by this version; the route has no effect';
  for (const parent of serviceParents(route)) {
    addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason: 'UnsupportedValue', message });
  }
  warn(progress, route, '', 'not-carried-yet', message);
}

export function reportCarried(
  route: CarriedRoute,
  parents: readonly ResolvedParent[],
  conflicts: ReadonlyMap<Claim, Conflict>,
  progress: Progress,
): void {
  if (parents.length === 0) {
    const message =
      'no parentRef names a Service, so the route has no effect here; a Service parent needs kind: Service and group: ""';
    warn(progress, route, 'spec.parentRefs', 'no-service-parent', message);
    return;
  }
  const drops = reportUncarried(route, progress);
  const references = judgeReferences(route, progress.services);
  for (const { parent, claim } of parents) {
    if (typeof claim === 'string') {
      reportNoParent(route, parent, claim, progress);
      reportPartiallyInvalid(route, parent, [], progress);
      continue;
    }
    const conflict = conflicts.get(claim) ?? null;
    let dropped: readonly string[] = [];
    if (conflict?.everywhere === true) reportConflict(route, parent, conflict, progress);
    else dropped = reportAcceptance(route, claim, drops, conflict, progress);
    reportPartiallyInvalid(route, parent, dropped, progress);
    addCondition(progress, route, parent, resolvedRefs(references), references.subject);
  }
}

function reportNoParent(route: RouteResource, parent: ParentRef, message: string, progress: Progress): void {
  addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason: 'NoMatchingParent', message });
  const problem = problemAt(route, parent.path);
  progress.problems.push({ ...problem, severity: 'error', code: 'no-matching-parent', message });
}

function reportConflict(route: RouteResource, parent: ParentRef, { lost }: Conflict, progress: Progress): void {
  const message = `the route is ignored on ${lost.map(describeLost).join(', ')}`;
  addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason: 'Conflicted', message });
  warn(progress, route, parent.path, 'route-conflict', message);
}

/** Shared, because the messages of all routes of one parent are equal. */
const messages = untilLoaded(new SharedTexts(512));

const UNROUTED = { missing: 'connections to it pass unrouted', pending: 'connections to it pass unrouted' };

const parentSubjects = untilLoaded(new SharedObjects<ConditionSubject>());

/** Routes of one parent share one object. */
function parentSubject(key: string, path: string): ConditionSubject {
  return parentSubjects.of(`${path} ${key}`, () => {
    return { kind: 'parent', reference: { key: messages.of(key), path, consequences: UNROUTED } };
  });
}

/** Parts of a route that answer with an error, as field paths. */
interface Drops {
  readonly rules: readonly string[];
  /** backendRefs of rules that are otherwise usable. */
  readonly backends: readonly string[];
}

/**
 * A conflict on only some ports leaves the route accepted, because its rules apply on the other ports. Returns the
 * parts of an accepted route that answer with an error.
 */
function reportAcceptance(
  route: CarriedRoute,
  claim: Claim,
  drops: Drops,
  conflict: Conflict | null,
  progress: Progress,
): readonly string[] {
  const { parent } = claim;
  const reason = 'UnsupportedValue';
  if (drops.rules.length === route.rules.length) {
    const message = `no rule can be used: ${drops.rules.join(', ')} answer ${answerOf(route.kind, 'unsupported_filter')}, a filter is not carried`;
    addCondition(progress, route, parent, { type: 'Accepted', status: 'False', reason, message });
    return [];
  }
  const ignored = conflict === null ? '' : `; ignored on ${conflict.lost.map(describeLost).join(', ')}`;
  const message = messages.of(`${describeScope(claim, progress.namespace)}${ignored}`);
  addCondition(
    progress,
    route,
    parent,
    { type: 'Accepted', status: 'True', reason: 'Accepted', message },
    // The parent of a route for other clients is not resolved here.
    claim.scope === 'elsewhere' ? null : parentSubject(claim.service, parent.path),
  );
  if (conflict !== null) warn(progress, route, parent.path, 'route-conflict', `the route is${ignored.slice(1)}`);
  return [...drops.rules, ...drops.backends];
}

/**
 * Reports that an earlier version is served or that rules are left out. Only True is reported; otherwise the condition
 * is absent.
 */
function reportPartiallyInvalid(route: Route, parent: ParentRef, dropped: readonly string[], progress: Progress): void {
  const told: string[] = [];
  if (route.held !== undefined) {
    told.push(`Fall Back: the last good version is in use, because the present one is refused: ${route.held}`);
  }
  if (dropped.length > 0 && route.kind !== 'OtherRoute') {
    const answer = answerOf(route.kind, 'unsupported_filter');
    told.push(`Dropped Rule: ${dropped.join(', ')} answer ${answer}, a filter is not carried`);
  }
  if (told.length === 0) return;
  const condition = { type: 'PartiallyInvalid', status: 'True', reason: 'UnsupportedValue' } as const;
  addCondition(progress, route, parent, { ...condition, message: told.join(' | ') });
}

function describeScope(claim: Claim, namespace: string | null): string {
  if (claim.scope === 'producer') return `producer route: serves clients of ${claim.service} in every namespace`;
  if (claim.scope === 'consumer') return `consumer route: serves clients of ${claim.service} in this namespace`;
  const here = namespace === null ? 'the namespace of this proxy is not known' : `this proxy serves ${namespace}`;
  return `consumer route: serves clients of ${claim.service} in ${claim.route.namespace} only; ${here}`;
}

/**
 * Warns of fields that are accepted but have no effect. Returns the parts that answer with an error because of a
 * filter.
 */
function reportUncarried(route: CarriedRoute, progress: Progress): Drops {
  if (route.hostnames.length > 0) {
    const message = 'hostnames have no meaning for a Service parent and are ignored; match the Host header instead';
    warn(progress, route, 'spec.hostnames', 'hostnames-ignored', message);
  }
  const rules: string[] = [];
  const backends: string[] = [];
  for (const rule of route.rules) {
    const path = `spec.rules[${rule.index}]`;
    const answer = answerOf(route.kind, 'unsupported_filter');
    const consequence = `requests of this rule are answered with ${answer}`;
    const unusable = reportFilters(route, rule.filters, path, consequence, progress);
    const hasCors = rule.filters.some((filter) => filter.type === 'CORS');
    const unusableRefs = rule.backendRefs.filter((ref) => {
      const shadowed = hasCors ? ref.filters.findIndex((filter) => filter.type === 'CORS') : -1;
      if (shadowed >= 0) {
        const message = 'has no effect: the CORS filter of the rule decides for all its backends';
        warn(progress, route, `${ref.path}.filters[${shadowed}]`, 'cors-shadowed', message);
      }
      return reportFilters(
        route,
        ref.filters,
        ref.path,
        `the share of this backend is answered with ${answer}`,
        progress,
      );
    });
    const used = rule.backendRefs.filter((ref) => ref.weight > 0);
    if (unusable || (used.length > 0 && used.every((ref) => unusableRefs.includes(ref)))) rules.push(path);
    else backends.push(...unusableRefs.map((ref) => ref.path));
  }
  return { rules, backends };
}

/** True when one of the filters is not carried. `path`: of the object that contains the list. */
function reportFilters(
  route: CarriedRoute,
  filters: readonly HttpRouteFilter[],
  path: string,
  consequence: string,
  progress: Progress,
): boolean {
  let found = false;
  for (const [index, filter] of filters.entries()) {
    if (isCarriedFilter(filter)) continue;
    found = true;
    const message = `filter ${filter.type} is not carried yet; ${consequence}`;
    warn(progress, route, `${path}.filters[${index}]`, 'unsupported-filter', message);
  }
  return found;
}
