/**
 * The parts of route rules after defaulting and validation. `types.ts` exports them all.
 *
 * Sources: Gateway API v1.7.0 `apis/v1/{httproute,grpcroute,shared,object_reference}_types.go`.
 */

export type PathMatchType = 'Exact' | 'PathPrefix' | 'RegularExpression';

export interface PathMatch {
  readonly type: PathMatchType;
  /** A PathPrefix is kept as written; the matcher ignores a trailing `/`. */
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

/** One entry of `rules[].matches`. Absent fields are defaulted; of equivalent names only the first is kept. */
export interface HttpRouteMatch {
  readonly path: PathMatch;
  readonly headers: readonly HeaderMatch[];
  readonly queryParams: readonly QueryParamMatch[];
  readonly method: HttpMethod | null;
}

export interface HttpHeader {
  /** As written: the request carries a set or added name in this case. */
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

/** ExternalAuth (experimental): its shape is checked and defaulted, but it is not carried yet. */
export interface ExternalAuth {
  readonly protocol: 'HTTP' | 'GRPC';
  readonly backendRef: BackendObjectReference;
  /** HTTP only: prefix of the path of the check request; `''` when not given. */
  readonly path: string;
  readonly allowedHeaders: readonly string[];
  readonly allowedResponseHeaders: readonly string[];
  /** How many bytes of the request body the check request contains; null: no body. */
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
        /** Share of mirrored requests: numerator / denominator. Both `percent` and `fraction` are converted to this. */
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
  /** Tries after the first one; 0: no retries, whatever else is given. */
  readonly attempts: number;
  readonly backoffMs: number | null;
}

/** A rule of any kind of route. */
export interface RuleOf<Match, Filter> {
  /** Index in `spec.rules`. */
  readonly index: number;
  readonly name: string | null;
  /** Never empty: a rule without matches gets one that matches every request. */
  readonly matches: readonly Match[];
  readonly filters: readonly Filter[];
  readonly backendRefs: readonly BackendRefOf<Filter>[];
  readonly timeouts: HttpRouteTimeouts;
  readonly retry: HttpRouteRetry | null;
}

export type HttpRouteRule = RuleOf<HttpRouteMatch, HttpRouteFilter>;

/** At least one of service and method is given; null matches any. */
export interface GrpcMethodMatch {
  /** Applies to both names. */
  readonly type: 'Exact' | 'RegularExpression';
  /** Includes the package: `my.pkg.Service`. */
  readonly service: string | null;
  readonly method: string | null;
}

/** One entry of `rules[].matches` of a GRPCRoute. Of equivalent header names only the first is kept. */
export interface GrpcRouteMatch {
  /** Null matches every call. */
  readonly method: GrpcMethodMatch | null;
  readonly headers: readonly HeaderMatch[];
}

/** A GRPCRoute has a subset of the filters of an HTTPRoute. */
export type GrpcRouteFilter = Extract<
  HttpRouteFilter,
  { readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier' | 'RequestMirror' | 'ExtensionRef' }
>;

/** A GRPCRoute has no timeouts and no retries. */
export type GrpcRouteRule = RuleOf<GrpcRouteMatch, GrpcRouteFilter>;

/** Of the kinds of routes that are carried. */
export type RouteMatch = HttpRouteMatch | GrpcRouteMatch;
export type RouteRule = HttpRouteRule | GrpcRouteRule;
