/**
 * The typed interface of the native HTTP engine: what `createHttpEngine` of the addon takes and returns.
 *
 * Addresses are canonical text as written by `inet_ntop`, ports are integers, times are milliseconds, strings are
 * Latin-1 views of bytes. `engine/native/native-engine.ts` is the only user.
 */
import type { NativeAccessLog } from './access-log.ts';
import type { StateRecords } from './engine-state.ts';
import { loadAddon } from './load.ts';
import type { OuterCarrier, OuterStreams } from './outer-streams.ts';
import type { NativeTracer } from './tracer.ts';

/**
 * Limits and times. A missing one has the default of the addon (`EngineSettings` in native/src/http/engine_types.h).
 */
export interface HttpEngineSettings {
  readonly headerTimeoutMs?: number;
  readonly downstreamIdleMs?: number;
  readonly stallTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** The pauses between refused dials grow by this. Default: 2. */
  readonly redialStepMs?: number;
  readonly expectTimeoutMs?: number;
  readonly queueTimeoutMs?: number;
  /**
   * HTTP/2 connections to a backend: silence while streams wait before a PING is sent, and the time allowed for the
   * answer.
   */
  readonly pingAfterMs?: number;
  readonly pingTimeoutMs?: number;
  /** Minimum time between two PINGs without any part of a response in between. */
  readonly pingAgainMs?: number;
  readonly upstreamIdleMs?: number;
  readonly upstreamMaxAgeMs?: number;
  readonly upstreamMaxRequests?: number;
  /** The same limits for HTTP/2 connections, plus or minus a quarter. Defaults: 6,000 and 40. */
  readonly sharedMaxAgeMs?: number;
  readonly sharedMaxRequests?: number;
  readonly maxUpstreamConnections?: number;
  readonly maxUpstreamIdle?: number;
  /**
   * Maximum time for which `onOutcomes` may wait for further outcomes; the first outcome after a pause of this length
   * is reported at once. `counters` reports waiting outcomes first. Default: 0, the end of each turn.
   */
  readonly outcomeDelayMs?: number;
  /** Number of connections over which the streams to a backend are spread when it has many. Default: 8. */
  readonly upstreamSpread?: number;
  readonly maxQueuedRequests?: number;
  readonly freshConnectionAfterMs?: number;
  readonly maxReplayBytes?: number;
  readonly maxHeadBytes?: number;
  /** Maximum percentage of retries among the requests of a backend. Default: 10. */
  readonly retryBudgetPercent?: number;
  /** Retries of a backend beyond that percentage; refills at one a second. Default: 50. */
  readonly retryBudgetReserve?: number;
  /** Maximum number of simultaneous mirrored requests to a backend; further ones are dropped. */
  readonly maxMirrors?: number;
  /** Maximum number of buffered bytes for one mirror. */
  readonly maxMirrorBytes?: number;
  /** Time from the request head to the complete response of a mirror. */
  readonly mirrorTimeoutMs?: number;
  /** At most 200. */
  readonly maxHeaderFields?: number;
  readonly maxRequestLineBytes?: number;
}

/** A local reply without framing fields: the addon adds Date, Content-Length and Connection. */
export interface NativeReply {
  readonly status: number;
  /** The reason number in outcomes; -1 for none. */
  readonly reason: number;
  /** Status line and fields, each line with CRLF. */
  readonly head: string;
  readonly body: string;
  /**
   * Fields of the trailers-only response (status 200) that a gRPC call over HTTP/2 gets instead, each line with CRLF.
   * Absent or empty: this reply.
   */
  readonly grpc?: string;
  /** With `grpc`: its code, numbered as in outcomes. */
  readonly grpcStatus?: number;
}

export interface NamedNativeReply extends NativeReply {
  /** The addon uses the replies whose name is a reason it detects itself, and requires all of those. */
  readonly name: string;
}

export interface NativeHeaderEdit {
  readonly kind: 'set' | 'add' | 'remove';
  readonly name: string;
  /** Unused by `remove`. */
  readonly value?: string;
}

