/**
 * All reasons why sideroute sends a local reply, drops a connection, or tunnels a connection unread.
 *
 * There is one table, so that a reason has the same name in a metric label, a log line and the `x-sideroute-reason`
 * header. Only `engine/local-reply.ts` builds replies; this file says what happened.
 */
import type { GrpcCode } from './grpc-status.ts';

/**
 * The meaning of a reason for a request: the status of the local reply, and its source: the route asks for it, or it is
 * a fault of the configuration, the request, the upstream or the proxy.
 */
interface ReasonEntry {
  readonly status: number;
  readonly source: 'route' | 'config' | 'downstream' | 'upstream' | 'proxy';
  /**
   * The status for a gRPC call instead; null: the route asks for this very reply, also for calls. It tells a client
   * whether to retry, and follows the mapping from HTTP statuses in gRPC libraries where there is no better
   * information.
   */
  readonly grpc: GrpcCode | null;
  /** One sentence for the body of the reply and the runbook. */
  readonly text: string;
}

export const REQUEST_REASONS = {
  redirect: { status: 302, source: 'route', grpc: null, text: 'The route redirects this request.' },
  cors_preflight: { status: 204, source: 'route', grpc: null, text: 'The route answers CORS preflight requests.' },
  no_route: {
    status: 404,
    source: 'config',
    grpc: 'UNIMPLEMENTED',
    text: 'A route is attached to this Service and port, but no rule matches the request.',
  },
  no_backend: {
    status: 500,
    source: 'config',
    grpc: 'UNAVAILABLE',
    text: 'The rule has no backend that can be used for its share of requests.',
  },
  unsupported_filter: {
    status: 500,
    source: 'config',
    // A retry cannot succeed.
    grpc: 'UNIMPLEMENTED',
    text: 'The rule has a filter that this version does not carry.',
  },
  unresolved: {
    status: 503,
    source: 'upstream',
    grpc: 'UNAVAILABLE',
    text: 'The address of the backend Service is not known yet.',
  },
  connect_failure: {
    status: 503,
    source: 'upstream',
    grpc: 'UNAVAILABLE',
    text: 'No endpoint of the backend accepted a connection.',
  },
  connect_timeout: {
    status: 504,
    source: 'upstream',
    // Nothing was sent yet, so the call may be retried. DEADLINE_EXCEEDED would refer to the call itself.
    grpc: 'UNAVAILABLE',
    text: 'The backend did not accept a connection in time.',
  },
  upstream_reset: {
    status: 502,
    source: 'upstream',
    grpc: 'UNAVAILABLE',
    text: 'The backend closed the connection before a complete response.',
  },
  upstream_protocol: {
    status: 502,
    source: 'upstream',
    grpc: 'INTERNAL',
    text: 'The backend answered with something that is not valid in the version of HTTP it is spoken to in.',
  },
  retries_exhausted: {
    // GEP-1731 requires this status after the last retry of a reset, and 502 for a reset without retry.
    status: 503,
    source: 'upstream',
    grpc: 'UNAVAILABLE',
    text: 'Every attempt that the retries of the route allow ended without a response.',
  },
  timeout: {
    status: 504,
    source: 'upstream',
    grpc: 'DEADLINE_EXCEEDED',
    text: 'The request did not finish within its timeout.',
  },
  overflow: {
    status: 503,
    source: 'proxy',
    grpc: 'UNAVAILABLE',
    text: 'A limit of the proxy on connections or queued requests was reached.',
  },
  bad_request: { status: 400, source: 'downstream', grpc: 'INTERNAL', text: 'The request is not valid HTTP.' },
  request_timeout: {
    status: 408,
    source: 'downstream',
    grpc: 'DEADLINE_EXCEEDED',
    text: 'The request head did not arrive in time.',
  },
  uri_limit: {
    status: 414,
    source: 'downstream',
    grpc: 'RESOURCE_EXHAUSTED',
    text: 'The request line is longer than the limit.',
  },
  header_limit: {
    status: 431,
    source: 'downstream',
    grpc: 'RESOURCE_EXHAUSTED',
    text: 'The request head has more bytes or fields than the limit.',
  },
  bad_version: {
    status: 505,
    source: 'downstream',
    grpc: 'UNIMPLEMENTED',
    text: 'The HTTP version of the request is not supported.',
  },
  http2_flood: {
    // Not sent as a response: the connection gets a GOAWAY.
    status: 429,
    source: 'downstream',
    grpc: 'RESOURCE_EXHAUSTED',
    text: 'The HTTP/2 connection of the request did too much of what costs its caller nothing.',
  },
  downstream_reset: {
    // Sent only to a caller that has closed just its sending side. Usually nobody is left to read it.
    status: 499,
    source: 'downstream',
    grpc: 'CANCELLED',
    text: 'The caller closed the connection before it had the complete response.',
  },
  not_implemented: {
    status: 501,
    source: 'proxy',
    grpc: 'UNIMPLEMENTED',
    text: 'The selected engine does not carry this kind of request.',
  },
  shutdown: {
    status: 503,
    source: 'proxy',
    grpc: 'UNAVAILABLE',
    text: 'The proxy ended before the request did: its time to drain was over.',
  },
  overload: {
    status: 503,
    source: 'proxy',
    grpc: 'UNAVAILABLE',
    text: 'The proxy is short of memory and takes no more requests for now.',
  },
  internal: { status: 500, source: 'proxy', grpc: 'INTERNAL', text: 'The proxy failed while handling the request.' },
} as const satisfies Readonly<Record<string, ReasonEntry>>;

