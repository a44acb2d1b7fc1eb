/**
 * Checks the references of a route (backends and mirrors) against the Service documents. The result is the condition
 * ResolvedRefs and, for `check`, a problem for each reference that contradicts the documents.
 *
 * Used by `route-conditions.ts` and `cli/check.ts`. A rule without backendRefs has nothing unresolved.
 */
import type { BackendObjectReference, CarriedRoute, HttpRouteFilter, Problem, Service } from '../gateway-api/types.ts';
import type { ConditionReference, ConditionSubject, RouteCondition } from './attachment.ts';
import { problemAt } from './progress.ts';
import { answerOf, refuseBackend, serviceKey, type BackendRefusal } from './support.ts';
import { exact, SharedObjects } from '../gateway-api/shared-objects.ts';
import { SharedTexts } from '../gateway-api/shared-texts.ts';
import { untilLoaded } from '../gateway-api/until-loaded.ts';

/** One backendRef of a rule, or the one of a mirror. */
export interface RouteReference {
  readonly ref: BackendObjectReference;
  /** Field path. */
  readonly path: string;
  /** True when it can receive requests: a backend of weight 0 need not exist. */
  readonly used: boolean;
  /** What happens when it cannot be used. */
  readonly consequence: string;
  /** What happens while its address is unknown. */
  readonly meanwhile: string;
}

const NOT_MIRRORED = 'no request is mirrored there';
const FOR_MIRRORS = { consequence: NOT_MIRRORED, meanwhile: NOT_MIRRORED };
/** The message when all references are known to be usable. */
export const EVERY_REFERENCE_USABLE = 'every backendRef is usable';

/** In the order of the route. */
export function referencesOf(route: CarriedRoute): RouteReference[] {
  const forBackends = {
    consequence: `its share of requests is answered with ${answerOf(route.kind, 'no_backend')}`,
    meanwhile: `its share of requests is answered with ${answerOf(route.kind, 'unresolved')}`,
  };
  const mirrors = (filters: readonly HttpRouteFilter[], path: string): RouteReference[] =>
    filters.flatMap((filter, index) => {
      if (filter.type !== 'RequestMirror') return [];
      const field = `${path}.filters[${index}].requestMirror.backendRef`;
      const ref = filter.requestMirror.backendRef;
      return [{ ref, path: field, used: true, ...FOR_MIRRORS }];
    });
  return route.rules.flatMap((rule) => [
    ...mirrors(rule.filters, `spec.rules[${rule.index}]`),
    ...rule.backendRefs.flatMap((ref) => [
      { ref, path: ref.path, used: ref.weight > 0, ...forBackends },
      ...mirrors(ref.filters, ref.path),
    ]),
  ]);
}

const consequences = new Map<string, ConditionReference['consequences']>();

/** Equal texts give the same object, because there are only a few. */
function consequencesOf({
  consequence: missing,
  meanwhile: pending,
}: RouteReference): ConditionReference['consequences'] {
  const words = `${missing} ${pending}`;
  const known = consequences.get(words) ?? { missing, pending };
  consequences.set(words, known);
  return known;
}

interface Failure {
  readonly reference: RouteReference;
  readonly refusal: BackendRefusal;
}

export interface References {
  readonly failures: readonly Failure[];
  /** References that may still fail, depending on their addresses; null: none. */
  readonly subject: ConditionSubject | null;
  /** `namespace/name` of the Services without a document. */
  readonly unknown: readonly string[];
}

/** Longer lists rarely recur. */
const MOST_SHARED = 4;
const texts = untilLoaded(new SharedTexts(512));
const references = untilLoaded(new SharedObjects<ConditionReference>());

function openReference(name: string, reference: RouteReference): ConditionReference {
  const { path } = reference;
  const consequences = consequencesOf(reference);
  const key = JSON.stringify([name, path, consequences]);
  return references.of(key, () => ({ key: texts.of(name), path, consequences }));
}

const subjects = untilLoaded(new SharedObjects<ConditionSubject>());

function subjectOf(open: readonly ConditionReference[]): ConditionSubject | null {
  if (open.length === 0) return null;
  const make = (): ConditionSubject => ({ kind: 'backends', references: exact(open) });
  return open.length > MOST_SHARED ? make() : subjects.of(JSON.stringify(open), make);
}

export function judgeReferences(route: CarriedRoute, services: ReadonlyMap<string, Service>): References {
  const failures: Failure[] = [];
  const open: ConditionReference[] = [];
  const unknown = new Set<string>();
  for (const reference of referencesOf(route)) {
    const { ref } = reference;
    const refusal = refuseBackend(ref, services, route.kind);
    const key = serviceKey(ref.namespace, ref.name);
    if (refusal !== null) {
      failures.push({ reference, refusal });
      continue;
    }
    if (!reference.used) continue;
    open.push(openReference(`${key}:${ref.port}`, reference));
    if (!services.has(key)) unknown.add(key);
  }
  return { failures, subject: subjectOf(open), unknown: [...unknown] };
}

const CODES: Readonly<Record<BackendRefusal['reason'], Pick<Problem, 'code'>>> = {
  InvalidKind: { code: 'backend-kind' },
  BackendNotFound: { code: 'backend-not-found' },
  UnsupportedProtocol: { code: 'backend-protocol' },
};

/**
 * For `check`: an error when requests are affected, because a contradiction in the documents does not resolve by
 * itself. A running sidecar reports only the condition, because a Service may change at any time.
 */
export function referenceProblems(route: CarriedRoute, services: ReadonlyMap<string, Service>): Problem[] {
  return judgeReferences(route, services).failures.map(({ reference, refusal }) => {
    const { used, path, consequence } = reference;
    return {
      ...problemAt(route, path),
      severity: used ? 'error' : 'warning',
      ...CODES[refusal.reason],
      message: `${refusal.message}; ${used ? consequence : 'its weight is 0'}`,
    };
  });
}

/** The reason is taken from the first failure. */
export function resolvedRefs({
  failures,
  unknown,
}: References): Pick<RouteCondition, 'type' | 'status' | 'reason' | 'message'> {
  const type = 'ResolvedRefs';
  const [first] = failures;
  if (first === undefined) {
    return { type, status: 'True', reason: 'ResolvedRefs', message: texts.of(usable(unknown)) };
  }
  const messages = failures.map(({ reference, refusal }) => {
    return `${reference.path}: ${refusal.message}; ${reference.consequence}`;
  });
  return { type, status: 'False', reason: first.refusal.reason, message: messages.join(' | ') };
}

const NAMES_SHOWN = 3;

function usable(unknown: readonly string[]): string {
  if (unknown.length === 0) return EVERY_REFERENCE_USABLE;
  return `nothing is known against the backendRefs; no document tells of ${listed(unknown)}`;
}

/** `Service a/b, c/d and 2 more`. */
export function listed(services: readonly string[]): string {
  const more = services.length - NAMES_SHOWN;
  const shown = services.slice(0, NAMES_SHOWN).join(', ');
  return `Service ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}