/** Edits of a forwarded request and its response. */
export interface NativeHeaderPlan {
  readonly request?: readonly NativeHeaderEdit[];
  readonly response?: readonly NativeHeaderEdit[];
  /** Replaces Host. */
  readonly host?: string;
  /** Replaces the first `prefixLength` bytes of the path, or all of it when that is -1. */
  readonly path?: string;
  readonly prefixLength?: number;
}

/** Timeouts and retries; see `ForwardPolicy` in routing/decision.ts. A time of 0 means no limit. */
export interface NativePolicy {
  readonly requestTimeoutMs: number;
  readonly attemptTimeoutMs: number;
  /** Tries after the first one; 0: the route has no retries. */
  readonly attempts: number;
  /** Statuses from 400 to 599. */
  readonly codes: readonly number[];
  readonly backoffMs: number;
  /** 1: nothing is sent twice. */
  readonly once: 0 | 1;
}

export interface NativeMirror {
  /** Id passed to `setBackend`. */
  readonly backend: number;
  /** Index from `addPlan`; -1 for none. */
  readonly plan: number;
  readonly series: number;
}

/** Slots of `HttpEngine.decision`, in the order of `Decision` in native/src/http/engine_types.h; -1 for none, and 1 for a repeatable decision. */
export const DECISION = {
  kind: 0,
  backend: 1,
  series: 2,
  reply: 3,
  plan: 4,
  policy: 5,
  mirrors: 6,
  repeatable: 7,
} as const;

export const DECISION_KIND = { forward: 0, original: 1, local: 2 } as const;

/**
 * Numbers of one record in `HttpEngine.outcomes`: series, status, reason, durationMs, retries + 65,536 x denial +
 * 1,048,576 x gRPC status; or `OUTCOME_REFUSED`, frontend, reason; or `OUTCOME_MIRROR`, series, result. Denials count
 * from 1 in the order of `RETRY_DENIALS`, statuses from 1 in that of `GRPC_STATUSES` (grpc-status.ts), results from 0
 * in that of `MIRROR_RESULTS` (errors.ts).
 */
export const OUTCOME_NUMBERS = 5;
export const OUTCOME_REFUSED = -1;
export const OUTCOME_MIRROR = -2;

/**
 * Methods that are passed to `decide` by number; others are passed as text. In the order of `MethodId` in
 * native/src/http/types.h.
 */
export const METHODS = ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export interface HttpEngineOptions extends HttpEngineSettings {
  /** Where requests are logged. */
  readonly accessLog?: NativeAccessLog | undefined;
  /** Absent: traces are off. */
  readonly tracer?: NativeTracer | undefined;
  readonly replies: readonly NamedNativeReply[];
  /**
   * Called for each request; writes its answer to `decision`. `fields`: the values of the names given to `setInterest`,
   * null for an absent field. An exception results in the reply `internal`.
   */
  readonly decide: (
    frontend: number,
    method: number | string,
    path: string,
    query: string,
    ...fields: (string | null)[]
  ) => void;
  /** The first `count` records of `outcomes` are new. Usually called at most once in a turn of the event loop. */
  readonly onOutcomes: (count: number) => void;
}

/** Totals since start, except the gauges named `...Open` or `...Idle`, `upstreamStreams`, `bufferedBytes`, `memo...` and the last three. */
export interface HttpEngineCounters {
  readonly adopted: number;
  readonly downstreamOpen: number;
  /** Idle connections closed to make room for other connections or to free memory. */
  readonly idleClosed: number;
  readonly requests: number;
  readonly requestsOpen: number;
  readonly refused: number;
  readonly upstreamConnects: number;
  readonly upstreamConnectFailures: number;
  readonly upstreamOpen: number;
  readonly upstreamIdle: number;
  /** The HTTP/2 connections among them. */
  readonly upstreamSharedOpen: number;
  readonly upstreamSharedIdle: number;
  /** Streams in use on these connections. */
  readonly upstreamStreams: number;
  /** Connections retired although they were still usable, by reason. */
  readonly upstreamRetiredIdle: number;
  readonly upstreamRetiredAge: number;
  readonly upstreamRetiredRequests: number;
  readonly upstreamRetiredGoaway: number;
  readonly upstreamReused: number;
  /** Idle connections closed by their peer, or on which the peer sent unexpected bytes. */
  readonly upstreamStale: number;
  readonly queued: number;
  /** Repeated dials before anything of a request was sent, including mirrors. */
  readonly redials: number;
  /** Requests sent again because the reused connection had closed. */
  readonly retriesReset: number;
  /** Retries by the policy of the route. */
  readonly retriesPolicy: number;
  /** After an Upgrade or CONNECT. */
  readonly relaysOpen: number;
  readonly bytesUpstream: number;
  readonly bytesDownstream: number;
  readonly bufferedBytes: number;
  /** Cached decisions, and their memory. */
  readonly memoEntries: number;
  readonly memoBytes: number;
  /** Those of the current route table, and those of earlier tables that a request in progress uses. */
  readonly plans: number;
  readonly policies: number;
  readonly mirrorGroups: number;
}

