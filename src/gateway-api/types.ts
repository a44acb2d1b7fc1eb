/**
 * The Gateway API shapes sideroute works with, after defaulting and validation: every optional field that has a default
 * is filled in, every reference is complete, every name that compares case-insensitively is lower-cased.
 *
 * Stage before: `parse.ts` (YAML or JSON text). Stage after: `config/attach.ts`. This folder imports nothing from the
 * rest of the project.
 *
 * Sources: Gateway API v1.7.0 `apis/v1/{httproute,grpcroute,shared,object_reference}_types.go`, Kubernetes `core/v1`
 * Service.
 */

import type { ProblemCode } from './problem-codes.ts';
import type { GrpcRouteRule, HttpRouteRule } from './rule-types.ts';

export type * from './rule-types.ts';

/** The position of a document: `document` counts from 1 in `file`; `line` counts from 1, null when unknown. */
export interface SourceLocation {
  readonly file: string;
  readonly document: number;
  readonly line: number | null;
}

/**
 * One message about the input. `error`: the document is refused; a file that cannot be parsed keeps its last good
 * content. `warning`: the document is used, but something in it has no effect or is not carried yet. `note`: nothing is
 * wrong; it explains an interpretation that the document does not state.
 */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'note';
  /**
   * Stable kebab-case identifier for programs. Codes for files are in `problem-codes.ts`; later stages add their own.
   */
  readonly code: ProblemCode | (string & Record<never, never>);
  readonly file: string;
  readonly document: number;
  readonly line: number | null;
  /** `HTTPRoute devopssong/my-server-route`; null when the document does not identify itself. */
  readonly resource: string | null;
  /** Field path, `spec.rules[0].matches[1].path.value`; empty when the problem concerns the whole document. */
  readonly path: string;
  /** The fault, with the offending value, and what is allowed. */
  readonly message: string;
}

/** One file of a ConfigMap. */
export interface ConfigMapFile {
  /** Its key, which is its file name when the ConfigMap is mounted. */
  readonly name: string;
  readonly content: Buffer;
  /** Line of its first line in the file that contains the document; null where lines do not correspond. */
  readonly line: number | null;
}

export interface ConfigMapDocument {
  readonly name: string;
  /** Null when the document has none. */
  readonly namespace: string | null;
  readonly files: readonly ConfigMapFile[];
}

export interface ParentRef {
  /** `''` for core. For kind Service, `core` and an absent group are converted to `''`. */
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly sectionName: string | null;
  readonly port: number | null;
  /** `spec.parentRefs[0]`. */
  readonly path: string;
}

export interface RouteOf<Kind, Rule> {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  /** Milliseconds since the epoch, null when the file has none. */
  readonly creationTimestamp: number | null;
  readonly parentRefs: readonly ParentRef[];
  readonly hostnames: readonly string[];
  /** Never empty. */
  readonly rules: readonly Rule[];
  readonly source: SourceLocation;
  /** Why the current version in the files is refused, when this is the previous version. */
  readonly held?: string;
}

export type HttpRoute = RouteOf<'HTTPRoute', HttpRouteRule>;
export type GrpcRoute = RouteOf<'GRPCRoute', GrpcRouteRule>;

/** A valid route of a kind that is carried. */
export type CarriedRoute = HttpRoute | GrpcRoute;

/** A route document that cannot be used, kept so that its conditions can be shown. */
export interface RefusedRoute {
  readonly kind: 'RefusedRoute';
  readonly routeKind: string;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  /** Empty when they cannot be read. */
  readonly parentRefs: readonly ParentRef[];
  /**
   * `UnsupportedValue` when all errors are unknown enum values, `IncompatibleFilters` when all are about filters,
   * otherwise `Invalid`.
   */
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters' | 'Invalid';
  readonly message: string;
  readonly source: SourceLocation;
}

/** TLSRoute, TCPRoute: not carried yet, but they still claim the ports they are attached to. */
export interface OtherRoute {
  readonly kind: 'OtherRoute';
  readonly routeKind: 'TLSRoute' | 'TCPRoute' | 'UDPRoute';
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  readonly parentRefs: readonly ParentRef[];
  readonly source: SourceLocation;
  /** As in a route that is carried. */
  readonly held?: string;
}

export interface ServicePort {
  readonly name: string | null;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol: string | null;
}

export interface Service {
  readonly kind: 'Service';
  readonly namespace: string;
  readonly name: string;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** `clusterIP: None`. */
  readonly headless: boolean;
  /** Canonical addresses, IPv4 and IPv6. Empty when headless, ExternalName or not given; DNS is asked then. */
  readonly clusterIPs: readonly string[];
  /**
   * Annotated `sideroute.dev/managed: "true"`: the author keeps the document current, so DNS is not asked in addition.
   */
  readonly managed: boolean;
  readonly ports: readonly ServicePort[];
  readonly source: SourceLocation;
}

/** Routes that claim ports of their parents. */
export type Route = CarriedRoute | OtherRoute;

export type Resource = Route | RefusedRoute | Service;

/** The contents of one route file. `unparsable`: the text is not YAML or JSON, so nothing in it is used. */
export interface ParsedFile {
  readonly file: string;
  readonly unparsable: boolean;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** Refused Services, as `Service namespace/name`. */
  readonly refusedServices?: readonly string[];
  /** True when a document or a whole List without kind or name was refused. */
  readonly unidentified?: boolean;
  /** ConfigMaps with routes; empty unless `ParseOptions.manifests` asks for them. */
  readonly configMaps?: readonly ConfigMapDocument[];
}
