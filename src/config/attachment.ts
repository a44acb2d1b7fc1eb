/**
 * The result of attaching routes to Services: the frontends, and the conditions of each route.
 *
 * Produced by `attach.ts`, compiled by `routing/table.ts`, addressed by `cluster/frontends.ts`, shown by `check`,
 * `explain` and the admin endpoint.
 */
import type { CarriedRoute, ParentRef, Problem, RouteRule, Service, SourceLocation } from '../gateway-api/types.ts';

/** One rule that serves a frontend. */
export interface AttachedRule {
  readonly route: CarriedRoute;
  readonly rule: RouteRule;
}

/** A parent Service and port that at least one route is attached to. */
export interface AttachedFrontend {
  /** `namespace/name:port`; `namespace/name:*` when the ports are unknown because there is no Service document. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Service port. 0: all ports of the Service without their own frontend. */
  readonly port: number;
  /**
   * `opaque`: tunnelled unread. Either the appProtocol of the Service port says that it is not HTTP, or a kind of route
   * that is not carried yet takes precedence there.
   */
  readonly mode: 'http' | 'opaque';
  /** The kind of the routes that serve it, or of those that block it for other kinds. */
  readonly routeKind: string;
  /** True when the rules come from consumer routes of the proxy's namespace. */
  readonly consumer: boolean;
  /** Unordered; compiling sorts them. Empty where a kind that is not carried takes precedence. */
  readonly rules: readonly AttachedRule[];
  /** The document of the parent; null when there is none and DNS is asked. */
  readonly service: Service | null;
}

export type ConditionType = 'Accepted' | 'ResolvedRefs' | 'PartiallyInvalid';

/** A condition of one route for one parentRef. */
export interface RouteCondition {
  readonly routeKind: string;
  readonly namespace: string;
  readonly name: string;
  /**
   * `namespace/name` of the parent Service, with `:port` when given. Empty for a document whose parents are unknown.
   */
  readonly parent: string;
  /** As in the route; null when `parent` is empty. */
  readonly parentRef: ParentRef | null;
  /** Generation of the route, null when the file has none. */
  readonly observedGeneration: number | null;
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly source: SourceLocation;
}

/** A reference to a Service whose address determines a condition, in addition to the route files. */
export interface ConditionReference {
  /** `namespace/name` of a parent, `namespace/name:port` of a backend. */
  readonly key: string;
  /** Field path in the route. */
  readonly path: string;
  /** What happens to requests while the Service is missing, and while its address is unknown. */
  readonly consequences: { readonly missing: string; readonly pending: string };
}

/** What a condition of the attachment depends on at run time. */
export type ConditionSubject =
  | { readonly kind: 'parent'; readonly reference: ConditionReference }
  | { readonly kind: 'backends'; readonly references: readonly ConditionReference[] };

export interface Attachment {
  readonly frontends: readonly AttachedFrontend[];
  /** The conditions according to the route files. */
  readonly conditions: readonly RouteCondition[];
  /** For each condition, the addresses of Services that may change it; null: none. */
  readonly subjects: readonly (ConditionSubject | null)[];
  readonly problems: readonly Problem[];
  /** Every Service document by `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
}
