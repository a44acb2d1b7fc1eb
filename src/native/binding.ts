/**
 * The typed interface of the native addon and the only place that loads it.
 *
 * The addon moves bytes (accept, original destination, protocol detection, tunnels); everything it is told here it was
 * told by `proxy.ts`. Addresses are canonical text as `inet_ntop` writes it, ports are integers, times milliseconds.
 */
import type { ConnectionReason, RequestReason } from '../errors.ts';

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** An original destination that is routed. `port` 0: every port of the address without an entry of its own. */
export interface FrontendAddress {
  readonly address: string;
  readonly port: number;
  /** Stable frontend id, handed back with each connection. */
  readonly id: number;
  /** `http`: detect the protocol, hand HTTP/1.x over. `opaque`: tunnel at once, count `opaque`. */
  readonly mode: 'http' | 'opaque';
}

/**
 * What the first request head says about who can carry the connection, with gate `complete-head`.
 *
 * `admit`: complete, strictly valid, HTTP/1.1 origin-form, no Transfer-Encoding, Upgrade or Expect. `refuse`: valid HTTP
 * that the `uws` engine must not carry. `invalid`: no valid HTTP/1.x; `reason` says which local reply it deserves.
 */
export type HeadVerdict = 'admit' | 'refuse' | 'invalid';

export interface HttpConnection {
  /** Blocking mode off, close-on-exec on, nothing consumed. The receiver owns it. */
  readonly fd: number;
  readonly frontend: number;
  readonly address: string;
  readonly port: number;
  readonly verdict: HeadVerdict;
  /** `not_implemented` for `refuse`; the reason of the reply for `invalid`; null for `admit`. */
  readonly reason: RequestReason | null;
}

export interface AcceptorOptions {
  readonly listen: readonly ListenAddress[];
  /** How long a downstream of an `http` frontend may stay silent, or leave its first head unfinished. Default 10,000. */
  readonly detectTimeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaderFields: number;
  /** Connections accepted and not yet closed or handed over; beyond it accepting pauses. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** A connection whose first bytes are HTTP/1.x. Synchronous; must not throw. */
  readonly onHttp: (connection: HttpConnection) => void;
  /** A connection closed or reset by the acceptor itself (never for an orderly tunnel). For the log. */
  readonly onDropped: (reason: ConnectionReason, address: string, port: number, errorCode: string | null) => void;
}

/** Totals since start, except the gauges named `...Open`. */
export interface AcceptorCounters {
  readonly accepted: number;
  /** By reason, including dropped ones. */
  readonly connections: Readonly<Record<ConnectionReason, number>>;
  readonly handedOver: number;
  readonly tunnelsOpen: number;
  readonly detectingOpen: number;
  /** Bytes tunnelled from downstream to upstream, and back. */
  readonly bytesUpstream: number;
  readonly bytesDownstream: number;

  readonly acceptPauses: number;
}

export interface Acceptor {
  /** Addresses actually bound (port 0 resolved). */
  readonly listening: readonly ListenAddress[];
  /** Replaces all frontends at once; connections already classified are not touched. */
  setFrontends(frontends: readonly FrontendAddress[]): void;
  counters(): AcceptorCounters;
  /** Stop accepting; tunnels and detections go on. */
  stopAccepting(): void;
  /** Close listeners and every connection still owned by the acceptor. */
  close(): void;
}

export interface NativeBinding {
  /** Throws an Error with `code` (errno name) and `syscall` when a listener cannot be bound. */
  createAcceptor(options: AcceptorOptions): Acceptor;
  /**
   * Write `response` to `fd`, then close it without losing the response: shut down writing, discard what still arrives,
   * close after the peer's FIN or 2 s. Takes ownership of `fd`.
   */
  replyAndClose(fd: number, response: Uint8Array): void;
}
