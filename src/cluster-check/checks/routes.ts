/** Checks for accepted routes that have no effect, and for what the controller reports about each route. */
import { attach } from '../../config/attach.ts';
import type { Problem } from '../../gateway-api/types.ts';
import { listOf, numberOf, objectOf, textOf } from '../../kube/json.ts';
import { deadMatches } from '../../lint/dead-matches.ts';
import { outrankedMatches } from '../../lint/outranked-matches.ts';
import { rulesWithoutBackends } from '../../lint/rules-without-backends.ts';
import { counted, findingAt, inShell, type Check, type Finding } from '../model.ts';
import { controllerNameOf, routesOf, type RouteFacts } from '../routes.ts';
import { nameOf, type ClusterView } from '../view.ts';
import { edit } from './parents.ts';

const NEEDS = ['httpRoutes', 'grpcRoutes', 'services'] as const;

/** A check that looks at each route separately. */
function problemCheck(
  words: Pick<Check, 'id' | 'title' | 'why' | 'mend'>,
  advice: string,
  problemsOf: (facts: RouteFacts) => readonly Problem[],
): Check {
  return {
    ...words,
    group: 'routes',
    before: false,
    needs: NEEDS,
    judge(view) {
      const { all } = routesOf(view);
      const findings = all.flatMap((facts) =>
        problemsOf(facts).map(({ path, message }): Finding => {
          return findingAt('warning', facts.at, `${path === '' ? '' : `${path}: `}${message}`, edit(facts, advice));
        }),
      );
      return { looked: counted(all.length, 'route'), findings };
    },
  };
}

const withoutBackends = problemCheck(
  {
    id: 'route-rules',
    title: 'the rules of routes have backends',
    why: 'Requests of a rule without a backend, or with none of a weight above 0, are answered with 500.',
    mend: 'Give the rule a backendRef, or a filter that answers.',
  },
  'give the rule a backendRef with a weight',
  ({ route }) => (route === null ? [] : rulesWithoutBackends([route])),
);

const filters = problemCheck(
  {
    id: 'route-filters',
    title: 'the filters of routes are carried out',
    why: 'A rule with a filter that is not carried answers 500, reason `unsupported_filter`, rather than skip it.',
    mend: 'Take the filter out.',
  },
  'take the filter out',
  ({ route }) =>
    route === null
      ? []
      : attach({ resources: [route], namespace: route.namespace }).problems.filter(
          ({ code }) => code === 'unsupported-filter',
        ),
);

const ignored = problemCheck(
  {
    id: 'route-ignored-fields',
    title: 'no field of a route is without effect',
    why: 'What has no meaning for a Service, such as `hostnames`, or for this version, is left out, and the route works without it.',
    mend: 'Take the field out, or say it in a way that has a meaning here.',
  },
  'take it out',
  ({ route, problems }) =>
    route === null
      ? []
      : [
          ...problems.filter(({ severity }) => severity === 'warning'),
          ...attach({ resources: [route], namespace: route.namespace }).problems.filter(({ code }) =>
            ['hostnames-ignored', 'cors-shadowed'].includes(code),
          ),
        ],
);

const shadowed: Check = {
  id: 'route-shadowed',
  group: 'routes',
  title: 'every match of a route can get requests',
  why: 'The more specific match gets a request, and of equal ones that of the older route. What comes after an equal one never gets any.',
  mend: 'Remove the match, or ask for something else in it.',
  before: false,
  needs: NEEDS,
  judge(view) {
    const { all, shadowed: across } = routesOf(view);
    const alone = all.flatMap((facts) =>
      facts.route === null
        ? []
        : [...deadMatches([facts.route]), ...outrankedMatches([facts.route])].map(({ path, message }) =>
            findingAt('warning', facts.at, `${path}: ${message}`, edit(facts, 'remove the match, or change it')),
          ),
    );
    const byOthers = across.map(({ route, path, winner, frontend }) => {
      const place = { kind: route.kind, namespace: route.namespace, name: route.name };
      const message = `${path}: gets no request to ${frontend}: ${winner} asks for the same, and comes first`;
      return findingAt('warning', place, message, edit({ at: place }, 'remove the match, or change it'));
    });
    return { looked: counted(all.length, 'route'), findings: [...alone, ...byOthers] };
  },
};

