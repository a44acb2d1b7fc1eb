/**
 * The routes from one source for one Service: for each port and each client namespace, the entries that apply, in the
 * order of the Gateway API.
 *
 * Stage before: `virtual-service.ts`, `service-profile.ts`. Stage after: `convert.ts`.
 */
import type { Surroundings } from './destinations.ts';
import type { Json, Origin, ServiceName } from './model.ts';
import { withoutNegations } from './negations.ts';
import { inGatewayOrder } from './order.ts';
import { httpRoutes, rulesOf } from './routes.ts';
import type { RouteSource } from './virtual-service.ts';

/** `namespace/name` of the routes created so far, so that names stay unique. */
export type RouteNames = Set<string>;

export function attachedRoutes(
  source: RouteSource,
  parent: ServiceName,
  around: Surroundings,
  names: RouteNames,
): Json[] {
  const { findings } = around;
  const known = around.services.find(parent);
  const shown = `${parent.namespace}/${parent.name}`;
  if (known?.headless === true) {
    findings.differs(
      'headless',
      source.spec,
      'hosts',
      `Service ${shown} has no ClusterIP, so that no route can be for it`,
    );
    return [];
  }
  const ports = portsOf(source, parent, around);
  const clients = clientsOf(source, parent, around);
  const reached = new Set<Origin>();
  const routes = clients.flatMap((client) => {
    const groups = new Map<string, { rules: ReturnType<typeof rulesOf>; ports: (number | null)[] }>();
    for (const port of ports) {
      const concerned = source.entries.filter(
        (entry) =>
          (entry.port === null || entry.port === port) && (entry.namespace === null || entry.namespace === client),
      );
      const plain = withoutNegations(concerned, findings);
      const ordered = plain === null ? null : inGatewayOrder(plain, findings);
      if (ordered === null) {
        const why = `the rules for Service ${shown} have more matches than can be put in order: write them for fewer, or by hand`;
        findings.error('too-large', source.spec, '', why);
        for (const { origin } of concerned) reached.add(origin);
        return [];
      }
      for (const { origin } of ordered) reached.add(origin);
      const rules = rulesOf(ordered, port);
      if (rules.length === 0) continue;
      const key = JSON.stringify(rules);
      const group = groups.get(key) ?? { rules, ports: [] };
      group.ports.push(port);
      groups.set(key, group);
    }
    const namespace = client ?? parent.namespace;
    return [...groups.values()].flatMap(({ rules, ports: own }) => {
      const base = source.parents.length > 1 ? `${source.document.name}-${parent.name}` : source.document.name;
      const wanted = groups.size > 1 ? `${base}-${own[0] ?? 'all'}` : base;
      const name = freeName(routeName(wanted), namespace, names);
      const numbers = own.filter((port) => port !== null);
      return httpRoutes({ name, namespace, parent, ports: numbers.length === 0 ? null : numbers }, rules);
    });
  });
  reportUnreached(source, reached, around);
  return routes;
}

function reportUnreached({ entries }: RouteSource, reached: ReadonlySet<Origin>, { findings }: Surroundings): void {
  for (const { origin, port, namespace } of entries) {
    if (reached.has(origin) || port !== null || namespace !== null) continue;
    findings.note('unreachable', origin.fields, '', 'earlier rules leave no request for it: no rule is written');
  }
}

/** Leaves room for a number to be appended. */
function routeName(wanted: string): string {
  return wanted.slice(0, 240).replace(/[-.]+$/, '');
}

function freeName(wanted: string, namespace: string, names: RouteNames): string {
  let name = wanted;
  for (let number = 2; names.has(`${namespace}/${name}`); number++) name = `${wanted}-${number}`;
  names.add(`${namespace}/${name}`);
  return name;
}

/** The HTTP ports; null: all ports. */
function portsOf(
  { spec, entries }: RouteSource,
  parent: ServiceName,
  { services, findings }: Surroundings,
): (number | null)[] {
  const known = services.find(parent);
  const shown = `${parent.namespace}/${parent.name}`;
  if (known !== null) {
    const ports = known.ports.filter(({ isHttp }) => isHttp).map(({ port }) => port);
    if (ports.length === 0) findings.differs('no-rule', spec, 'hosts', `Service ${shown} has no port with HTTP`);
    return ports;
  }
  const named = [...new Set(entries.map(({ port }) => port).filter((port) => port !== null))];
  if (named.length === 0) return [null];
  const why = `which other ports there are only Service ${shown} tells: rules are written for ${named.join(', ')} alone; give it as well`;
  findings.differs('service-unknown', spec, 'hosts', why);
  return named;
}

/** Client namespaces that need their own routes; null: all other clients. */
function clientsOf(
  { spec, entries, clients, document }: RouteSource,
  parent: ServiceName,
  { findings }: Surroundings,
): (string | null)[] {
  const own = parent.namespace;
  if (clients !== null) {
    const chosen = [...new Set(clients.map((name) => (name === '.' ? document.namespace : name)))];
    if (chosen.includes(own)) {
      const why = `a route in ${own}, the namespace of the Service, is for clients everywhere`;
      findings.differs('export-to', spec, 'exportTo', why);
    }
    return chosen.map((name) => (name === own ? null : name));
  }
  const named = new Set<string>();
  for (const { namespace, origin } of entries) {
    if (namespace === own) {
      const why = `a route in ${own}, the namespace of the Service, is for clients everywhere: the match is left out`;
      findings.differs('source-namespace', origin.fields, 'match', why);
    } else if (namespace !== null) {
      named.add(namespace);
    }
  }
  return [null, ...named];
}
