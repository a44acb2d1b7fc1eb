/**
 * What this version carries, and whether a Service port or backend can be used. `attach.ts` reports it and
 * `routing/table.ts` acts on it; both ask here, so that report and behaviour cannot differ.
 */
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type {
  BackendObjectReference,
  CarriedRoute,
  HttpRouteFilter,
  Resource,
  Service,
  ServicePort,
} from '../gateway-api/types.ts';

export type CarriedKind = CarriedRoute['kind'];

export function isCarriedRoute(resource: Resource): resource is CarriedRoute {
  return resource.kind === 'HTTPRoute' || resource.kind === 'GRPCRoute';
}

/** The answer to a request of a route of this kind for a reason: an HTTP status, or a gRPC code. */
export function answerOf(kind: CarriedKind, reason: RequestReason): string {
  const { status, grpc } = REQUEST_REASONS[reason];
  return kind === 'GRPCRoute' ? (grpc ?? String(status)) : String(status);
}

/**
 * Filters that are read but not carried out. A rule with such a filter answers `unsupported_filter`: the filter is
 * never skipped.
 */
const NOT_CARRIED: ReadonlySet<HttpRouteFilter['type']> = new Set(['ExternalAuth', 'ExtensionRef']);

export function isCarriedFilter(filter: HttpRouteFilter): boolean {
  return !NOT_CARRIED.has(filter.type);
}

/**
 * `appProtocol` values that mean "not plain HTTP": such a port is tunnelled unread. For all other values, known or not,
 * the first bytes of each connection decide.
 */
const OPAQUE_APP_PROTOCOLS: ReadonlySet<string> = new Set([
  'https',
  'tls',
  'ssl',
  'kubernetes.io/wss',
  'wss',
  'grpcs',
  'tcp',
  'udp',
  'mysql',
  'mariadb',
  'postgres',
  'postgresql',
  'mssql',
  'oracle',
  'redis',
  'mongo',
  'mongodb',
  'cassandra',
  'memcached',
  'kafka',
  'amqp',
  'amqps',
  'nats',
  'mqtt',
  'mqtts',
  'stomp',
  'smtp',
  'smtps',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'ldap',
  'ldaps',
  'ftp',
  'ssh',
  'dns',
  'domain',
]);

export function isOpaqueProtocol(appProtocol: string | null): boolean {
  return appProtocol !== null && OPAQUE_APP_PROTOCOLS.has(appProtocol.toLowerCase());
}

/** The protocol towards the servers of a backend, independent of the protocol of the caller. */
export type BackendProtocol = 'http1' | 'http2';

/** `appProtocol` values that name a version of HTTP. With all others the protocol of the caller is used. */
const BACKEND_PROTOCOLS: ReadonlyMap<string, BackendProtocol> = new Map([
  ['kubernetes.io/h2c', 'http2'],
  ['h2c', 'http2'],
  ['http2', 'http2'],
  ['grpc', 'http2'],
  ['kubernetes.io/ws', 'http1'],
  ['ws', 'http1'],
]);

/** Null: the protocol of the caller. */
export function backendProtocol(appProtocol: string | null): BackendProtocol | null {
  return appProtocol === null ? null : (BACKEND_PROTOCOLS.get(appProtocol.toLowerCase()) ?? null);
}

/** Why a backendRef can never be used, in the terms of the condition ResolvedRefs. */
export interface BackendRefusal {
  readonly reason: 'InvalidKind' | 'BackendNotFound' | 'UnsupportedProtocol';
  readonly message: string;
}

/** The TCP port with this number. A Service may also have a UDP port with the same number. */
export function tcpPort({ ports }: Service, number: number): ServicePort | undefined {
  return ports.find(({ port, protocol }) => port === number && protocol === 'TCP');
}

export function serviceKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/**
 * Checks a backendRef of a route of this kind against the route files. Null when nothing rules it out: for a Service
 * without a document, DNS decides.
 */
export function refuseBackend(
  ref: BackendObjectReference,
  services: ReadonlyMap<string, Service>,
  kind: CarriedKind,
): BackendRefusal | null {
  if (ref.group !== '' || ref.kind !== 'Service') {
    return {
      reason: 'InvalidKind',
      message: `${ref.kind} of group "${ref.group}" cannot be a backend, only a core Service can`,
    };
  }
  const key = serviceKey(ref.namespace, ref.name);
  if (ref.port === null) {
    return { reason: 'BackendNotFound', message: `backend Service ${key} is given without a port` };
  }
  const service = services.get(key);
  if (service === undefined) return null;
  if (service.type === 'ExternalName') {
    return { reason: 'BackendNotFound', message: `Service ${key} is an ExternalName and has no ClusterIP to send to` };
  }
  if (service.headless) {
    return { reason: 'BackendNotFound', message: `Service ${key} is headless and has no ClusterIP to send to` };
  }
  const port = tcpPort(service, ref.port);
  if (port === undefined) {
    return { reason: 'BackendNotFound', message: `Service ${key} has no TCP port ${ref.port}` };
  }
  if (isOpaqueProtocol(port.appProtocol)) {
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${ref.port} of Service ${key} speaks ${port.appProtocol ?? ''}, not HTTP`,
    };
  }
  if (kind === 'GRPCRoute' && backendProtocol(port.appProtocol) === 'http1') {
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${ref.port} of Service ${key} speaks ${port.appProtocol ?? ''}, and calls of gRPC are sent as HTTP/2`,
    };
  }
  return null;
}