/** Reason of a local reply, or of a request that could not be completed. */
export type RequestReason = keyof typeof REQUEST_REASONS;

/**
 * The result of a mirrored request. Only `answered` is a success.
 *
 * - `answered`: the mirror sent a complete response with any status; it was discarded.
 * - `connect_failure`: no endpoint of the mirror accepted a connection in time, or its address is unknown.
 * - `reset`: the mirror closed the connection early or sent something that is not HTTP.
 * - `timeout`: no complete response in time.
 * - `overflow`: not sent, or not completely, because too many requests or bytes waited for the mirror.
 * - `aborted`: the request itself ended before its body was complete.
 * - `skipped`: the request cannot be mirrored: CONNECT, or it asks for an upgrade.
 */
export const MIRROR_RESULTS = [
  'answered',
  'connect_failure',
  'reset',
  'timeout',
  'overflow',
  'aborted',
  'skipped',
] as const;

export type MirrorResult = (typeof MIRROR_RESULTS)[number];

/**
 * Why a request was not retried although the route has retries and attempts were left.
 *
 * - `budget`: retries would have exceeded their share of the backend's requests.
 * - `body`: the request body is incomplete, or larger than the buffer for retries.
 */
export const RETRY_DENIALS = ['budget', 'body'] as const;

export type RetryDenial = (typeof RETRY_DENIALS)[number];

/**
 * Why a connection is tunnelled without HTTP handling, or dropped.
 *
 * - `unrouted`: the original destination is not a routed frontend; nothing was read.
 * - `opaque`: the Service port declares a protocol that is not HTTP (appProtocol), or the port belongs to routes of
 *   a kind that is not carried yet; nothing was read.
 * - `tls`, `not_http`: the first bytes are TLS, or neither TLS nor HTTP.
 * - `server_first`: the downstream stayed silent and the upstream spoke first.
 * - `own_dial`: the proxy dialled it, and it was captured because connection tracking took it for an earlier connection;
 *   passed on.
 * - `loop`: the original destination is the proxy itself, or the proxy dialled the connection itself; dropped.
 * - `connect_failure`: the original destination of a tunnel could not be reached; dropped in the way the kernel reported the failure.
 * - `accept_limit`: too many connections or file descriptors; dropped or not accepted yet.
 * - `overload`: memory is short, and the kernel buffered much data for this connection; dropped.
 */
export const CONNECTION_REASONS = [
  'unrouted',
  'opaque',
  'tls',
  'not_http',
  'server_first',
  'own_dial',
  'loop',
  'connect_failure',
  'accept_limit',
  'overload',
] as const;

export type ConnectionReason = (typeof CONNECTION_REASONS)[number];

/**
 * A failure of start-up, configuration or code, never of a request. `code` is stable and kebab-case; the message is for
 * people and names the flag, file or field at fault.
 */
export class ProxyError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProxyError';
    this.code = code;
  }
}

/** The error of a parser for text written by people. */
export function unexpected(text: string, expected: string): ProxyError {
  return new ProxyError('invalid-setting', `got "${text}", expected ${expected}`);
}