const clients: Check = {
  id: 'route-clients',
  group: 'routes',
  title: 'there are pods with a sidecar that routes apply to',
  why:
    'A route applies where the client has a sidecar: for a parent in its own namespace in all namespaces (but for what `sideroute.dev/routes-from` ' +
    'leaves out), for another parent in the namespace of the route.',
  mend: 'Label the namespace of the clients, and make their pods anew.',
  before: false,
  needs: ['httpRoutes', 'grpcRoutes', 'pods', 'namespaces'],
  judge(view) {
    const { all, index } = routesOf(view);
    const findings = all.flatMap(({ entry, at }): Finding[] => {
      if (!index.seenBy(entry).next().done) return [];
      const { namespace, producer } = entry;
      const message = producer
        ? 'applies to no pod: none that hears of it has a sidecar'
        : `applies to clients in ${namespace} alone, and none there has a sidecar`;
      const restart = `kubectl -n ${namespace} rollout restart deployment`;
      const command = view.labelled.has(namespace)
        ? restart
        : `kubectl label namespace ${namespace} sideroute.dev/injection=enabled --overwrite && ${restart}`;
      return [findingAt('warning', at, message, inShell(command))];
    });
    return { looked: counted(all.length, 'route'), findings };
  },
};

const status: Check = {
  id: 'route-status',
  group: 'routes',
  title: 'the controller has said how each route fares',
  why: 'It writes a condition for each parent. Where there is none, or one of an earlier version, it does not run, does not lead, or may not write.',
  mend: 'Read the log of the controller.',
  before: false,
  needs: [...NEEDS, 'deployments'],
  judge(view) {
    const { all } = routesOf(view);
    if (view.controller === null) return { looked: 'no controller', findings: [] };
    const name = controllerNameOf(view);
    const findings = all.flatMap((facts): Finding[] => {
      const message = statusFault(facts, name);
      return message === null ? [] : [findingAt('warning', facts.at, message, logOf(view))];
    });
    return { looked: counted(all.length, 'route'), findings };
  },
};

function logOf(view: ClusterView) {
  const name = view.controller === null ? '' : nameOf(view.controller);
  return inShell(`kubectl -n ${view.systemNamespace} logs deployment/${name} --tail=50`);
}

function statusFault({ object, entry, parents }: RouteFacts, controllerName: string): string | null {
  const own = listOf(objectOf(object, 'status'), 'parents').filter(
    (each) => textOf(each, 'controllerName') === controllerName,
  );
  if (parents.length === 0 || !['HTTPRoute', 'GRPCRoute'].includes(entry.kind)) return null;
  if (own.length === 0) return `has no status of ${controllerName}`;
  const conditions = own.flatMap((each) => listOf(each, 'conditions'));
  const oldest = Math.min(...conditions.map((each) => numberOf(each, 'observedGeneration') ?? 0));
  if (oldest < entry.generation)
    return `has a status of generation ${oldest}, and is of generation ${entry.generation}`;
  const unlike = parents.flatMap(({ parentRef, conditions: now }) => {
    const said = own.find((each) => textOf(objectOf(each, 'parentRef'), 'name') === textOf(parentRef, 'name'));
    return now.filter(({ type, status: wanted }) => {
      const found = listOf(said, 'conditions').find((each) => textOf(each, 'type') === type);
      return said !== undefined && found !== undefined && textOf(found, 'status') !== wanted;
    });
  });
  return unlike.length === 0 ? null : `its status says of ${unlike[0]!.type} what is not so any more`;
}

export const ROUTE_CHECKS: readonly Check[] = [withoutBackends, filters, ignored, shadowed, clients, status];
