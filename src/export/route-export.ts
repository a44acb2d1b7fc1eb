/**
 * Which routes and Services the clients of a namespace need: every producer route of whatever kind, for the kinds conflict, the consumer routes of the namespace
 * itself, and the Services that those name.
 *
 * Stage before: `cluster-objects.ts`. Stage after: `config-maps.ts`. A route is a producer route for the parents in its own
 * namespace, where it applies to every client, and a consumer route for the others: then only clients in its
 * namespace see it.
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

/** Sorted: Services before routes, by namespace and name; one of two objects of the same name, the later one. */
export function neededBy(namespace: string, objects: readonly ClusterObject[]): ClusterObject[] {
  const unique = new Map(objects.map((object) => [`${object.kind} ${object.namespace}/${object.name}`, object]));
  const routes = [...unique.values()].filter((object) => isRoute(object) && applies(object, namespace));
  const needed = new Set(routes.flatMap(servicesOf).map(({ namespace: of, name }) => `Service ${of}/${name}`));
  const services = [...unique].filter(([key]) => needed.has(key)).map(([, object]) => object);
  return [...services.sort(byName), ...routes.sort((a, b) => byName(a, b) || compareText(a.kind, b.kind))];
}

/** Names that the routes refer to and that are not among the objects: their addresses come from cluster DNS. */
export function missingServices(objects: readonly ClusterObject[]): string[] {
  const present = new Set(objects.filter(({ kind }) => kind === 'Service').map(nameOf));
  const named = new Set(objects.filter(isRoute).flatMap(servicesOf).map(nameOf));
  return [...named].filter((name) => !present.has(name)).sort(compareText);
}

/** Routes none of whose parents is a Service, as those of Gateways are. */
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

/** `defaultKind`: what a reference means that does not say. */
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

/** By code units, so that the order is the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
