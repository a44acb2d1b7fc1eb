/**
 * The state that the passes of `attach.ts` share: the data they look up, and the conditions and problems they collect.
 */
import type { ParentRef, Problem, RefusedRoute, Resource, Route, Service } from '../gateway-api/types.ts';
import { SharedTexts } from '../gateway-api/shared-texts.ts';
import { untilLoaded } from '../gateway-api/until-loaded.ts';
import type { ConditionSubject, ConditionType, RouteCondition } from './attachment.ts';
import { serviceKey } from './support.ts';

export type RouteResource = Route | RefusedRoute;

export interface Progress {
  /** Namespace of the pod of this proxy; null when unknown. */
  readonly namespace: string | null;
  readonly services: ReadonlyMap<string, Service>;
  readonly conditions: RouteCondition[];
  /** One for each condition. */
  readonly subjects: (ConditionSubject | null)[];
  readonly problems: Problem[];
}

export function kindOf(resource: Resource): string {
  return resource.kind === 'OtherRoute' || resource.kind === 'RefusedRoute' ? resource.routeKind : resource.kind;
}

/** `HTTPRoute namespace/name`. */
export function labelOf(resource: Resource): string {
  return `${kindOf(resource)} ${resource.namespace}/${resource.name}`;
}

export function problemAt(
  resource: Resource,
  path: string,
): Pick<Problem, 'file' | 'document' | 'line' | 'resource' | 'path'> {
  const { file, document, line } = resource.source;
  return { file, document, line, resource: labelOf(resource), path };
}

export function warn(progress: Progress, resource: Resource, path: string, code: string, message: string): void {
  progress.problems.push({ ...problemAt(resource, path), severity: 'warning', code, message });
}

/**
 * `parent`: null for a document whose parents are unknown. `subject`: null when no address can change the condition.
 */
export function addCondition(
  progress: Progress,
  resource: RouteResource,
  parent: ParentRef | null,
  condition: Pick<RouteCondition, 'status' | 'reason' | 'message'> & { readonly type: ConditionType },
  subject: ConditionSubject | null = null,
): void {
  const added: RouteCondition = {
    routeKind: kindOf(resource),
    namespace: resource.namespace,
    name: resource.name,
    parent: parent === null ? '' : parentLabel(parent),
    parentRef: parent,
    observedGeneration: resource.generation,
    // No spread here: V8 stores properties added to a copy outside of the object, with spare space.
    type: condition.type,
    status: condition.status,
    reason: condition.reason,
    message: condition.message,
    source: resource.source,
  };
  progress.conditions.push(added);
  progress.subjects.push(subject);
}

const labels = untilLoaded(new SharedTexts());

function parentLabel(parent: ParentRef): string {
  const key = serviceKey(parent.namespace, parent.name);
  if (parent.port !== null) return labels.of(`${key}:${parent.port}`);
  return labels.of(parent.sectionName === null ? key : `${key}:${parent.sectionName}`);
}

/** Parents of other kinds belong to other implementations. */
export function serviceParents(route: RouteResource): ParentRef[] {
  return route.parentRefs.filter((parent) => parent.group === '' && parent.kind === 'Service');
}
