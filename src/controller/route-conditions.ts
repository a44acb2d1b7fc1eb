/**
 * The conditions of a route, by the same code as in the sidecar and in `check`: attachment, and the state of the
 * Services it names.
 *
 * Stage before: `route-index.ts`. Stage after: `route-status.ts`. Pure. Reads only what can affect this route: the
 * route, routes of other kinds with the same parents, and the Services it names.
 */
import type { Knowledge } from '../cluster/knowledge.ts';
import { liveConditions } from '../cluster/live-conditions.ts';
import { attach } from '../config/attach.ts';
import type { RouteCondition } from '../config/attachment.ts';
import { parseRoutes } from '../config/route-parser.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import type { Resource } from '../gateway-api/types.ts';
import { listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { finish } from '../slices.ts';
import type { RouteEntry } from './objects.ts';
import type { RouteIndex } from './route-index.ts';

/** The conditions of a route for one of its parents. */
export interface ParentConditions {
  /** As written in the route. */
  readonly parentRef: Json;
  readonly conditions: readonly Pick<RouteCondition, 'type' | 'status' | 'reason' | 'message'>[];
}

export interface PlacedConditions extends ParentConditions {
  /** Field path of the parentRef in the route: `spec.parentRefs[0]`. */
  readonly path: string;
}

const KNOWN: Knowledge = { state: 'known', message: null };
const MISSING: Knowledge = { state: 'missing', message: 'there is no such Service' };
const HELD = 'sidecars that have had an earlier version go on with it';

/** One entry for each parent that is a Service, in the order of the route. */
export function conditionsOf(route: RouteEntry, index: RouteIndex): PlacedConditions[] {
  const resources: Resource[] = [];
  const read = ({ key, namespace, text }: Pick<RouteEntry, 'key' | 'namespace' | 'text'>): void => {
    resources.push(...parseRoutes(key, text, namespace, { limits: NO_TEXT_LIMITS }).resources);
  };
  read(route);
  for (const rival of index.rivalsOf(route)) read(rival);
  for (const key of route.services) {
    const service = index.services.get(key);
    if (service !== undefined) read({ ...service, key: `Service ${key}` });
  }
  const attachment = attach({ resources, namespace: route.namespace });
  const knows = (service: string): Knowledge => (index.services.has(service) ? KNOWN : MISSING);
  const live = finish(
    liveConditions(attachment, {
      parent: knows,
      backend: (key) => knows(key.slice(0, key.lastIndexOf(':'))),
    }),
  );
  const own = live.filter(
    ({ routeKind, namespace, name }) =>
      routeKind === route.kind && namespace === route.namespace && name === route.name,
  );
  const refused = resources.some((resource) => resource.kind === 'RefusedRoute' && resource.source.file === route.key);
  return serviceParentsOf(route).map(({ parentRef, path }) => ({
    ...{ parentRef, path },
    conditions: own
      // Conditions without a parentRef belong to a route whose parents could not be read.
      .filter((condition) => condition.parentRef === null || condition.parentRef.path === path)
      .map(({ type, status, reason, message }) => ({
        ...{ type, status, reason },
        message: refused ? `${message}; ${HELD}` : message,
      })),
  }));
}

/** The parentRefs as written, with their field paths. */
export function serviceParentsOf(route: RouteEntry): { parentRef: Json; path: string }[] {
  const manifest = JSON.parse(route.text) as unknown;
  return listOf(objectOf(manifest, 'spec'), 'parentRefs').flatMap((parentRef, index) => {
    const group = textOf(parentRef, 'group');
    const isService = textOf(parentRef, 'kind') === 'Service' && ['', 'core', null].includes(group);
    return isService ? [{ parentRef, path: `spec.parentRefs[${index}]` }] : [];
  });
}
