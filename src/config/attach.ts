/**
 * Attaches routes to the Services they name as parents: which rules serve which Service port for this proxy, and how
 * each route fared (SPEC A1-A14, P3, P6, S1-S5).
 *
 * Stage before: `gateway-api/parse.ts` through `route-directory.ts`. Stage after: `routing/table.ts` and
 * `cluster/frontends.ts`. Pure: the same input gives the same attachment.
 */
import type {
  HttpRoute,
  HttpRouteRule,
  OtherRoute,
  ParentRef,
  Problem,
  RefusedRoute,
  Resource,
  Service,
  SourceLocation,
} from '../gateway-api/types.ts';
import type { AttachedFrontend, AttachedRule, Attachment, ConditionType, RouteCondition } from './attachment.ts';
import { isCarriedFilter, isOpaqueProtocol, refuseBackend, serviceKey } from './support.ts';

export interface AttachInput {
  readonly resources: readonly Resource[];
  /** Namespace of the pod this proxy serves, which selects consumer routes (SPEC A6); null when not known. */
  readonly namespace: string | null;
}

/** Every port of the Service: the frontend that serves the ports no other frontend names. */
const EVERY_PORT = 0;

/** A parentRef that names a usable Service. */
interface Claim {
  readonly route: HttpRoute;
  readonly parent: ParentRef;
  readonly service: string;
  /** Service ports; `EVERY_PORT` alone when no port is named and no document tells them. */
  readonly ports: readonly number[];
  readonly scope: 'producer' | 'consumer' | 'elsewhere';
}

/** What the passes below share. */
interface Progress {
  readonly namespace: string | null;
  readonly services: ReadonlyMap<string, Service>;
  readonly claims: Claim[];
  readonly conditions: RouteCondition[];
  readonly problems: Problem[];
}

/** Resolve every parentRef. Never throws: what is wrong becomes a condition and a problem. */
export function attach(input: AttachInput): Attachment {
  const problems: Problem[] = [];
  const resources = withoutDuplicates(input.resources, problems);
  const services = new Map<string, Service>();
  for (const resource of resources) {
    if (resource.kind === 'Service') services.set(serviceKey(resource.namespace, resource.name), resource);
  }
  const progress: Progress = { namespace: input.namespace, services, claims: [], conditions: [], problems };
  for (const resource of resources) {
    if (resource.kind === 'HTTPRoute') attachRoute(resource, progress);
    else if (resource.kind === 'RefusedRoute') reportRefused(resource, progress);
    else if (resource.kind === 'OtherRoute') reportOther(resource, progress);
  }
  return { frontends: buildFrontends(progress), conditions: progress.conditions, problems, services };
}

/**
 * In a cluster a name exists once; in files it can be written twice. The first by file name, then by position in the
 * file, is used: neither age nor content decides, so that an edit to the loser changes nothing. A refused route does
 * not take the name of one that can be used.
 */
