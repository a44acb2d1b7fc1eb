/**
 * Checks for routes without effect because of their parents: missing Service, missing port, no ClusterIP, or another
 * kind of route.
 */
import type { PlacedConditions } from '../../controller/route-conditions.ts';
import { suggest } from '../../gateway-api/suggest.ts';
import { numberOf, textOf } from '../../kube/json.ts';
import { byHand, counted, findingAt, inShell, type Check, type Finding, type Mend } from '../model.ts';
import { knowsServices, namesIn, routesOf, type RouteFacts } from '../routes.ts';
import type { ClusterView } from '../view.ts';

const NEEDS = ['httpRoutes', 'grpcRoutes', 'services'] as const;

/** Why a parentRef is not accepted. */
type Fault = 'missing' | 'unknown' | 'port' | 'address' | 'conflict' | 'refused';

interface Refused {
  readonly facts: RouteFacts;
  readonly parent: PlacedConditions;
  /** `namespace/name` of the Service. */
  readonly key: string;
  readonly index: number;
  readonly fault: Fault;
  readonly message: string;
}

function refusedParents(view: ClusterView): readonly Refused[] {
  return view.once('refused parents', () =>
    routesOf(view).all.flatMap((facts) =>
      facts.parents.flatMap((parent, index): Refused[] => {
        const accepted = parent.conditions.find(({ type }) => type === 'Accepted');
        if (accepted?.status !== 'False') return [];
        const namespace = textOf(parent.parentRef, 'namespace') ?? facts.entry.namespace;
        const key = `${namespace}/${textOf(parent.parentRef, 'name') ?? ''}`;
        const fault = faultOf(view, key, namespace, accepted.reason);
        return [{ facts, parent, key, index, fault, message: accepted.message }];
      }),
    ),
  );
}

function faultOf(view: ClusterView, key: string, namespace: string, reason: string): Fault {
  if (reason === 'Conflicted') return 'conflict';
  if (reason !== 'NoMatchingParent') return 'refused';
  const service = routesOf(view).services.get(key);
  if (service === undefined) return knowsServices(view, namespace) ? 'missing' : 'unknown';
  return service.headless || service.type === 'ExternalName' ? 'address' : 'port';
}

/** `value`: for a field below the parentRef. */
function patchParent({ facts: { at }, parent }: Refused, path: string, value: string | number): Mend {
  const written = parentIndex(parent);
  const patch = JSON.stringify([{ op: 'replace', path: `/spec/parentRefs/${written}/${path}`, value }]);
  return inShell(
    `kubectl -n ${at.namespace ?? ''} patch ${at.kind.toLowerCase()} ${at.name} --type=json -p '${patch}'`,
  );
}

/** Index among all parentRefs, including those of other kinds. */
function parentIndex({ path }: PlacedConditions): string {
  return /\[(\d+)\]/.exec(path)?.[1] ?? '0';
}

export function edit({ at }: Pick<RouteFacts, 'at'>, what: string): Mend {
  return byHand(`${what}: kubectl -n ${at.namespace ?? ''} edit ${at.kind.toLowerCase()} ${at.name}`);
}

function mendMissing(view: ClusterView, refused: Refused): Mend {
  const [namespace = '', name = ''] = refused.key.split('/');
  const near = suggest(name, namesIn(view, namespace));
  if (near !== null) return patchParent(refused, 'name', near);
  return edit(refused.facts, `make Service ${refused.key}, or name another parent`);
}

function mendPort(view: ClusterView, refused: Refused): Mend {
  const ports =
    routesOf(view)
      .services.get(refused.key)
      ?.ports.filter(({ protocol }) => protocol === 'TCP') ?? [];
  const [only, ...others] = ports;
  if (only !== undefined && others.length === 0) {
    if (numberOf(refused.parent.parentRef, 'port') !== null) return patchParent(refused, 'port', only.port);
    if (only.name !== null) return patchParent(refused, 'sectionName', only.name);
  }
  return edit(refused.facts, `name a port of Service ${refused.key}`);
}

interface Words {
  readonly id: string;
  readonly fault: Fault;
  readonly title: string;
  readonly why: string;
  readonly mend: string;
  readonly mendOf: (view: ClusterView, refused: Refused) => Mend;
}

function parentCheck({ id, fault, title, why, mend, mendOf }: Words): Check {
  return {
    ...{ id, title, why, mend },
    group: 'routes',
    before: false,
    needs: NEEDS,
    judge(view) {
      const findings = refusedParents(view).flatMap((refused): Finding[] => {
        const { facts, key, message } = refused;
        if (fault === 'missing' && refused.fault === 'unknown') {
          const unread = byHand('ask somebody who may list Services there, or see the check api-permissions');
          return [findingAt('unknown', facts.at, `Service ${key} may not be read, so whether it is there`, unread)];
        }
        if (refused.fault !== fault) return [];
        return [findingAt('error', facts.at, `does nothing for ${key}: ${message}`, mendOf(view, refused))];
      });
      return { looked: counted(routesOf(view).all.length, 'route'), findings };
    },
  };
}

export const PARENT_CHECKS: readonly Check[] = [
  parentCheck({
    id: 'route-parent-missing',
    fault: 'missing',
    title: 'the parents of routes are there',
    why: 'A route is about requests to its parent. Without that Service it does nothing.',
    mend: 'Correct the name or the namespace in `parentRefs`, or make the Service.',
    mendOf: mendMissing,
  }),
  parentCheck({
    id: 'route-parent-port',
    fault: 'port',
    title: 'the parents of routes have the ports that are named',
    why: 'A route of a port that its Service does not have does nothing.',
    mend: 'Correct `port` or `sectionName` in `parentRefs`.',
    mendOf: mendPort,
  }),
  parentCheck({
    id: 'route-parent-address',
    fault: 'address',
    title: 'the parents of routes have a ClusterIP',
    why: 'Clients of a headless Service or an ExternalName connect to other addresses, which the sidecar takes for none of its business.',
    mend: 'Attach the route to a Service with a ClusterIP.',
    mendOf: (_, { facts }) => edit(facts, 'name a parent with a ClusterIP'),
  }),
  parentCheck({
    id: 'route-conflict',
    fault: 'conflict',
    title: 'routes of different kinds do not claim the same port',
    why: 'Kinds do not merge: on a port with a GRPCRoute no HTTPRoute is followed, and TLSRoute and TCPRoute come after both.',
    mend: 'Move what the route says into one of the other kind, or attach it to another port.',
    mendOf: (_, { facts }) => edit(facts, 'attach it to another port, or write its rules in the other kind'),
  }),
  parentCheck({
    id: 'route-refused',
    fault: 'refused',
    title: 'no route is refused',
    why: 'A route with a value that cannot be used is refused as a whole; sidecars that have had an earlier version go on with that.',
    mend: 'Correct the field that the message names.',
    mendOf: (_, { facts }) => edit(facts, 'correct the field'),
  }),
];
