/**
 * Shapes of the answers that the page reads: `/stats` whole, of `/config` and `/explain` what it shows.
 * `admin/stats.ts` writes the first.
 */

/** One series of requests: a frontend, route, rule and backend. */
export interface SeriesLabels {
  /** Never given to another series. */
  readonly id: number;
  readonly parentNamespace: string;
  /** Empty for requests that no route decides any more. */
  readonly parentName: string;
  readonly parentPort: number;
  /** Names are empty where they do not apply. */
  readonly routeNamespace: string;
  readonly routeName: string;
  /** Name of the rule when it has one, else its index. */
  readonly rule: string;
  readonly backendNamespace: string;
  readonly backendName: string;
  readonly backendPort: number;
}

/** Totals of one series since start. */
export interface SeriesCounters {
  readonly id: number;
  /** Of all its requests together. */
  readonly durationMs: number;
  /** Requests by duration, between the bounds of `Catalog.bucketsMs`; not cumulative, without the zeros at the end. */
  readonly buckets: readonly number[];
  /** Status (`0`: none was sent), reason (empty: relayed from the backend), requests. */
  readonly results: readonly (readonly [code: string, reason: string, count: number])[];
  /** Of the calls of gRPC among these, with the status of gRPC: a name, or `missing`. Absent without calls. */
  readonly calls?: readonly (readonly [code: string, reason: string, status: string, count: number])[];
  readonly retries?: number;
  /** By result. */
  readonly mirrored?: Readonly<Record<string, number>>;
}

/** What does not change while the process lives; given when labels are. */
export interface Catalog {
  /** Inclusive upper bounds; one more bucket takes what is slower. */
  readonly bucketsMs: readonly number[];
  readonly reasons: Readonly<
    Record<string, { readonly status: number; readonly source: string; readonly text: string }>
  >;
  /** Statuses of gRPC that are the like of a status from 500 on. */
  readonly grpcFaults: readonly string[];
  /** `address:port` of the endpoints of metrics. */
  readonly metrics: readonly string[];
}

/** One address of a backend. Totals are since start. */
export interface UpstreamEntry {
  /** `namespace/name:port`; null for an original destination, of requests that no route decides. */
  readonly backend: string | null;
  readonly address: string;
  readonly port: number;
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  /** Requests that wait for a connection to the backend, given with its first address. */
  readonly queued: number;
  readonly connects: number;
  readonly connectFailures: number;
  readonly requests: number;
}

export interface Stats {
  readonly version: string;
  readonly node: string;
  /** Another one after a restart: every counter began anew. */
  readonly instance: string;
  /** Monotonic; rates are differences divided by differences of this. */
  readonly atMs: number;
  readonly uptimeMs: number;
  readonly draining: boolean;
  readonly config: {
    readonly generation: number;
    readonly hash: string;
    readonly valid: boolean;
    readonly unresolvedFrontends: number;
    /** Changes whenever `/config` may say something else. */
    readonly revision: string;
  };
  readonly process: {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    /** Total of user and system time. */
    readonly cpuMs: number;
    /** Delay of the event loop over the last 10 to 20 seconds; null while there is no measurement. */
    readonly loopDelayMs: { readonly mean: number; readonly p99: number; readonly max: number } | null;
  };
  readonly connections: {
    readonly downstream: number;
    readonly detecting: number;
    readonly tunnels: number;
    readonly openRequests: number;
    readonly upgraded: number;
    readonly bufferedBytes: number;
  };
  /** Totals of connections tunnelled unread or dropped, by reason. */
  readonly passthrough: Readonly<Record<string, number>>;
  /** Totals of requests refused before routing, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  readonly retriesDenied: Readonly<Record<string, number>>;
  readonly upstreams: readonly UpstreamEntry[];
  /** Another one when there are other series. */
  readonly seriesRevision: string;
  readonly catalog?: Catalog;
  /** Of all series, that of what finds no room included; absent when the revision is the one that was asked with. */
  readonly labels?: readonly SeriesLabels[];
  /** Those with a request. */
  readonly series: readonly SeriesCounters[];
}

export interface ConfigProblem {
  readonly severity: 'error' | 'warning' | 'note';
  readonly file: string;
  readonly document: number;
  readonly line: number | null;
  readonly resource: string | null;
  readonly path: string;
  readonly message: string;
}

export interface ConfigCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface ConfigRoute {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly source: { readonly file: string; readonly document: number; readonly line: number | null };
  readonly parents: readonly { readonly parent: string; readonly conditions: readonly ConfigCondition[] }[];
}

export interface ConfigField {
  readonly type: string;
  readonly name: string;
  readonly value: string;
}

/** Of an HTTPRoute. */
export interface ConfigHttpMatch {
  readonly order: number;
  readonly path: { readonly type: string; readonly value: string };
  readonly headers: readonly ConfigField[];
  readonly queryParams: readonly ConfigField[];
  readonly method: string | null;
}