function withoutDuplicates(resources: readonly Resource[], problems: Problem[]): Resource[] {
  const ordered = [...resources].sort((a, b) => compareSources(a.source, b.source));
  const first = new Map<string, Resource>();
  const kept: Resource[] = [];
  for (const resource of ordered) {
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

function labelOf(resource: Resource): string {
  const kind = resource.kind === 'OtherRoute' || resource.kind === 'RefusedRoute' ? resource.routeKind : resource.kind;
  return `${kind} ${resource.namespace}/${resource.name}`;
}

function problemAt(
  resource: Resource,
  path: string,
): Pick<Problem, 'file' | 'document' | 'line' | 'resource' | 'path'> {
  const { file, document, line } = resource.source;
  return { file, document, line, resource: labelOf(resource), path };
}

function warn(progress: Progress, resource: Resource, path: string, code: string, message: string): void {
  progress.problems.push({ ...problemAt(resource, path), severity: 'warning', code, message });
}

function addCondition(
  progress: Progress,
  resource: HttpRoute | RefusedRoute | OtherRoute,
  parent: string,
  type: ConditionType,
  status: RouteCondition['status'],
  reason: string,
  message: string,
): void {
  progress.conditions.push({
    routeKind: resource.kind === 'HTTPRoute' ? resource.kind : resource.routeKind,
    namespace: resource.namespace,
    name: resource.name,
    parent,
    type,
    status,
    reason,
    message,
    source: resource.source,
  });
}

/** The reader has reported the fault itself. SPEC S2 has no reason for a document that no API server would store. */
function reportRefused(route: RefusedRoute, progress: Progress): void {
  const reason = route.reason === 'Invalid' ? 'UnsupportedValue' : route.reason;
  addCondition(progress, route, '', 'Accepted', 'False', reason, route.message);
}

/** SPEC P6 is for the version that carries these kinds; until then they neither merge nor displace an HTTPRoute. */
function reportOther(route: OtherRoute, progress: Progress): void {
  const message = `${route.routeKind} is not carried by this version; the route has no effect`;
  addCondition(progress, route, '', 'Accepted', 'False', 'UnsupportedValue', message);
  warn(progress, route, '', 'unsupported-kind', message);
}

function attachRoute(route: HttpRoute, progress: Progress): void {
  const parents = route.parentRefs.filter((parent) => parent.group === '' && parent.kind === 'Service');
  if (parents.length === 0) {
    warn(
      progress,
      route,
      'spec.parentRefs',
      'no-service-parent',
      'no parentRef names a Service, so the route has no effect here; a Service parent needs kind: Service and group: ""',
    );
    return;
  }
  const droppedRules = reportUncarried(route, progress);
  for (const [index, parent] of parents.entries()) {
    const label = parentLabel(parent);
    const claim = resolveParent(route, parent, parents.slice(0, index), progress);
    if (typeof claim === 'string') {
      addCondition(progress, route, label, 'Accepted', 'False', 'NoMatchingParent', claim);
      progress.problems.push({
        ...problemAt(route, parent.path),
        severity: 'error',
        code: 'no-matching-parent',
        message: claim,
      });
      continue;
    }
    progress.claims.push(claim);
    if (droppedRules.length === route.rules.length) {
      const message = `no rule can be used: ${describeRules(droppedRules)} answer 500, a filter is not carried`;
      addCondition(progress, route, label, 'Accepted', 'False', 'UnsupportedValue', message);
    } else {
      addCondition(progress, route, label, 'Accepted', 'True', 'Accepted', describeScope(claim, progress.namespace));
    }
    if (droppedRules.length > 0 && droppedRules.length < route.rules.length) {
      const message = `Dropped Rule: ${describeRules(droppedRules)} answer 500, a filter is not carried`;
      addCondition(progress, route, label, 'PartiallyInvalid', 'True', 'UnsupportedValue', message);
    }
    addResolvedRefs(route, label, progress);
  }
}

function parentLabel(parent: ParentRef): string {
  const key = serviceKey(parent.namespace, parent.name);
  if (parent.port !== null) return `${key}:${parent.port}`;
  return parent.sectionName === null ? key : `${key}:${parent.sectionName}`;
}

function describeRules(rules: readonly HttpRouteRule[]): string {
  return rules.map((rule) => `spec.rules[${rule.index}]`).join(', ');
}

function describeScope(claim: Claim, namespace: string | null): string {
  if (claim.scope === 'producer') return `producer route: serves clients of ${claim.service} in every namespace`;
  if (claim.scope === 'consumer') return `consumer route: serves clients of ${claim.service} in this namespace`;
  const here = namespace === null ? 'the namespace of this proxy is not known' : `this proxy serves ${namespace}`;
  return `consumer route: serves clients of ${claim.service} in ${claim.route.namespace} only; ${here}`;
}

/** A claim, or the sentence why there is none. */
function resolveParent(
  route: HttpRoute,
  parent: ParentRef,
  earlier: readonly ParentRef[],
  progress: Progress,
): Claim | string {
  const repeated = refuseRepetition(parent, earlier);
  if (repeated !== null) return repeated;
  const service = serviceKey(parent.namespace, parent.name);
  const document = progress.services.get(service) ?? null;
  const ports = resolvePorts(parent, service, document);
  if (typeof ports === 'string') return ports;
  return { route, parent, service, ports, scope: scopeOf(route, parent, progress) };
}

/** SPEC A6: which clients the route is for, seen from this proxy. */
function scopeOf(route: HttpRoute, parent: ParentRef, progress: Progress): Claim['scope'] {
  if (route.namespace === parent.namespace) return 'producer';
  if (progress.namespace === null) {
    warn(
      progress,
      route,
      parent.path,
      'unknown-namespace',
      `this is a consumer route for clients in ${route.namespace}, but the namespace of this proxy is not known; ` +
        'the route is ignored, only producer routes apply',
    );
    return 'elsewhere';
  }
  return route.namespace === progress.namespace ? 'consumer' : 'elsewhere';
}

/** SPEC A12. The first entry for a Service stands; a later one that does not differ from it properly is refused. */
function refuseRepetition(parent: ParentRef, earlier: readonly ParentRef[]): string | null {
  for (const other of earlier) {
    if (other.name !== parent.name || other.namespace !== parent.namespace) continue;
    const label = serviceKey(parent.namespace, parent.name);
    const sameFields =
      (other.port === null) === (parent.port === null) &&
      (other.sectionName === null) === (parent.sectionName === null);
    if (!sameFields || (parent.port === null && parent.sectionName === null)) {
      return `Service ${label} is repeated: ${other.path} and ${parent.path} must set the same one of port and sectionName`;
    }
    if (other.port === parent.port && other.sectionName === parent.sectionName) {
      return `Service ${label} is repeated: ${other.path} and ${parent.path} are equal`;
    }
  }
  return null;
}

/** SPEC A2, A9. TCP ports of the Service that the parentRef covers, or the sentence why there are none. */
function resolvePorts(parent: ParentRef, label: string, service: Service | null): readonly number[] | string {
  if (service === null) {
    if (parent.sectionName !== null) {
      return (
        `sectionName "${parent.sectionName}" names a port of Service ${label}, and no document of that Service is in ` +
        'the route files to look it up; add the Service or use port'
      );
    }
    return [parent.port ?? EVERY_PORT];
  }
  if (service.type === 'ExternalName') return `Service ${label} is an ExternalName; it has no ClusterIP to route`;
  if (service.headless) return `Service ${label} is headless; it has no ClusterIP to route`;
  const ports = service.ports.filter(
    (port) =>
      port.protocol === 'TCP' &&
      (parent.port === null || port.port === parent.port) &&
      (parent.sectionName === null || port.name === parent.sectionName),
  );
  if (ports.length > 0) return ports.map((port) => port.port);
  const wanted = [
    ...(parent.port === null ? [] : [`number ${parent.port}`]),
    ...(parent.sectionName === null ? [] : [`name "${parent.sectionName}"`]),
  ].join(' and ');
  const offered = service.ports.map((port) => `${port.name ?? 'unnamed'}=${port.port}/${port.protocol}`).join(', ');
  return `Service ${label} has no TCP port${wanted === '' ? '' : ` with ${wanted}`}; its ports: ${offered || 'none'}`;
}

/** Warn of what is accepted but has no effect yet. Returns the rules that answer 500 because of a filter. */
function reportUncarried(route: HttpRoute, progress: Progress): HttpRouteRule[] {
  if (route.hostnames.length > 0) {
    warn(
      progress,
      route,
      'spec.hostnames',
      'hostnames-ignored',
      'hostnames have no meaning for a Service parent and are ignored; match the Host header instead',
    );
  }
  const dropped: HttpRouteRule[] = [];
  for (const rule of route.rules) {
    const path = `spec.rules[${rule.index}]`;
    if (rule.hasSessionPersistence) {
      warn(
        progress,
        route,
        `${path}.sessionPersistence`,
        'unsupported-field',
        'sessionPersistence is not carried yet and has no effect',
      );
    }
    let unusable = false;
    for (const [index, filter] of rule.filters.entries()) {
      if (isCarriedFilter(filter)) continue;
      unusable = true;
      const message = `filter ${filter.type} is not carried yet; requests of this rule are answered with 500`;
      warn(progress, route, `${path}.filters[${index}]`, 'unsupported-filter', message);
    }
    if (unusable) dropped.push(rule);
    for (const ref of rule.backendRefs) {
      for (const [index, filter] of ref.filters.entries()) {
        if (isCarriedFilter(filter)) continue;
        const message = `filter ${filter.type} is not carried yet; the share of this backend is answered with 500`;
        warn(progress, route, `${ref.path}.filters[${index}]`, 'unsupported-filter', message);
      }
    }
  }
  return dropped;
}

/** SPEC S3, B3, B4: a rule without backendRefs has nothing unresolved. */
function addResolvedRefs(route: HttpRoute, parent: string, progress: Progress): void {
  for (const rule of route.rules) {
    for (const ref of rule.backendRefs) {
      const refusal = refuseBackend(ref, progress.services);
      if (refusal === null) continue;
      const message = `${ref.path}: ${refusal.message}; its share of requests is answered with 500`;
      addCondition(progress, route, parent, 'ResolvedRefs', 'False', refusal.reason, message);
      return;
    }
  }
  addCondition(progress, route, parent, 'ResolvedRefs', 'True', 'ResolvedRefs', 'every backendRef is usable');
}

/** Per Service:port, the rules of the routes that apply to this proxy (SPEC A5, A7). Ordered by key. */
function buildFrontends(progress: Progress): AttachedFrontend[] {
  const byService = new Map<string, Claim[]>();
  for (const claim of progress.claims) {
    if (claim.scope === 'elsewhere') continue;
    const claims = byService.get(claim.service);
    if (claims === undefined) byService.set(claim.service, [claim]);
    else claims.push(claim);
  }
  const frontends: AttachedFrontend[] = [];
  for (const [label, claims] of byService) {
    const service = progress.services.get(label) ?? null;
    const ports = new Set(claims.flatMap((claim) => claim.ports));
    for (const port of ports) {
      const applicable = claims.filter((claim) => claim.ports.includes(port) || claim.ports.includes(EVERY_PORT));
      const consumers = applicable.filter((claim) => claim.scope === 'consumer');
      const consumer = consumers.length > 0;
      const routes = new Set((consumer ? consumers : applicable).map((claim) => claim.route));
      const rules: AttachedRule[] = [];
      for (const route of routes) for (const rule of route.rules) rules.push({ route, rule });
      const { namespace, name } = claims[0]!.parent;
      const declared = service?.ports.find((candidate) => candidate.port === port && candidate.protocol === 'TCP');
      frontends.push({
        key: `${label}:${port === EVERY_PORT ? '*' : port}`,
        namespace,
        name,
        port,
        mode: isOpaqueProtocol(declared?.appProtocol ?? null) ? 'opaque' : 'http',
        consumer,
        rules,
        service,
      });
    }
  }
  return frontends.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
