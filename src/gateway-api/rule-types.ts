/**
 * The shapes of which rules of routes are made, after defaulting and validation, as in `types.ts`, which has them all.
 *
 * Sources: Gateway API v1.7.0 `apis/v1/{httproute,grpcroute,shared,object_reference}_types.go`.
 */

export type PathMatchType = 'Exact' | 'PathPrefix' | 'RegularExpression';

export interface PathMatch {
  readonly type: PathMatchType;
  /** For PathPrefix as written; the trailing `/` is ignored by the matcher. */
  readonly value: string;
}

export interface HeaderMatch {
  readonly type: 'Exact' | 'RegularExpression';
  /** Lower-cased. */
  readonly name: string;
  readonly value: string;
}

export interface QueryParamMatch {
  readonly type: 'Exact' | 'RegularExpression';
  /** Case-sensitive. */
  readonly name: string;
  readonly value: string;
}

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'CONNECT' | 'OPTIONS' | 'TRACE' | 'PATCH';

/** One entry of `rules[].matches`; absent fields are defaulted, equivalent names keep only the first. */
export interface HttpRouteMatch {
  readonly path: PathMatch;
  readonly headers: readonly HeaderMatch[];
  readonly queryParams: readonly QueryParamMatch[];
  readonly method: HttpMethod | null;
}

export interface HttpHeader {
  /** As written: the case of a name that is set or added is kept on the wire. */
  readonly name: string;
  readonly value: string;
}

export interface HeaderModifier {
  readonly set: readonly HttpHeader[];
  readonly add: readonly HttpHeader[];
  readonly remove: readonly string[];
}

export type PathModifier =
  | { readonly type: 'ReplaceFullPath'; readonly replaceFullPath: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly replacePrefixMatch: string };

export interface BackendObjectReference {
  /** `''` for core. */
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Service port; null only when the reference is not a core Service (mandatory for a Service). */
  readonly port: number | null;
}

/** ExternalAuth (experimental): shape checked and defaulted, not carried yet. */
export interface ExternalAuth {
  readonly protocol: 'HTTP' | 'GRPC';
  readonly backendRef: BackendObjectReference;
  /** HTTP only: prefix put before the path of the check request; `''` when not given. */
  readonly path: string;
  readonly allowedHeaders: readonly string[];
  readonly allowedResponseHeaders: readonly string[];
  /** Bytes of the request body sent along; null: the body is not forwarded. */
  readonly forwardBodyMaxSize: number | null;
}

export type HttpRouteFilter =
  | { readonly type: 'RequestHeaderModifier'; readonly requestHeaderModifier: HeaderModifier }
  | { readonly type: 'ResponseHeaderModifier'; readonly responseHeaderModifier: HeaderModifier }
  | {
      readonly type: 'RequestRedirect';
      readonly requestRedirect: {
        readonly scheme: 'http' | 'https' | null;
        readonly hostname: string | null;
        readonly path: PathModifier | null;
        readonly port: number | null;
        readonly statusCode: 301 | 302 | 303 | 307 | 308;
      };
    }
  | {
      readonly type: 'URLRewrite';
      readonly urlRewrite: { readonly hostname: string | null; readonly path: PathModifier | null };
    }
  | {
      readonly type: 'RequestMirror';
      readonly requestMirror: {
        readonly backendRef: BackendObjectReference;
        /** Share of requests mirrored, numerator / denominator; `percent` and `fraction` both end here. */
        readonly numerator: number;
        readonly denominator: number;
      };
    }
  | {
      readonly type: 'CORS';
      readonly cors: {
        readonly allowOrigins: readonly string[];
        readonly allowCredentials: boolean;
        readonly allowMethods: readonly string[];
        readonly allowHeaders: readonly string[];
        readonly exposeHeaders: readonly string[];
        readonly maxAge: number;
      };
    }
  | { readonly type: 'ExternalAuth'; readonly externalAuth: ExternalAuth }
  | {
      readonly type: 'ExtensionRef';
      readonly extensionRef: { readonly group: string; readonly kind: string; readonly name: string };
    };

export interface BackendRefOf<Filter> extends BackendObjectReference {
  readonly weight: number;
  readonly filters: readonly Filter[];
  /** `spec.rules[0].backendRefs[1]`. */
  readonly path: string;
}

export type HttpBackendRef = BackendRefOf<HttpRouteFilter>;

/** Durations are milliseconds; 0 = disabled; null = not given. */
export interface HttpRouteTimeouts {
  readonly requestMs: number | null;
  readonly backendRequestMs: number | null;
}

export interface HttpRouteRetry {
  readonly codes: readonly number[];
  /** After the first try; 0: none, whatever else is given. */
  readonly attempts: number;
  readonly backoffMs: number | null;
}

/** A rule, of whatever kind of route. */
export interface RuleOf<Match, Filter> {
  /** Index in `spec.rules`. */
  readonly index: number;
  readonly name: string | null;
  /** Never empty: a rule without matches has one that every request matches. */
  readonly matches: readonly Match[];
  readonly filters: readonly Filter[];
  readonly backendRefs: readonly BackendRefOf<Filter>[];
  readonly timeouts: HttpRouteTimeouts;
  readonly retry: HttpRouteRetry | null;
}

export type HttpRouteRule = RuleOf<HttpRouteMatch, HttpRouteFilter>;

/** At least one of the two is given; null: any. */
export interface GrpcMethodMatch {
  /** Of both. */
  readonly type: 'Exact' | 'RegularExpression';
  /** With its package, `my.pkg.Service`. */
  readonly service: string | null;
  readonly method: string | null;
}

/** One entry of `rules[].matches` of a GRPCRoute; of equivalent names of headers only the first is there. */
export interface GrpcRouteMatch {
  /** Null: every call. */
  readonly method: GrpcMethodMatch | null;
  readonly headers: readonly HeaderMatch[];
}

/** A GRPCRoute has fewer filters than an HTTPRoute, and what it has is the same. */
export type GrpcRouteFilter = Extract<
  HttpRouteFilter,
  { readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier' | 'RequestMirror' | 'ExtensionRef' }
>;

/** Its kind has no timeouts and no retries: there are none. */
export type GrpcRouteRule = RuleOf<GrpcRouteMatch, GrpcRouteFilter>;

/** Of the kinds of routes that are carried. */
export type RouteMatch = HttpRouteMatch | GrpcRouteMatch;
export type RouteRule = HttpRouteRule | GrpcRouteRule;