/** Of a GRPCRoute. */
export interface ConfigGrpcMatch {
  readonly order: number;
  readonly method: { readonly type: string; readonly service: string | null; readonly method: string | null } | null;
  readonly headers: readonly ConfigField[];
}

export type ConfigMatch = ConfigHttpMatch | ConfigGrpcMatch;

/** `type` names the kind; what belongs to it stands in a field named like it. */
export type ConfigFilter = Readonly<Record<string, unknown>> & { readonly type: string };

export type Protocol = 'http1' | 'http2';

export interface ConfigTarget {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number | null;
  readonly state: string;
  readonly addresses: readonly string[];
  /** What is spoken there; null: what the caller speaks. */
  readonly protocol: Protocol | null;
  readonly message: string | null;
}

export interface ConfigBackend extends ConfigTarget {
  readonly weight: number;
  readonly filters: readonly ConfigFilter[];
  readonly mirrors: readonly (ConfigTarget & { readonly numerator: number; readonly denominator: number })[];
}

export interface ConfigRule {
  /** Of the route. */
  readonly kind: string;
  /** `namespace/name`. */
  readonly route: string;
  readonly rule: number;
  readonly name: string | null;
  readonly matches: readonly ConfigMatch[];
  readonly filters: readonly ConfigFilter[];
  readonly backends: readonly ConfigBackend[];
  readonly timeouts: { readonly requestMs: number | null; readonly backendRequestMs: number | null };
  readonly retry: {
    readonly codes: readonly number[];
    readonly attempts: number;
    readonly backoffMs: number | null;
  } | null;
  /** `grpc`: what a call of gRPC gets instead of the status. */
  readonly refused: {
    readonly status: number;
    readonly reason: string;
    readonly grpc: string | null;
    readonly message: string;
  } | null;
}

export interface ConfigFrontend {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly mode: 'http' | 'opaque';
  readonly routeKind: string;
  readonly consumer: boolean;
  readonly addresses: readonly string[];
  readonly unresolved: string | null;
  readonly rules: readonly ConfigRule[];
}

export interface Config {
  readonly generation: number;
  readonly hash: string;
  readonly valid: boolean;
  /** The route set that is served; null when there is none. */
  readonly routeSet: { readonly generation: number; readonly hash: string } | null;
  readonly heldFiles: readonly string[];
  readonly heldRoutes: readonly string[];
  readonly problems: readonly ConfigProblem[];
  readonly routes: readonly ConfigRoute[];
  readonly frontends: readonly ConfigFrontend[];
}

export interface ExplainedMatch {
  readonly route: string;
  readonly ruleIndex: number;
  readonly ruleName: string | null;
  readonly matchIndex: number;
  readonly matched: boolean;
  readonly predicates: readonly {
    readonly expected: string;
    readonly actual: string | null;
    readonly matched: boolean;
  }[];
}

export interface ExplainedRequest {
  readonly line: string;
  readonly fields: readonly string[];
}

export interface ExplainedLocal {
  readonly kind: 'local';
  readonly status: number;
  readonly reason: string;
  /** As of a rule. */
  readonly grpc: string | null;
  readonly message: string;
  readonly fields: readonly string[];
}

export interface ExplainedForward {
  readonly kind: 'forward';
  readonly addresses: readonly string[];
  /** As of a target. */
  readonly protocol: Protocol | null;
  readonly request: ExplainedRequest;
  readonly response: { readonly remove: readonly string[]; readonly append: readonly string[] };
  readonly policy: {
    readonly requestTimeoutMs: number;
    readonly attemptTimeoutMs: number;
    readonly retry: {
      readonly attempts: number;
      readonly codes: readonly number[];
      readonly backoffMs: number;
    } | null;
  } | null;
  /** What a call of gRPC asks for itself. */
  readonly callTimeoutMs: number | null;
  readonly mirrors: readonly {
    readonly backend: string;
    readonly percent: number;
    readonly request: ExplainedRequest | null;
    readonly dropped: string | null;
  }[];
}

export interface ExplainedShare {
  readonly backend: string;
  readonly weight: number;
  readonly percent: number;
  readonly answer: ExplainedForward | ExplainedLocal | { readonly kind: 'never' };
}

export interface Explanation {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly query: string;
    readonly call: boolean;
  };
  readonly frontend: string | null;
  readonly routeKind: string | null;
  /** Those that are described. */
  readonly candidates: readonly (ExplainedMatch & { readonly position: number })[];
  readonly candidateCount: number;
  readonly elsewhere: readonly ExplainedMatch[];
  readonly elsewhereCount: number;
  /** Index in `candidates`, as in `runnerUp`. */
  readonly winner: number | null;
  readonly runnerUp: { readonly candidate: number; readonly criterion: string } | null;
  readonly outcome:
    | { readonly kind: 'original'; readonly opaque: string | null }
    | ExplainedLocal
    | { readonly kind: 'shares'; readonly shares: readonly ExplainedShare[] };
}
