/**
 * The routes of a snapshot and their state, by the code of the controller and the sidecars: conditions, references,
 * rules without requests, and the namespaces that see them.
 *
 * Stage before: `view.ts`. Stage after: `checks/routes.ts`. Pure; computed once for a snapshot.
 */
import { attach } from '../config/attach.ts';
import { parseRoutes } from '../config/route-parser.ts';
import { isCarriedRoute } from '../config/support.ts';
import { namespaceEntry, routeEntry, serviceEntry, type RouteEntry } from '../controller/objects.ts';
import { conditionsOf, type PlacedConditions } from '../controller/route-conditions.ts';
import { RouteIndex } from '../controller/route-index.ts';
import { CONTROLLER_NAME } from '../controller/settings.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import type { CarriedRoute, Problem, Resource, Service } from '../gateway-api/types.ts';
import { listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { matchKey } from '../lint/dead-matches.ts';
import { compareMatches, type RankedMatch } from '../routing/precedence.ts';
import { namespaceOf, type At, type ClusterView } from './view.ts';

export interface RouteFacts {
  readonly entry: RouteEntry;
  readonly object: Json;
  readonly at: At;
  /** Null: refused, or of a kind that is not carried. */
  readonly route: CarriedRoute | null;
  /** Problems found when it was read. */
  readonly problems: readonly Problem[];
  readonly parents: readonly PlacedConditions[];
}

/** A match whose requests all go to another route. */
export interface ShadowedMatch {
  readonly route: CarriedRoute;
  readonly path: string;
  /** `HTTPRoute shop/older`, with the path of its match. */
  readonly winner: string;
  readonly frontend: string;
}

export interface Routes {
  readonly all: readonly RouteFacts[];
  readonly services: ReadonlyMap<string, Service>;
  readonly index: RouteIndex;
  readonly shadowed: readonly ShadowedMatch[];
}

const KINDS = ['httpRoutes', 'grpcRoutes', 'tlsRoutes', 'tcpRoutes'] as const;

export function routesOf(view: ClusterView): Routes {
  return view.once('routes', () => read(view));
}

/** The name in the status of routes. */
export function controllerNameOf({ controller }: ClusterView): string {
  const [container] = listOf(objectOf(objectOf(objectOf(controller, 'spec'), 'template'), 'spec'), 'containers');
  const variable = listOf(container, 'env').find((each) => textOf(each, 'name') === 'SIDEROUTE_CONTROLLER_NAME');
  return textOf(variable, 'value') ?? CONTROLLER_NAME;
}

function read(view: ClusterView): Routes {
  const index = new RouteIndex();
  const resources: Resource[] = [];
  const services = new Map<string, Service>();
  for (const object of view.items('services')) {
    const entry = serviceEntry(object);
    if (entry === null) continue;
    index.setService(entry);
    for (const resource of parse(`Service ${entry.key}`, entry.text, entry.namespace).resources) {
      resources.push(resource);
      if (resource.kind === 'Service') services.set(entry.key, resource);
    }
  }
  const entries: { entry: RouteEntry; object: Json }[] = [];
  const name = controllerNameOf(view);
  for (const object of KINDS.flatMap((kind) => view.items(kind))) {
    const entry = routeEntry(object, name);
    if (entry === null || entry.parents.length === 0) continue;
    index.setRoute(entry);
    entries.push({ entry, object });
  }
  for (const object of view.items('namespaces')) {
    const { name: namespace, routesFrom, terminating } = namespaceEntry(object);
    if (view.meshedNamespaces.has(namespace) && !terminating) index.setClient({ name: namespace, routesFrom });
  }
  const all = entries.map(({ entry, object }): RouteFacts => {
    const parsed = parse(entry.key, entry.text, entry.namespace);
    resources.push(...parsed.resources);
    const at = { kind: entry.kind, namespace: entry.namespace, name: entry.name };
    const route = parsed.resources.find(isCarriedRoute) ?? null;
    return { entry, object, at, route, problems: parsed.problems, parents: conditionsOf(entry, index) };
  });
  return { all, services, index, shadowed: shadowedAmong(resources) };
}

function parse(file: string, text: string, namespace: string) {
  return parseRoutes(file, text, namespace, { limits: NO_TEXT_LIMITS });
}

/** Among the producer routes, and among the consumer routes of each namespace, which replace them for its clients. */
function shadowedAmong(resources: readonly Resource[]): ShadowedMatch[] {
  const consumers = new Map<string, Resource[]>();
  const services = resources.filter(({ kind }) => kind === 'Service');
  for (const resource of resources) {
    if (!isCarriedRoute(resource)) continue;
    if (resource.parentRefs.every(({ namespace }) => namespace === resource.namespace)) continue;
    consumers.set(resource.namespace, [...(consumers.get(resource.namespace) ?? []), resource]);
  }
  // No namespace has an empty name, so no consumer routes are included here.
  return [
    ...shadowedIn(resources, '', false),
    ...[...consumers].flatMap(([namespace, own]) => shadowedIn([...services, ...own], namespace, true)),
  ];
}

function shadowedIn(resources: readonly Resource[], namespace: string, consumer: boolean): ShadowedMatch[] {
  const { frontends } = attach({ resources, namespace });
  return frontends.flatMap((frontend) => {
    if (frontend.consumer !== consumer || frontend.mode !== 'http') return [];
    const ranked = frontend.rules.flatMap(({ route, rule }) =>
      rule.matches.map((match, matchIndex): RankedMatch => ({ route, rule, match, matchIndex })),
    );
    const winners = new Map<string, RankedMatch>();
    return ranked.sort(compareMatches).flatMap((one): ShadowedMatch[] => {
      const key = matchKey(one.match);
      const winner = winners.get(key);
      if (winner === undefined) {
        winners.set(key, one);
        return [];
      }
      // Shadowed matches within one route are found when that route is checked.
      if (winner.route === one.route) return [];
      const { route } = winner;
      const name = `${route.kind} ${route.namespace}/${route.name} ${pathOf(winner)}`;
      return [{ route: one.route, path: pathOf(one), winner: name, frontend: frontend.key }];
    });
  });
}

function pathOf({ rule, matchIndex }: RankedMatch): string {
  return `spec.rules[${rule.index}].matches[${matchIndex}]`;
}

/** True when the Services of a namespace have been read. */
export function knowsServices(view: ClusterView, namespace: string): boolean {
  return view.covers('services', namespace);
}

export function serviceObject(view: ClusterView, key: string): Json | null {
  const [namespace = '', name = ''] = key.split('/');
  return view.find('services', namespace, name);
}

export function namesIn(view: ClusterView, namespace: string): string[] {
  return view
    .items('services')
    .filter((item) => namespaceOf(item) === namespace)
    .map((item) => textOf(objectOf(item, 'metadata'), 'name') ?? '');
}
