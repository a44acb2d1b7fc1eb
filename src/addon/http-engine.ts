/**
 * The typed interface of the native HTTP engine: what `createHttpEngine` of the addon takes and returns.
 *
 * Addresses are canonical text as `inet_ntop` writes it, ports are integers, times milliseconds, strings Latin-1 views of
 * bytes. `engine/native/native-engine.ts` is the only user.
 */
import type { NativeAccessLog } from './access-log.ts';
import type { StateRecords } from './engine-state.ts';
import { loadAddon } from './load.ts';
import type { OuterCarrier, OuterStreams } from './outer-streams.ts';
import type { NativeTracer } from './tracer.ts';

/** Limits and times; a missing one has the default of the addon (`EngineSettings` in native/src/http/engine_types.h). */
export interface HttpEngineSettings {
  readonly headerTimeoutMs?: number;
  readonly downstreamIdleMs?: number;
  readonly stallTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** By so much grow the pauses between dials that are refused. Default 2. */
  readonly redialStepMs?: number;
  readonly expectTimeoutMs?: number;
  readonly queueTimeoutMs?: number;
  /** Silence of a connection of HTTP/2 to a backend, while streams wait, before it is sent a PING; how long it may take to answer. */
  readonly pingAfterMs?: number;
  readonly pingTimeoutMs?: number;
  /** Between two of them, where nothing of a response has come in between. */
  readonly pingAgainMs?: number;
  readonly upstreamIdleMs?: number;
  readonly upstreamMaxAgeMs?: number;
  readonly upstreamMaxRequests?: number;
  /** The same of connections of HTTP/2, give or take a quarter. Defaults 6,000 and 40. */
  readonly sharedMaxAgeMs?: number;
  readonly sharedMaxRequests?: number;
  readonly maxUpstreamConnections?: number;
  readonly maxUpstreamIdle?: number;
  /**
   * So long `onOutcomes` may wait for more outcomes, unless it was not called for as long; `counters` tells what has ended before.
   * Default 0: at the end of each turn.
   */
  readonly outcomeDelayMs?: number;
  /** Over so many connections the streams to a backend are spread, where one has many. Default 8. */
  readonly upstreamSpread?: number;
  readonly maxQueuedRequests?: number;
  readonly freshConnectionAfterMs?: number;
  readonly maxReplayBytes?: number;
  readonly maxHeadBytes?: number;
  /** Retries may be this part of the requests of a backend, in percent. Default 10. */
  readonly retryBudgetPercent?: number;
  /** Retries that a backend may get beyond that part; refills at one a second. Default 50. */
  readonly retryBudgetReserve?: number;
  /** Requests a backend may be mirrored at a time; what comes beyond is dropped. */
  readonly maxMirrors?: number;
  /** Bytes that may wait for one mirror. */
  readonly maxMirrorBytes?: number;
  /** From the request head to the complete response of a mirror. */
  readonly mirrorTimeoutMs?: number;
  /** At most 200. */
  readonly maxHeaderFields?: number;
  readonly maxRequestLineBytes?: number;
}

/** A response made here, without framing fields: the addon adds Date, Content-Length and Connection. */
export interface NativeReply {
  readonly status: number;
  /** What an outcome says; -1 for none. */
  readonly reason: number;
  /** Status line and fields, each line with CRLF. */
  readonly head: string;
  readonly body: string;
  /**
   * Fields of the trailers-only response, of status 200, that a call of gRPC gets instead over HTTP/2, each line with CRLF;
   * absent or empty: this reply.
   */
  readonly grpc?: string;
  /** With `grpc`: its code, as outcomes have it. */
  readonly grpcStatus?: number;
}

