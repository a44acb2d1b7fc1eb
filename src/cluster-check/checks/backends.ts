/** Checks for backends that get no requests: missing Service, missing port, no ClusterIP, or no ready pod. */
import { referencesOf, type RouteReference } from '../../config/route-references.ts';
import { refuseBackend, serviceKey, tcpPort } from '../../config/support.ts';
import { suggest } from '../../gateway-api/suggest.ts';
import type { CarriedRoute } from '../../gateway-api/types.ts';
import { objectOf, type Json } from '../../kube/json.ts';
import { byHand, counted, findingAt, inShell, type Check, type Finding, type Mend } from '../model.ts';
import { knowsServices, namesIn, routesOf, serviceObject, type RouteFacts } from '../routes.ts';
import { labelsOf, namespaceOf, type ClusterView } from '../view.ts';
import { edit } from './parents.ts';
import { readyEndpoints } from './injection.ts';

const NEEDS = ['httpRoutes', 'grpcRoutes', 'services'] as const;

type Fault = 'missing' | 'unknown' | 'port' | 'address' | 'kind';

interface Bad {
  readonly facts: RouteFacts;
  readonly reference: RouteReference;
  readonly key: string;
  readonly fault: Fault;
  readonly message: string;
}

function used(route: CarriedRoute): RouteReference[] {
  return referencesOf(route).filter((reference) => reference.used);
}

function badBackends(view: ClusterView): readonly Bad[] {
  return view.once('bad backends', () =>
    routesOf(view).all.flatMap((facts) => {
      const { route } = facts;
      if (route === null) return [];
      return used(route).flatMap((reference): Bad[] => {
        const found = judge(view, route, reference);
        return found === null ? [] : [{ facts, reference, ...found }];
      });
    }),
  );
}

function judge(
  view: ClusterView,
  route: CarriedRoute,
  { ref }: RouteReference,
): Omit<Bad, 'facts' | 'reference'> | null {
  const { services } = routesOf(view);
  const key = serviceKey(ref.namespace, ref.name);
  const refusal = refuseBackend(ref, services, route.kind);
  const service = services.get(key);
  if (refusal !== null) {
    const { message } = refusal;
    if (refusal.reason !== 'BackendNotFound') return { key, fault: 'kind', message };
    const hasNone = service !== undefined && (service.headless || service.type === 'ExternalName');
    return { key, fault: hasNone ? 'address' : 'port', message };
  }
  if (service !== undefined) return null;
  if (!knowsServices(view, ref.namespace)) return { key, fault: 'unknown', message: '' };
  return { key, fault: 'missing', message: `there is no Service ${key}` };
}

function patchBackend({ facts: { at }, reference }: Bad, field: string, value: string | number): Mend {
  // `spec.rules[0].backendRefs[1]` to `/spec/rules/0/backendRefs/1`.
  const path = `/${reference.path.replaceAll(/\[(\d+)\]/g, '.$1').replaceAll('.', '/')}/${field}`;
  const patch = JSON.stringify([{ op: 'add', path, value }]);
  return inShell(
    `kubectl -n ${at.namespace ?? ''} patch ${at.kind.toLowerCase()} ${at.name} --type=json -p '${patch}'`,
  );
}

function mendOf(view: ClusterView, bad: Bad): Mend {
  const [namespace = '', name = ''] = bad.key.split('/');
  const ports =
    routesOf(view)
      .services.get(bad.key)
      ?.ports.filter(({ protocol }) => protocol === 'TCP') ?? [];
  if (bad.fault === 'missing') {
    const near = suggest(name, namesIn(view, namespace));
    if (near !== null) return patchBackend(bad, 'name', near);
    return edit(bad.facts, `make Service ${bad.key}, or name another backend`);
  }
  if (bad.fault === 'port' && ports.length === 1) return patchBackend(bad, 'port', ports[0]!.port);
  return edit(bad.facts, `correct ${bad.reference.path}`);
}

type Words = Pick<Check, 'id' | 'title' | 'why' | 'mend'> & { readonly fault: Fault };

