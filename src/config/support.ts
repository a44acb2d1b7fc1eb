/**
 * What this version carries, and what a Service port or backend can be used for. Asked by `attach.ts`, which reports it,
 * and by `routing/table.ts`, which acts on it, so that the report and the behaviour cannot differ.
 */
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type { BackendObjectReference, CarriedRoute, HttpRouteFilter, Resource, Service } from '../gateway-api/types.ts';

export type CarriedKind = CarriedRoute['kind'];

export function isCarriedRoute(resource: Resource): resource is CarriedRoute {
  return resource.kind === 'HTTPRoute' || resource.kind === 'GRPCRoute';
}

/** What a request of a route of the kind is answered with for a reason: a status, or the code of gRPC. */
export function answerOf(kind: CarriedKind, reason: RequestReason): string {
  const { status, grpc } = REQUEST_REASONS[reason];
  return kind === 'GRPCRoute' ? (grpc ?? String(status)) : String(status);
}

/** Filters that are read but not carried out. A rule with one answers 500 `unsupported_filter`: it is never skipped. */
const NOT_CARRIED: ReadonlySet<HttpRouteFilter['type']> = new Set(['ExternalAuth', 'ExtensionRef']);

export function isCarriedFilter(filter: HttpRouteFilter): boolean {
  return !NOT_CARRIED.has(filter.type);
}

/**
 * `appProtocol` values that say "not plain HTTP": such a port is tunnelled unread. Everything else, known
 * or not, is left to the first bytes of each connection.
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

/** `appProtocol` values of servers that expect HTTP/2 from the first byte on: requests of HTTPRoutes are sent as HTTP/1.1. */
const HTTP2_APP_PROTOCOLS: ReadonlySet<string> = new Set(['kubernetes.io/h2c', 'h2c', 'http2', 'grpc']);
/** Those of servers that speak HTTP/1.1 alone, in which there is no call. */
const HTTP1_APP_PROTOCOLS: ReadonlySet<string> = new Set(['kubernetes.io/ws', 'ws']);

/** The protocols that a route of the kind cannot send in, and what it sends instead. */
const UNSENT: Readonly<Record<CarriedKind, { readonly protocols: ReadonlySet<string>; readonly sent: string }>> = {
  HTTPRoute: { protocols: HTTP2_APP_PROTOCOLS, sent: 'backends are sent HTTP/1.1 only' },
  GRPCRoute: { protocols: HTTP1_APP_PROTOCOLS, sent: 'calls of gRPC are sent as HTTP/2' },
};

/** Why a backendRef can never be used, in the words of the condition ResolvedRefs. */
export interface BackendRefusal {
  readonly reason: 'InvalidKind' | 'BackendNotFound' | 'UnsupportedProtocol';
  readonly message: string;
}

export function serviceKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/**
 * Judge a backendRef of a route of the kind by what the route files say. Null when nothing speaks against it: a Service
 * without a document is left to DNS.
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
  const port = service.ports.find((candidate) => candidate.port === ref.port && candidate.protocol === 'TCP');
  if (port === undefined) {
    return { reason: 'BackendNotFound', message: `Service ${key} has no TCP port ${ref.port}` };
  }
  if (isOpaqueProtocol(port.appProtocol)) {
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${ref.port} of Service ${key} speaks ${port.appProtocol ?? ''}, not HTTP`,
    };
  }
  const { protocols, sent } = UNSENT[kind];
  if (port.appProtocol !== null && protocols.has(port.appProtocol.toLowerCase())) {
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${ref.port} of Service ${key} speaks ${port.appProtocol}, and ${sent}`,
    };
  }
  return null;
}
