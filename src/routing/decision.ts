/**
 * The question an engine asks once per request, and the answer.
 *
 * Stage before: an engine that has a complete request head. Stage after: the same engine, which carries the decision
 * out and reports the outcome. Decisions are compiled with the route table: `decide` hands out references, it does not
 * build objects.
 */
import type { BackendProtocol } from '../config/support.ts';
import type { RequestReason } from '../errors.ts';
import type { GrpcCode } from '../grpc-status.ts';

export type { BackendProtocol };

/**
 * A request head as routing sees it; engines implement it over their own buffers, lazily.
 *
 * Strings are Latin-1 views of the raw bytes: nothing is decoded or normalised.
 */
export interface RequestHead {
  /** As sent, case-sensitive. */
  readonly method: string;
  /** Raw path without the query; `/` for an empty one; `*` for `OPTIONS *`. */
  readonly path: string;
  /** Raw query after the first `?`, which is left out; empty when there is no query. */
  readonly query: string;
  /** Value of a field by lower-case name; repeated fields joined with `,`; null when absent. */
  header(name: string): string | null;
}

/** How well the address of a Service is known. `missing`: it does not exist, or not with this port. */
export type ResolutionState = 'resolved' | 'pending' | 'missing';

/**
 * A backend Service and port. One object per `namespace/name:port` for the life of the process (interned by
 * `cluster/`), so that connection pools and counters outlive route tables.
 */
export interface Backend {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** `namespace/name:port`. */
  readonly key: string;
  /** Dense index, for arrays. */
  readonly id: number;
  /** Written by `cluster/` only. ClusterIPs in order of preference; empty unless `state` is `resolved`. */
  addresses: readonly string[];
  state: ResolutionState;
  /**
   * Written by `cluster/` only. The protocol of its servers according to the `appProtocol` of the port; absent or null:
   * the protocol of the caller.
   */
  protocol?: BackendProtocol | null;
}

/** A field line as it is written to the connection. Name and value are Latin-1 views of bytes. */
export interface FieldLine {
  readonly name: string;
  readonly value: string;
}

/**
 * Fields of one head that are not copied, and lines to append. Any sequence of set, add and remove can be reduced to
 * this.
 */
export interface FieldEdits {
  /** Lower case. */
  readonly remove: readonly string[];
  readonly append: readonly FieldLine[];
}

/** `prefix`: the first `length` bytes of the path, a whole number of segments, are replaced by `replacement`. */
export type PathRewrite =
  | { readonly kind: 'full'; readonly path: string }
  /** `replacement` has no trailing `/`; when nothing is left of the path it becomes `/`. */
  | { readonly kind: 'prefix'; readonly length: number; readonly replacement: string };

/**
 * What filters change about a forwarded request and its response. Compiled once, so that engines can recognise it by
 * identity.
 */
export interface ForwardPlan {
  readonly request: FieldEdits;
  /** Applies to responses of the backend, never to local replies. */
  readonly response: FieldEdits;
  /** Replaces Host; null: kept. */
  readonly host: string | null;
  readonly path: PathRewrite | null;
}

/** When a request is sent again, and how often. */
export interface RetryPolicy {
  /** Tries after the first one, at least 1. */
  readonly attempts: number;
  /**
   * Statuses from 400 to 599 that are retried. A failure to connect is always retried, since nothing was sent. Of
   * idempotent requests, a reset is retried when 502 is among the codes, and the timeout of an attempt when 504 is.
   */
  readonly codes: readonly number[];
  /** Least wait before a retry, milliseconds, at least 1. */
  readonly backoffMs: number;
}

/**
 * How long a request may take and how often it is tried. Compiled once, so that engines can recognise it by identity.
 */
export interface ForwardPolicy {
  /** From the complete request head to the last byte of the response, retries included; 0: no limit. */
  readonly requestTimeoutMs: number;
  /** For one attempt, connecting included; 0: no limit. */
  readonly attemptTimeoutMs: number;
  readonly retry: RetryPolicy | null;
  /**
   * The route has turned retries off: nothing is sent twice, not even when a reused connection turns out to be closed.
   */
  readonly once?: boolean;
}

/** Where a copy of a request goes. The outcome of the copy never affects the request. */
export interface MirrorTarget {
  readonly backend: Backend;
  readonly plan: ForwardPlan | null;
  /** Metric series of (frontend, route, rule, mirror backend). */
  readonly series: number;
}

/** Maximum number of mirrors of one request: 16 filters of the rule and 16 of the backendRef. */
export const MAX_MIRRORS = 32;

/** The request is sent to `backend`. Fields that are absent or null do not apply. */
export interface ForwardDecision {
  readonly kind: 'forward';
  readonly backend: Backend;
  /** Metric series of (frontend, route, rule, backend); see `observe/metrics.ts`. */
  readonly series: number;
  readonly plan?: ForwardPlan | null;
  readonly policy?: ForwardPolicy | null;
  /**
   * The mirrors chosen for this request. Equal choices give the same array, so that engines can recognise it by
   * identity.
   */
  readonly mirrors?: readonly MirrorTarget[] | null;
  /** Appended to the response of this request only, after the fields that `plan` appends. */
  readonly responseFields?: readonly FieldLine[] | null;
  /**
   * True: every request with the same method, path, query and matched headers gets this decision, as long as the table
   * and the addresses of the backend do not change. Engines may then reuse it without asking again.
   */
  readonly repeatable?: boolean;
}

/** The proxy answers the request itself. */
export interface LocalDecision {
  readonly kind: 'local';
  /** 204 has no body. */
  readonly status: number;
  readonly reason: RequestReason;
  /** The status for a gRPC call, sent in a trailers-only response instead; absent or null: no such status. */
  readonly grpc?: GrpcCode | null;
  readonly series: number;
  /** Fields of this single reply, such as Location. */
  readonly fields?: readonly FieldLine[] | null;
}

/** No route is attached, or none any more: the request goes to the original destination of the connection. */
export interface OriginalDecision {
  readonly kind: 'original';
  readonly series: number;
}

export type Decision = ForwardDecision | LocalDecision | OriginalDecision;

/** Labels of a metric series; empty strings where they do not apply. */
export interface SeriesLabels {
  readonly parentNamespace: string;
  readonly parentName: string;
  readonly parentPort: number;
  readonly routeNamespace: string;
  readonly routeName: string;
  /** Rule name when it has one, else its index. */
  readonly rule: string;
  readonly backendNamespace: string;
  readonly backendName: string;
  /** 0 when there is no backend. */
  readonly backendPort: number;
}

/** Returns the same integer for equal labels, as long as some table uses them. */
export type InternSeries = (labels: SeriesLabels) => number;
/** Returns the same object for equal arguments, for the life of the process. */
export type InternBackend = (namespace: string, name: string, port: number) => Backend;

/** What compiling a route table needs from the rest of the process. */
export interface CompileDeps {
  /** Stable id of a frontend by its key, a small integer. */
  readonly frontendId: (key: string) => number;
  readonly internBackend: InternBackend;
  readonly internSeries: InternSeries;
  /** Uniform in [0, 1). Gives the start of each weighted rotation; default: `Math.random`. */
  readonly random?: () => number;
}
