/**
 * The contract of an engine: it takes a connection whose original destination is a routed frontend, reads requests,
 * asks `decide` once for each, carries the decision out, and reports the outcome once.
 *
 * Stage before: the native acceptor (`addon/binding.ts`). Stage after: the backend.
 */
import type { GrpcStatus } from '../grpc-status.ts';
import type { MirrorResult, RequestReason, RetryDenial } from '../errors.ts';
import type { Decision, RequestHead } from '../routing/decision.ts';

export interface RoutedConnection {
  /** A connected socket. The engine owns it from the call on, even when `adopt` throws. */
  readonly fd: number;
  /** Stable id of the frontend, see `cluster/frontends.ts`. */
  readonly frontend: number;
  /** Original destination, as canonical text. */
  readonly address: string;
  readonly port: number;
  /** True when the first bytes are the HTTP/2 preface. Only for the native engine. */
  readonly http2?: boolean;
}

/** The result of one request. */
export interface Outcome {
  /** Series of the decision for this request. */
  readonly series: number;
  /** Status sent downstream; 0 when the downstream went away before a status was sent. */
  readonly status: number;
  /** Null for a response relayed from the backend. */
  readonly reason: RequestReason | null;
  /** Milliseconds from the complete request head to the last byte of the response, by the monotonic clock. */
  readonly durationMs: number;
  /** Tries after the first one, made by the retries of the route. Absent: none. */
  readonly retries?: number;
  /** Why no further retry was made. */
  readonly retryDenied?: RetryDenial | null;
  /**
   * For gRPC calls: the status in the response, or the code of the reason when sideroute answered or aborted the call.
   * Null for other requests. An engine without HTTP/2 may leave it out.
   */
  readonly grpcStatus?: GrpcStatus | null;
}

/** The result of one mirrored request. */
export interface MirrorOutcome {
  /** Series of the mirror target. */
  readonly series: number;
  readonly result: MirrorResult;
}

/** What the process provides to an engine. */
export interface EngineHost {
  /** Never throws. Hot path. */
  decide(frontend: number, request: RequestHead): Decision;
  /**
   * Called exactly once for each request. The callee must copy what it keeps, because engines may reuse the object. Hot
   * path.
   */
  onOutcome(outcome: Outcome): void;
  /**
   * Called once for each mirror of a request, possibly after the outcome of the request itself. Absent: mirrors are not
   * counted.
   */
  onMirror?(outcome: MirrorOutcome): void;
  /** For a request refused before routing (malformed head), which has no series. */
  onRefused(frontend: number, reason: RequestReason): void;
}

export interface Engine {
  readonly name: 'uws' | 'native';
  adopt(connection: RoutedConnection): void;
  /** Number of open downstream connections. */
  readonly connections: number;
  /** Frontends of these connections, each at least once. */
  frontendsInUse(): Iterable<number>;
  /** Finishes requests in flight, closes idle connections, and answers later requests with `Connection: close`. */
  drain(deadlineMs: number): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}
