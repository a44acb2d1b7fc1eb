/**
 * Selects the routes and Services that the clients of a namespace need: all producer routes (of all kinds, because
 * kinds conflict), the consumer routes of the namespace, and the Services that these name.
 *
 * Stage before: `cluster-objects.ts`. Stage after: `config-maps.ts`. For parents in its own namespace a route is a
 * producer route and applies to every client. For other parents it is a consumer route, which only clients in its own
 * namespace see.
 */
import { isObject, type ClusterObject, type Json } from './cluster-objects.ts';

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** Namespaces with a route or a Service, sorted. */
export function namespacesOf(objects: readonly ClusterObject[]): string[] {
  return [...new Set(objects.map(({ namespace }) => namespace))].sort(compareText);
}

/** Sorted: Services before routes, by namespace and name. Of objects with the same name only the last one. */
export function neededBy(namespace: string, objects: readonly ClusterObject[]): ClusterObject[] {
  const unique = new Map(objects.map((object) => [`${object.kind} ${object.namespace}/${object.name}`, object]));
  const routes = [...unique.values()].filter((object) => isRoute(object) && applies(object, namespace));
  const needed = new Set(routes.flatMap(servicesOf).map(({ namespace: of, name }) => `Service ${of}/${name}`));
  const services = [...unique].filter(([key]) => needed.has(key)).map(([, object]) => object);
  return [...services.sort(byName), ...routes.sort((a, b) => byName(a, b) || compareText(a.kind, b.kind))];
}

/** Services that routes refer to but that are not among the objects: their addresses come from cluster DNS. */
export function missingServices(objects: readonly ClusterObject[]): string[] {
  const present = new Set(objects.filter(({ kind }) => kind === 'Service').map(nameOf));
  const named = new Set(objects.filter(isRoute).flatMap(servicesOf).map(nameOf));
  return [...named].filter((name) => !present.has(name)).sort(compareText);
}

/** Routes without a Service among their parents, for instance those of Gateways. */
export function routesElsewhere(objects: readonly ClusterObject[]): ClusterObject[] {
  return objects.filter((object) => isRoute(object) && parentsOf(object).length === 0);
}

function isRoute({ kind }: ClusterObject): boolean {
  return kind !== 'Service';
}

function applies(route: ClusterObject, namespace: string): boolean {
  const parents = parentsOf(route);
  return parents.some((parent) => parent.namespace === route.namespace || route.namespace === namespace);
}

/** Parents that are Services. */
export function parentsOf(route: ClusterObject): ServiceName[] {
  return serviceReferences(specOf(route)['parentRefs'], route.namespace, 'Gateway');
}

/** Parents, backends and the targets of mirrors. */
export function servicesOf(route: ClusterObject): ServiceName[] {
  const rules = list(specOf(route)['rules']);
  const backends = rules.flatMap((rule) => list(rule['backendRefs']));
  const filters = [...rules, ...backends].flatMap((holder) => list(holder['filters']));
  const mirrors = filters.flatMap(({ requestMirror }) =>
    isObject(requestMirror) ? [requestMirror['backendRef']] : [],
  );
  return [...parentsOf(route), ...serviceReferences([...backends, ...mirrors], route.namespace, 'Service')];
}

/** `defaultKind`: the kind of a reference without one. */
function serviceReferences(references: unknown, namespace: string, defaultKind: string): ServiceName[] {
  return list(references).flatMap(({ group, kind, namespace: of, name }) => {
    const isCore = group === undefined || group === null || group === '' || group === 'core';
    if (!isCore || (kind ?? defaultKind) !== 'Service' || typeof name !== 'string') return [];
    return [{ namespace: typeof of === 'string' ? of : namespace, name }];
  });
}

function specOf({ manifest }: ClusterObject): Json {
  return isObject(manifest['spec']) ? manifest['spec'] : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function nameOf({ namespace, name }: ServiceName): string {
  return `${namespace}/${name}`;
}

function byName(a: ServiceName, b: ServiceName): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

/** By code units, so that the order does not depend on the machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