function backendCheck({ fault, ...words }: Words): Check {
  return {
    ...words,
    group: 'routes',
    before: false,
    needs: NEEDS,
    judge(view) {
      const findings = badBackends(view).flatMap((bad): Finding[] => {
        const { facts, reference, key } = bad;
        if (fault === 'missing' && bad.fault === 'unknown') {
          const unread = byHand('ask somebody who may list Services there, or see the check api-permissions');
          return [findingAt('unknown', facts.at, `Service ${key} may not be read, so whether it is there`, unread)];
        }
        if (bad.fault !== fault) return [];
        const message = `${reference.path}: ${bad.message}; ${reference.consequence}`;
        return [findingAt('error', facts.at, message, mendOf(view, bad))];
      });
      return { looked: counted(routesOf(view).all.length, 'route'), findings };
    },
  };
}

const endpoints: Check = {
  id: 'backend-endpoints',
  group: 'routes',
  title: 'the backends of routes have ready endpoints',
  why: 'Requests that a route sends to a Service with nobody behind it are answered with 503.',
  mend: 'Correct the selector of the Service, or see why its pods are not ready.',
  before: false,
  needs: [...NEEDS, 'endpointSlices', 'pods'],
  judge(view) {
    const keys = new Map<string, RouteFacts>();
    for (const facts of routesOf(view).all) {
      if (facts.route === null) continue;
      for (const reference of used(facts.route)) {
        const { ref } = reference;
        if (judge(view, facts.route, reference) !== null || ref.port === null) continue;
        const key = serviceKey(ref.namespace, ref.name);
        const service = routesOf(view).services.get(key);
        if (service !== undefined && tcpPort(service, ref.port) !== undefined && !keys.has(key)) keys.set(key, facts);
      }
    }
    const findings = [...keys].flatMap(([key, facts]): Finding[] => {
      const [namespace = '', name = ''] = key.split('/');
      if (!view.covers('endpointSlices', namespace) || readyEndpoints(view, namespace, name) > 0) return [];
      const place = { kind: 'Service', namespace, name };
      const { message, mend } = whyEmpty(
        view,
        namespace,
        name,
        objectOf(objectOf(serviceObject(view, key), 'spec'), 'selector'),
      );
      const { at } = facts;
      return [
        findingAt(
          'warning',
          place,
          `${message}; ${at.kind} ${at.namespace ?? ''}/${at.name} sends requests there`,
          mend,
        ),
      ];
    });
    return { looked: counted(keys.size, 'Service'), findings };
  },
};

function whyEmpty(view: ClusterView, namespace: string, name: string, selector: Json): { message: string; mend: Mend } {
  const labels = Object.entries(selector).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (labels.length === 0) {
    const message = 'has neither a selector nor endpoints: nobody answers';
    return { message, mend: byHand(`give it a selector: kubectl -n ${namespace} edit service ${name}`) };
  }
  const text = labels.map(([label, value]) => `${label}=${value}`).join(',');
  const own = view.livePods.filter((pod) => {
    return namespaceOf(pod) === namespace && labels.every(([label, value]) => labelsOf(pod)[label] === value);
  });
  if (own.length > 0) {
    const message = `has no ready endpoint among ${counted(own.length, 'pod')}`;
    return { message, mend: inShell(`kubectl -n ${namespace} describe pods -l ${text}`) };
  }
  const message = `selects ${text}, which no pod has`;
  return {
    message,
    mend: byHand(`correct its selector, or start its pods: kubectl -n ${namespace} edit service ${name}`),
  };
}

export const BACKEND_CHECKS: readonly Check[] = [
  backendCheck({
    id: 'route-backend-missing',
    fault: 'missing',
    title: 'the backends of routes are there',
    why: 'The share of a backend that is not there is answered with 500.',
    mend: 'Correct the name or the namespace of the backendRef, or make the Service.',
  }),
  backendCheck({
    id: 'route-backend-port',
    fault: 'port',
    title: 'the backends of routes have the ports that are named',
    why: 'The share of a backend without that port is answered with 500.',
    mend: 'Correct the port of the backendRef.',
  }),
  backendCheck({
    id: 'route-backend-address',
    fault: 'address',
    title: 'the backends of routes have a ClusterIP',
    why: 'Requests go to ClusterIPs; the share of a headless Service or an ExternalName is answered with 500.',
    mend: 'Name a Service with a ClusterIP.',
  }),
  backendCheck({
    id: 'route-backend-kind',
    fault: 'kind',
    title: 'the backends of routes are Services that speak HTTP',
    why: 'The share of a backend of another kind, or of a port with another protocol, is answered with 500.',
    mend: 'Name a Service and a port that speak HTTP.',
  }),
  endpoints,
];
