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
  /** Raw query after the first `?`, without it; empty when there is none. */
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
  /** Written by `cluster/` only. What its servers speak, as the `appProtocol` of the port says; none: what the caller speaks. */
  protocol?: BackendProtocol | null;
}

/** A field line: the name as it is to be written, and its value. Latin-1 views of bytes. */
export interface FieldLine {
  readonly name: string;
  readonly value: string;
}

/** Fields of one head that are not copied, then lines to append: what any sequence of set, add and remove comes to. */
export interface FieldEdits {
  /** Lower case. */
  readonly remove: readonly string[];
  readonly append: readonly FieldLine[];
}

/** `prefix`: the first `length` bytes of the path, a whole number of segments, give way to `replacement`. */
export type PathRewrite =
  | { readonly kind: 'full'; readonly path: string }
  /** `replacement` has no trailing `/`; when nothing is left of the path it becomes `/`. */
  | { readonly kind: 'prefix'; readonly length: number; readonly replacement: string };

/** What filters change about a forwarded request and about its response. Compiled once, so that engines know it again. */
export interface ForwardPlan {
  readonly request: FieldEdits;
  /** Of responses of the backend; never of replies made here. */
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
   * Statuses from 400 to 599 that are retried. Beside them a failure to connect always is, since nothing was sent; and, of
   * idempotent requests, a reset with 502 among the codes, the timeout of an attempt with 504.
   */
  readonly codes: readonly number[];
  /** Least wait before a retry, milliseconds, at least 1. */
  readonly backoffMs: number;
}

/** How long a request may take and how often it is tried. Compiled once, so that engines know it again. */
export interface ForwardPolicy {
  /** From the complete request head to the last byte of the response, retries included; 0: no limit. */
  readonly requestTimeoutMs: number;
  /** For one attempt, connecting included; 0: no limit. */
  readonly attemptTimeoutMs: number;
  readonly retry: RetryPolicy | null;
  /** The route has turned retries off: nothing is sent twice, not even where a reused connection turns out to be closed. */
  readonly once?: boolean;
}

/** Where a copy of a request goes; what becomes of it never touches the request. */
export interface MirrorTarget {
  readonly backend: Backend;
  readonly plan: ForwardPlan | null;
  /** Metric series of (frontend, route, rule, mirror backend). */
  readonly series: number;
}

/** At most this many mirrors of one request: 16 filters of the rule and 16 of the backendRef. */
export const MAX_MIRRORS = 32;

/** Send the request to `backend`. What is absent or null does not apply. */
export interface ForwardDecision {
  readonly kind: 'forward';
  readonly backend: Backend;
  /** Metric series of (frontend, route, rule, backend); see `observe/metrics.ts`. */
  readonly series: number;
  readonly plan?: ForwardPlan | null;
  readonly policy?: ForwardPolicy | null;
  /** The mirrors chosen for this request; the same array for the same choice, so that engines can know it again. */
  readonly mirrors?: readonly MirrorTarget[] | null;
  /** Appended to the response of this request alone, behind what `plan` appends. */
  readonly responseFields?: readonly FieldLine[] | null;
  /**
   * True: every request of the same method, path, query and matched headers gets this decision, as long as the table and
   * the addresses of the backend stay. Engines may then not ask.
   */
  readonly repeatable?: boolean;
}

/** Answer here. */
export interface LocalDecision {
  readonly kind: 'local';
  /** 204 has no body. */
  readonly status: number;
  readonly reason: RequestReason;
  /** What a call of gRPC is told instead, in a trailers-only response; absent or null: nothing else. */
  readonly grpc?: GrpcCode | null;
  readonly series: number;
  /** Fields of this reply alone, such as Location. */
  readonly fields?: readonly FieldLine[] | null;
}

/** No route is attached (any more): send the request to the connection's original destination. */
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

/** Returns the same integer for equal labels, as long as some table has them. */
export type InternSeries = (labels: SeriesLabels) => number;
/** Returns the same object for equal arguments, for the life of the process. */
export type InternBackend = (namespace: string, name: string, port: number) => Backend;

/** What compiling a route table needs from the rest of the process. */
export interface CompileDeps {
  /** Stable id of a frontend by its key, a small integer. */
  readonly frontendId: (key: string) => number;
  readonly internBackend: InternBackend;
  readonly internSeries: InternSeries;
  /** Uniform in [0, 1): where each weighted rotation starts; `Math.random` when not given. */
  readonly random?: () => number;
}