export interface NamedNativeReply extends NativeReply {
  /** The addon uses those whose name is a reason it finds by itself, and insists on having them all. */
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

/** Limits of time and retries; see `ForwardPolicy` in routing/decision.ts. Times of 0 are no limit. */
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
  /** Id given to `setBackend`. */
  readonly backend: number;
  /** From `addPlan`, -1 for none. */
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
 * Numbers of one record in `HttpEngine.outcomes`: series, status, reason, durationMs, retries + 65,536 x denial + 1,048,576 x
 * status of gRPC; or `OUTCOME_REFUSED`, frontend, reason; or `OUTCOME_MIRROR`, series, result. Denials count from 1 in the order
 * of `RETRY_DENIALS`, statuses from 1 in that of `GRPC_STATUSES` (grpc-status.ts), results from 0 in that of `MIRROR_RESULTS`
 * (errors.ts).
 */
export const OUTCOME_NUMBERS = 5;
export const OUTCOME_REFUSED = -1;
export const OUTCOME_MIRROR = -2;

/** What `decide` gets for a method it knows; others come as text. In the order of `MethodId` in native/src/http/types.h. */
export const METHODS = ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export interface HttpEngineOptions extends HttpEngineSettings {
  /** Where requests are logged. */
  readonly accessLog?: NativeAccessLog | undefined;
  /** Absent: nothing is traced. */
  readonly tracer?: NativeTracer | undefined;
  readonly replies: readonly NamedNativeReply[];
  /**
   * Called for each request, answers by writing to `decision`. `fields` are the values of the names given to
   * `setInterest`, null for an absent one. An exception makes the reply `internal`.
   */
  readonly decide: (
    frontend: number,
    method: number | string,
    path: string,
    query: string,
    ...fields: (string | null)[]
  ) => void;
  /** The first `count` records of `outcomes` are new. At most once per turn of the loop, mostly. */
  readonly onOutcomes: (count: number) => void;
}

/** Totals since start, except the gauges named `...Open` or `...Idle`, `upstreamStreams`, `bufferedBytes`, `memo...` and the last three. */
export interface HttpEngineCounters {
  readonly adopted: number;
  readonly downstreamOpen: number;
  /** Connections that waited for a request and were closed to make room, for others or in memory. */
  readonly idleClosed: number;
  readonly requests: number;
  readonly requestsOpen: number;
  readonly refused: number;
  readonly upstreamConnects: number;
  readonly upstreamConnectFailures: number;
  readonly upstreamOpen: number;
  readonly upstreamIdle: number;
  /** Of these, connections of HTTP/2. */
  readonly upstreamSharedOpen: number;
  readonly upstreamSharedIdle: number;
  /** Streams in use of these connections. */
  readonly upstreamStreams: number;
  /** Connections that were taken out of use although they could have gone on, by why. */
  readonly upstreamRetiredIdle: number;
  readonly upstreamRetiredAge: number;
  readonly upstreamRetiredRequests: number;
  readonly upstreamRetiredGoaway: number;
  readonly upstreamReused: number;
  /** Idle connections that were closed by their peer, or spoke unasked. */
  readonly upstreamStale: number;
  readonly queued: number;
  /** Dials repeated before anything of a request was sent, mirrors included. */
  readonly redials: number;
  /** Requests sent again because their reused connection had closed. */
  readonly retriesReset: number;
  /** As routes allow them. */
  readonly retriesPolicy: number;
  /** After an Upgrade or CONNECT. */
  readonly relaysOpen: number;
  readonly bytesUpstream: number;
  readonly bytesDownstream: number;
  readonly bufferedBytes: number;
  /** Decisions known by heart, and what they take. */
  readonly memoEntries: number;
  readonly memoBytes: number;
  /** Those of the route table in force that were added, and those of earlier ones that a request in progress has. */
  readonly plans: number;
  readonly policies: number;
  readonly mirrorGroups: number;
}

export interface HttpEngine {
  readonly decision: Int32Array;
  readonly outcomes: Float64Array;
  /**
   * Takes `fd` over, or a duplicate of it. Throws, and leaves it alone, when it is no open socket; with any other error it
   * is closed. `http2`: it begins with the preface of HTTP/2.
   */
  adopt(fd: number, frontend: number, address: string, port: number, duplicate: boolean, http2?: boolean): void;
  /**
   * Addresses in order of preference. Connections to addresses that stay are kept. `protocol`: what is spoken there, whatever
   * the caller speaks; empty: the same.
   */
  setBackend(id: number, addresses: readonly string[], port: number, protocol: 'http1' | 'http2' | ''): void;
  /** Frees the backend of an id, unless something in progress needs it: false then. */
  dropBackend(id: number): boolean;
  /**
   * At most 8 lower-case names of fields that `decide` is given with each request of the frontend. `query`: false when its
   * answer does not depend on the query.
   */
  setInterest(frontend: number, names: readonly string[], query: boolean): void;
  /** Returns the index for `DECISION.reply`. Replies are never freed. */
  addReply(reply: NativeReply): number;
  /** Returns the index for `DECISION.plan`, as this and the next two hold until `forget(false)`. */
  addPlan(plan: NativeHeaderPlan): number;
  /** Returns the index for `DECISION.policy`. */
  addPolicy(policy: NativePolicy): number;
  /** Returns the index for `DECISION.mirrors`, a group of at most 32. */
  addMirrors(mirrors: readonly NativeMirror[]): number;
  /**
   * Only within `decide`: lines, each with CRLF, for the head of this request's local reply, or to append to the head of
   * its response.
   */
  setFields(lines: string): void;
  /**
   * Repeatable decisions may be other ones now: ask again. `interestStays`: false for another route table. It may look at
   * other fields: ask each time until `setInterest` has said which. And the indices of plans, policies and groups of mirrors
   * are void; requests in progress keep what they have, and with the last one that is freed.
   */
  forget(interestStays: boolean): void;
  /** Only within `decide`: a field of the request by lower-case name, repeated ones joined with `,`. */
  header(lowerCaseName: string): string | null;
  counters(): HttpEngineCounters;
  /** For `readHttp2Counters`. */
  http2Counters(): Float64Array;
  /** For `readUpstreams`. */
  upstreams(): StateRecords;
  /** At most `max` (up to 10,000) open connections whose id is above `after`, for `readDownstreamConnections`. */
  downstreamConnections(after: number, max: number): StateRecords;
  /** The same, for `readUpstreamConnections`. */
  upstreamConnections(after: number, max: number): StateRecords;
  /** Once: requests of connections that JavaScript has. */
  carry(carrier: OuterCarrier): OuterStreams;
  drain(): void;
  close(): void;
}

/** Throws ProxyError as `loadAddon` does, a TypeError that names the option when one is malformed. */
export function createHttpEngine(options: HttpEngineOptions): HttpEngine {
  const addon = loadAddon() as { createHttpEngine(options: HttpEngineOptions): HttpEngine };
  return addon.createHttpEngine(options);
}