export interface HttpEngine {
  readonly decision: Int32Array;
  readonly outcomes: Float64Array;
  /**
   * Takes over `fd`, or a duplicate of it. Throws and leaves it alone when it is not an open socket; on any other error
   * it is closed. `http2`: it begins with the HTTP/2 preface.
   */
  adopt(fd: number, frontend: number, address: string, port: number, duplicate: boolean, http2?: boolean): void;
  /**
   * Addresses in order of preference. Connections to remaining addresses are kept. `protocol`: the protocol towards the
   * backend; empty: the protocol of the caller.
   */
  setBackend(id: number, addresses: readonly string[], port: number, protocol: 'http1' | 'http2' | ''): void;
  /** Frees the backend with this id. Returns false when something in progress needs it. */
  dropBackend(id: number): boolean;
  /**
   * `names`: at most 8 lower-case field names whose values `decide` receives with each request of the frontend.
   * `query`: false when the decision does not depend on the query.
   */
  setInterest(frontend: number, names: readonly string[], query: boolean): void;
  /** Returns the index for `DECISION.reply`. Replies are never freed. */
  addReply(reply: NativeReply): number;
  /** Returns the index for `DECISION.plan`. This index and the next two are valid until `forget(false)`. */
  addPlan(plan: NativeHeaderPlan): number;
  /** Returns the index for `DECISION.policy`. */
  addPolicy(policy: NativePolicy): number;
  /** Returns the index for `DECISION.mirrors`, a group of at most 32. */
  addMirrors(mirrors: readonly NativeMirror[]): number;
  /**
   * Only within `decide`: lines, each with CRLF, for the head of this request's local reply, or to append to the head
   * of its response.
   */
  setFields(lines: string): void;
  /**
   * Repeatable decisions may have changed, so `decide` is asked again. `interestStays`: false for another route table.
   * It may read other fields, so `decide` is asked for every request until the next `setInterest`. The indices of
   * plans, policies and groups of mirrors become invalid; requests in progress keep theirs, and the data is freed with
   * the last of them.
   */
  forget(interestStays: boolean): void;
  /** Only within `decide`: a field of the request by lower-case name; repeated fields are joined with `,`. */
  header(lowerCaseName: string): string | null;
  counters(): HttpEngineCounters;
  /** For `readHttp2Counters`. */
  http2Counters(): Float64Array;
  /** For `readUpstreams`. */
  upstreams(): StateRecords;
  /** At most `max` (up to 10,000) open connections with an id above `after`, for `readDownstreamConnections`. */
  downstreamConnections(after: number, max: number): StateRecords;
  /** The same, for `readUpstreamConnections`. */
  upstreamConnections(after: number, max: number): StateRecords;
  /** Callable once: carries requests of connections that JavaScript holds. */
  carry(carrier: OuterCarrier): OuterStreams;
  drain(): void;
  close(): void;
}

/** Throws ProxyError like `loadAddon`, and a TypeError that names the option when one is malformed. */
export function createHttpEngine(options: HttpEngineOptions): HttpEngine {
  const addon = loadAddon() as { createHttpEngine(options: HttpEngineOptions): HttpEngine };
  return addon.createHttpEngine(options);
}
