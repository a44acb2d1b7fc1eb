/**
 * Attaches routes to the Services they name as parents: determines which rules serve which Service port for this proxy,
 * and the conditions of each route.
 *
 * Stage before: `gateway-api/parse.ts` through `route-directory.ts`. Stage after: `routing/table.ts` and
 * `cluster/frontends.ts`. Pure: the same input gives the same attachment.
 */
import type { Problem, Resource, Route, Service, SourceLocation } from '../gateway-api/types.ts';
import { finish, sortInSteps, type Steps } from '../slices.ts';
import { buildFrontends } from './attached-frontends.ts';
import type { Attachment } from './attachment.ts';
import { findConflicts } from './conflicts.ts';
import { resolveParent, type Claim } from './parents.ts';
import { labelOf, problemAt, serviceParents, type Progress } from './progress.ts';
import { withinRegexBudget } from './regex-budget.ts';
import { reportCarried, reportOther, reportRefused, reportUdp, type ResolvedParent } from './route-conditions.ts';
import { isCarriedRoute, serviceKey } from './support.ts';

export interface AttachInput {
  readonly resources: readonly Resource[];
  /** Namespace of the pod of this proxy, which selects consumer routes; null when unknown. */
  readonly namespace: string | null;
}

/** Resolves every parentRef. Never throws: a fault becomes a condition and a problem. */
export function attach(input: AttachInput): Attachment {
  return finish(attachInSteps(input));
}

/** Like `attach`, with pauses. */
export function* attachInSteps(input: AttachInput): Steps<Attachment> {
  const problems: Problem[] = [];
  const resources = yield* withinRegexBudget(yield* withoutDuplicates(input.resources, problems), problems);
  const services = new Map<string, Service>();
  for (const resource of resources) {
    if (resource.kind === 'Service') services.set(serviceKey(resource.namespace, resource.name), resource);
  }
  const progress: Progress = { namespace: input.namespace, services, conditions: [], subjects: [], problems };
  const claims: Claim[] = [];
  const parents = new Map<Resource, readonly ResolvedParent[]>();
  for (const route of resources) {
    yield;
    if (route.kind === 'Service' || route.kind === 'RefusedRoute' || isUdp(route)) continue;
    const resolved = resolveParents(route, progress);
    parents.set(route, resolved);
    for (const { claim } of resolved) if (typeof claim !== 'string') claims.push(claim);
  }
  const conflicts = yield* findConflicts(claims);
  for (const resource of resources) {
    yield;
    const resolved = parents.get(resource) ?? [];
    if (resource.kind === 'RefusedRoute') reportRefused(resource, progress);
    else if (isCarriedRoute(resource)) reportCarried(resource, resolved, conflicts, progress);
    else if (resource.kind === 'OtherRoute' && isUdp(resource)) reportUdp(resource, progress);
    else if (resource.kind === 'OtherRoute') reportOther(resource, resolved, conflicts, progress);
  }
  const { conditions, subjects } = progress;
  return { frontends: yield* buildFrontends(claims, progress), conditions, subjects, problems, services };
}

function isUdp(route: Route): boolean {
  return route.kind === 'OtherRoute' && route.routeKind === 'UDPRoute';
}

function resolveParents(route: Route, progress: Progress): ResolvedParent[] {
  const parents = serviceParents(route);
  return parents.map((parent, index) => ({
    parent,
    claim: resolveParent(route, parent, parents.slice(0, index), progress),
  }));
}

/**
 * In a cluster a name is unique; in files it can occur twice. Then the first one by file name and position in the file
 * is used. Neither age nor content decides, so an edit of the unused one changes nothing. A refused route does not
 * block the name for a valid one.
 */
function* withoutDuplicates(resources: readonly Resource[], problems: Problem[]): Steps<Resource[]> {
  const ordered = yield* sortInSteps(resources, (a, b) => compareSources(a.source, b.source));
  const first = new Map<string, Resource>();
  const kept: Resource[] = [];
  for (const resource of ordered) {
    yield;
    if (resource.kind === 'RefusedRoute') {
      kept.push(resource);
      continue;
    }
    const label = labelOf(resource);
    const winner = first.get(label);
    if (winner === undefined) {
      first.set(label, resource);
      kept.push(resource);
      continue;
    }
    problems.push({
      ...problemAt(resource, ''),
      severity: 'error',
      code: 'duplicate-resource',
      message:
        `${label} is defined more than once; the definition in ${winner.source.file} (document ` +
        `${winner.source.document}) is used, this one is ignored`,
    });
  }
  return kept;
}

function compareSources(a: SourceLocation, b: SourceLocation): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.document - b.document;
}
