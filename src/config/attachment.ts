/**
 * What attaching routes to Services yields: the frontends, and how each route fared.
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
  /** `namespace/name:port`, `namespace/name:*` when the ports are not known (no Service document). */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Service port; 0 = every port of the Service without a frontend of its own. */
  readonly port: number;
  /**
   * `opaque`: tunnelled unread, because the Service port's appProtocol says that it is not HTTP, or because
   * a kind of route that is not carried yet takes precedence there.
   */
  readonly mode: 'http' | 'opaque';
  /** Of every route whose rules serve it, or that keeps others from it. */
  readonly routeKind: string;
  /** True when the rules come from consumer routes of the proxy's namespace. */
  readonly consumer: boolean;
  /** Unordered; precedence is the compiler's business. Empty where another kind of route takes precedence. */
  readonly rules: readonly AttachedRule[];
  /** The parent's document, null when it has none and DNS is asked. */
  readonly service: Service | null;
}

export type ConditionType = 'Accepted' | 'ResolvedRefs' | 'PartiallyInvalid';

/** A condition of one route for one parentRef. */
export interface RouteCondition {
  readonly routeKind: string;
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of the parent Service, with `:port` when given; empty for a document whose parents are unknown. */
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

/** A reference to a Service whose address decides whether a condition holds, beside what the route files say. */
export interface ConditionReference {
  /** `namespace/name` of a parent, `namespace/name:port` of a backend. */
  readonly key: string;
  /** Field path in the route. */
  readonly path: string;
  /** What becomes of requests while the Service is missing, and while its address is not known. */
  readonly consequences: { readonly missing: string; readonly pending: string };
}

/** What a condition of the attachment depends on at run time. */
export type ConditionSubject =
  | { readonly kind: 'parent'; readonly reference: ConditionReference }
  | { readonly kind: 'backends'; readonly references: readonly ConditionReference[] };

export interface Attachment {
  readonly frontends: readonly AttachedFrontend[];
  /** By what the route files say. */
  readonly conditions: readonly RouteCondition[];
  /** Of each condition, what of the addresses of Services may turn it; null: nothing. */
  readonly subjects: readonly (ConditionSubject | null)[];
  readonly problems: readonly Problem[];
  /** Every Service document by `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
}
