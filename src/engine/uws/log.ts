/**
 * Requests of the `uws` engine for the access log, whose lines the addon writes for both engines.
 *
 * Stage before: the engine, when an exchange is settled or a request refused. Stage after: `addon/access-log.ts`. What
 * uWS does not tell is null: the port of the downstream, bytes as they are on the wire.
 */
import type { NativeAccessLog, SocketAddress } from '../../addon/access-log.ts';
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import type { UwsHead } from './head.ts';

const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];

/** Of one request; monotonic milliseconds, null for what has not happened. */
export interface RequestPhases {
  /** The last byte of the request came. */
  receivedMs: number | null;
  /** undici had a connection to `upstream`. */
  connectedMs: number | null;
  /** The response head came. */
  respondedMs: number | null;
  /** Where it was sent last. */
  upstream: SocketAddress | null;
}

export interface EndedRequest {
  readonly frontend: number;
  /** -1: refused before it was routed. */
  readonly series: number;
  readonly status: number;
  readonly reason: RequestReason | null;
  readonly head: UwsHead;
  readonly destination: SocketAddress;
  readonly phases: RequestPhases;
  readonly startedMs: number;
}

export function noPhases(): RequestPhases {
  return { receivedMs: null, connectedMs: null, respondedMs: null, upstream: null };
}

function reasonIndex(reason: RequestReason | null): number {
  return reason === null ? -1 : REASONS.indexOf(reason);
}

/** Asked before anything is put together for a line: most requests get none. Hot path. */
export function isLogged(log: NativeAccessLog | null, reason: RequestReason | null, status: number): boolean {
  return log?.wants(reasonIndex(reason), status) === true;
}

/** Writes the line of a request that gets one. */
export function logRequest(log: NativeAccessLog, request: EndedRequest): void {
  const { frontend, series, status, head, destination, phases, startedMs } = request;
  const reason = reasonIndex(request.reason);
  const since = (atMs: number | null): number | null => (atMs === null ? null : atMs - startedMs);
  log.request({
    ...{ frontend, series, status, reason },
    method: head.method,
    path: head.path,
    host: first(head, 'host'),
    requestId: first(head, 'x-request-id'),
    traceparent: head.header('traceparent'),
    userAgent: first(head, 'user-agent'),
    downstream: null,
    destination: { address: destination.address, port: destination.port },
    upstream: phases.upstream,
    durationMs: performance.now() - startedMs,
    requestMs: since(phases.receivedMs),
    connectionMs: since(phases.connectedMs),
    responseMs: since(phases.respondedMs),
  });
}

/** The value of the first field of that name. */
function first({ fields }: UwsHead, name: string): string | null {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]!;
  return null;
}
