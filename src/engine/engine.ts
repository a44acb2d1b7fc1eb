/**
 * The contract of an engine: it takes a connection whose original destination is a routed frontend, reads requests,
 * asks `decide` once for each, carries the decision out, and reports the outcome once.
 *
 * Stage before: the native acceptor (`addon/binding.ts`). Stage after: the backend.
 */
import type { GrpcStatus } from '../grpc-status.ts';
import type { MirrorResult, RequestReason, RetryDenial } from '../errors.ts';
import type { Decision, RequestHead } from '../routing/decision.ts';

/** The connection an engine takes over. */
export interface RoutedConnection {
  /** A connected socket, owned by the engine from the call on, also when that throws. */
  readonly fd: number;
  /** Stable id of the frontend, see `cluster/frontends.ts`. */
  readonly frontend: number;
  /** Original destination, canonical text. */
  readonly address: string;
  readonly port: number;
  /** Its first bytes are the preface of HTTP/2; only for the native engine. */
  readonly http2?: boolean;
}

/** What became of one request. */
export interface Outcome {
  /** Series of the decision. */
  readonly series: number;
  /** Status sent downstream; 0 when the downstream went away before a status was sent. */
  readonly status: number;
  /** Null for a response relayed from the backend. */
  readonly reason: RequestReason | null;
  /** From the complete request head to the last byte of the response, monotonic clock. */
  readonly durationMs: number;
  /** Tries after the first one that the route's retries allowed. Absent: none. */
  readonly retries?: number;
  /** Why there was not another. */
  readonly retryDenied?: RetryDenial | null;
  /**
   * Of a call of gRPC: what its response said, or for one that sideroute answered or broke off the code of the reason. Null for
   * other requests; an engine without HTTP/2 may leave it out.
   */
  readonly grpcStatus?: GrpcStatus | null;
}

/** What became of one mirrored request. */
export interface MirrorOutcome {
  /** Series of the mirror target. */
  readonly series: number;
  readonly result: MirrorResult;
}

/** What the composition root hands to an engine. */
export interface EngineHost {
  /** Never throws. Hot path. */
  decide(frontend: number, request: RequestHead): Decision;
  /** Called exactly once per request. Must copy what it keeps: engines may reuse the object. Hot path. */
  onOutcome(outcome: Outcome): void;
  /** Once per mirror of a request. May come after the request's own outcome. Absent: not counted. */
  onMirror?(outcome: MirrorOutcome): void;
  /** A request refused before routing (malformed head); no series exists for it. */
  onRefused(frontend: number, reason: RequestReason): void;
}

export interface Engine {
  readonly name: 'uws' | 'native';
  adopt(connection: RoutedConnection): void;
  /** Downstream connections now open. */
  readonly connections: number;
  /** Frontends of these, each at least once. */
  frontendsInUse(): Iterable<number>;
  /** Finish requests in flight, close idle connections, answer later requests with `Connection: close`. */
  drain(deadlineMs: number): Promise<void>;
  /** Close everything now. */
  close(): Promise<void>;
}
