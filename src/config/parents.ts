/**
 * Resolves the parentRefs of a route: which ports of which Service it claims, and for which clients.
 *
 * Stage before: `attach.ts`, for each route. Stage after: `conflicts.ts` and `attached-frontends.ts`.
 */
import type { ParentRef, Route, Service } from '../gateway-api/types.ts';
import { warn, type Progress } from './progress.ts';
import { serviceKey } from './support.ts';

/** All ports of the Service: the frontend for ports without their own frontend. */
export const EVERY_PORT = 0;

/** A parentRef that names a usable Service. */
export interface Claim {
  readonly route: Route;
  readonly parent: ParentRef;
  /** `namespace/name`. */
  readonly service: string;
  /** Service ports. Only `EVERY_PORT` when the route names no port and there is no Service document. */
  readonly ports: readonly number[];
  readonly scope: 'producer' | 'consumer' | 'elsewhere';
}

/** True when the claim includes this port, by its number or as one of all ports. */
export function covers(claim: Claim, port: number): boolean {
  return claim.ports.includes(port) || claim.ports.includes(EVERY_PORT);
}

/** A claim, or a sentence that explains why there is none. `earlier`: the preceding Service parents of the route. */
export function resolveParent(
  route: Route,
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

/** Which clients the route applies to, as seen from this proxy. */
function scopeOf(route: Route, parent: ParentRef, progress: Progress): Claim['scope'] {
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

/** The first entry for a Service is accepted. A later one is refused unless it differs in the way the API requires. */
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

/** TCP ports of the Service that the parentRef covers, or a sentence that explains why there are none. */
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
