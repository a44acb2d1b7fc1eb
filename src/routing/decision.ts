/**
 * The question an engine asks once per request, and the answer.
 *
 * Stage before: an engine that has a complete request head. Stage after: the same engine, which carries the decision
 * out and reports the outcome. Decisions are compiled with the route table: `decide` hands out references, it does not
 * build objects.
 */
import type { RequestReason } from '../errors.ts';

/**
 * A request head as routing sees it; engines implement it over their own buffers, lazily.
 *
 * Strings are Latin-1 views of the raw bytes: nothing is decoded or normalised (SPEC M6).
 */
export interface RequestHead {
  /** As sent, case-sensitive. */
  readonly method: string;
  /** Raw path without the query; `/` for an empty one; `*` for `OPTIONS *`. */
  readonly path: string;
  /** Raw query after the first `?`, without it; empty when there is none. */
  readonly query: string;
  /** Value of a field by lower-case name; repeated fields joined with `,` (SPEC M7); null when absent. */
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
}

/** Send the request to `backend`. */
export interface ForwardDecision {
  readonly kind: 'forward';
  readonly backend: Backend;
  /** Metric series of (frontend, route, rule, backend); see `observe/metrics.ts`. */
  readonly series: number;
}

/** Answer here. */
export interface LocalDecision {
  readonly kind: 'local';
  readonly status: number;
  readonly reason: RequestReason;
  readonly series: number;
}

/** No route is attached (any more): send the request to the connection's original destination (SPEC A5). */
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

/** Returns the same integer for equal labels, for the life of the process. */
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
