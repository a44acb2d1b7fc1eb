/**
 * The Gateway API shapes sideroute works with, after defaulting and validation: every optional field that has a
 * default is filled in, every reference is complete, every name that compares case-insensitively is lower-cased.
 *
 * Stage before: `parse.ts` (YAML or JSON text). Stage after: `config/attach.ts`. This folder imports nothing of ours.
 *
 * Sources: Gateway API v1.7.0 `apis/v1/{httproute,grpcroute,shared,object_reference}_types.go`, Kubernetes `core/v1` Service.
 */

import type { ProblemCode } from './problem-codes.ts';
import type { GrpcRouteRule, HttpRouteRule } from './rule-types.ts';

export type * from './rule-types.ts';

/** Where a document stands: `document` counts from 1 within `file`; `line` counts from 1, null when unknown. */
export interface SourceLocation {
  readonly file: string;
  readonly document: number;
  readonly line: number | null;
}

/**
 * One thing to say about the input. `error`: the document is refused (a file that cannot be parsed keeps its last good
 * content). `warning`: the document is used, something in it has no effect or is not carried yet. `note`: nothing is wrong,
 * but how it was understood is not written there.
 */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'note';
  /** Stable kebab-case identifier, for machines. Of a file: one of `problem-codes.ts`; later stages add their own. */
  readonly code: ProblemCode | (string & Record<never, never>);
  readonly file: string;
  readonly document: number;
  readonly line: number | null;
  /** `HTTPRoute devopssong/my-server-route`, or null when the document does not say what it is. */
  readonly resource: string | null;
  /** Field path, `spec.rules[0].matches[1].path.value`; empty when the problem is with the whole document. */
  readonly path: string;
  /** What is wrong, with the offending value, and what is allowed. */
  readonly message: string;
}

/** One file of a ConfigMap. */
export interface ConfigMapFile {
  /** Its key, which is its name where it is mounted. */
  readonly name: string;
  readonly content: Buffer;
  /** Where its first line stands in the file that the document is in; null where lines do not correspond. */
  readonly line: number | null;
}

export interface ConfigMapDocument {
  readonly name: string;
  /** Null when it is not written there. */
  readonly namespace: string | null;
  readonly files: readonly ConfigMapFile[];
}

export interface ParentRef {
  /** `''` for core; the spellings absent and `core` are folded into `''` for kind Service. */
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
  /** Why the version that is in the files now is refused, where this is the one before it. */
  readonly held?: string;
}

export type HttpRoute = RouteOf<'HTTPRoute', HttpRouteRule>;
export type GrpcRoute = RouteOf<'GRPCRoute', GrpcRouteRule>;

/** A route that can be used, of a kind that is carried. */
export type CarriedRoute = HttpRoute | GrpcRoute;

/** A route document that cannot be used, kept so that its conditions can be shown. */
export interface RefusedRoute {
  readonly kind: 'RefusedRoute';
  readonly routeKind: string;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  /** Empty when they cannot be read either. */
  readonly parentRefs: readonly ParentRef[];
  /** `UnsupportedValue` for a value of an enum that this version does not know, else `Invalid`. */
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters' | 'Invalid';
  readonly message: string;
  readonly source: SourceLocation;
}

/** TLSRoute, TCPRoute: not carried yet, but what they are attached to is theirs. */
export interface OtherRoute {
  readonly kind: 'OtherRoute';
  readonly routeKind: 'TLSRoute' | 'TCPRoute' | 'UDPRoute';
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  readonly parentRefs: readonly ParentRef[];
  readonly source: SourceLocation;
  /** As of one that is carried. */
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
  /** Canonical textual addresses, IPv4 and IPv6; empty when headless, ExternalName or not given (then DNS is asked). */
  readonly clusterIPs: readonly string[];
  /** Annotated `sideroute.dev/managed: "true"`: whoever wrote the document keeps it current, so DNS is not asked beside it. */
  readonly managed: boolean;
  readonly ports: readonly ServicePort[];
  readonly source: SourceLocation;
}

/** What claims ports of its parents. */
export type Route = CarriedRoute | OtherRoute;

export type Resource = Route | RefusedRoute | Service;

/** What one route file holds. `unparsable`: the text is not YAML or JSON at all, nothing in it can be trusted. */
export interface ParsedFile {
  readonly file: string;
  readonly unparsable: boolean;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** Services, as `Service namespace/name`, that are refused. */
  readonly refusedServices?: readonly string[];
  /** A document, or a whole List, is refused that does not say what it is. */
  readonly unidentified?: boolean;
  /** With routes in them; empty unless `ParseOptions.manifests` asks for them. */
  readonly configMaps?: readonly ConfigMapDocument[];
}
