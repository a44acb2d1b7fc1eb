/**
 * The typed interface of the native addon: acceptor and memory guard.
 *
 * The addon moves bytes (accept, original destination, protocol detection, tunnels); everything it is told here it was
 * told by `proxy/proxy.ts`. Addresses are canonical text as `inet_ntop` writes it, ports are integers, times milliseconds.
 */
import type { ConnectionReason, RequestReason } from '../errors.ts';
import type { NativeAccessLog } from './access-log.ts';
import type { StateRecords } from './engine-state.ts';
import { loadAddon } from './load.ts';
import type { MemoryLimit } from './memory-limit.ts';

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
  /** `http`: detect the protocol, hand HTTP over. `opaque`: tunnel at once, count `opaque`. */
  readonly mode: 'http' | 'opaque';
}

/**
 * What the first request head says about who can carry the connection, with gate `complete-head`.
 *
 * `admit`: complete, strictly valid, HTTP/1.1 origin-form, no Transfer-Encoding, Upgrade or Expect. `refuse`: valid HTTP
 * that the `uws` engine must not carry, HTTP/2 included. `invalid`: no valid HTTP/1.x; `reason` says which local reply it
 * deserves.
 */
export type HeadVerdict = 'admit' | 'refuse' | 'invalid';

/** Its descriptor is the acceptor's until `Acceptor.take`. */
export interface HttpConnection {
  readonly frontend: number;
  readonly address: string;
  readonly port: number;
  readonly verdict: HeadVerdict;
  /** `not_implemented` for `refuse`; the reason of the reply for `invalid`; null for `admit`. */
  readonly reason: RequestReason | null;
  /** Its first bytes are the preface of HTTP/2. */
  readonly http2: boolean;
}

/** What accepting waits for: an end of other connections, or of something else that holds descriptors, or memory. */
export const ACCEPT_LIMITS = ['connections', 'descriptors', 'memory'] as const;

export type AcceptLimit = (typeof ACCEPT_LIMITS)[number];

/** An HTTP engine of the addon: an `HttpEngine` of http-engine.ts. */
export interface EngineHandle {
  readonly decision: Int32Array;
  readonly outcomes: Float64Array;
}

export interface AcceptorOptions {
  readonly listen: readonly ListenAddress[];
  /**
   * Others of this process listen there, too, and the kernel spreads connections over them: `first`, before the others, which
   * nobody may have come before; `join`. Absent: nobody else.
   */
  readonly portSharing?: 'first' | 'join' | undefined;
  /**
   * How long a downstream of an `http` frontend may stay silent before its original destination is dialled, and, from its
   * first byte, may take for a complete first head. Default 10,000.
   */
  readonly detectTimeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaderFields: number;
  /**
   * Downstream connections of the whole process, those of engines included; beyond it accepting pauses, and so it does
   * when there are no two descriptors for another one.
   */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** Where tunnelled and dropped connections are logged. */
  readonly accessLog?: NativeAccessLog | undefined;
  /**
   * Carries every connection whose first bytes are meant as HTTP/1.x or are the preface of HTTP/2, as soon as that is clear: it
   * gets them within the addon, what was read included, and JavaScript hears nothing of them.
   */
  readonly engine?: EngineHandle;
  /**
   * Without an `engine`: a connection whose first bytes are HTTP. Whoever carries it calls `take` before this returns; one
   * that nobody has taken is reset. Must not throw: an exception goes to `onError`.
   */
  readonly onHttp?: (connection: HttpConnection) => void;
  /**
   * A connection closed or reset by the acceptor itself (never for an orderly tunnel). For the log. `loop` with ELOOP: the
   * addon dialled it, and the rules captured it again.
   */
  readonly onDropped: (reason: ConnectionReason, address: string, port: number, errorCode: string | null) => void;
  /** Accepting waits for room. */
  readonly onPaused?: (limit: AcceptLimit) => void;
  /** What one of these threw. Without it, or when it throws itself: the process's 'uncaughtException'. */
  readonly onError?: (error: unknown) => void;
}

/** Totals since start, except the gauges named `...Open`. */
export interface AcceptorCounters {
  readonly accepted: number;
  /**
   * By reason, each connection once: when its tunnel stands or its dial has failed, or when it is dropped. A connection to
   * an `http` frontend that leaves without a byte has none.
   */
  readonly connections: Readonly<Record<ConnectionReason, number>>;
  readonly handedOver: number;
  /** Being dialled included. */
  readonly tunnelsOpen: number;
  readonly detectingOpen: number;
  /** Bytes tunnelled from downstream to upstream, and back. */
  readonly bytesUpstream: number;
  readonly bytesDownstream: number;
  /** The most downstream connections there can be, as `maxConnections` and the descriptors allow. */
  readonly maxConnections: number;
  /** How often accepting paused, by what it waited for. */
  readonly acceptPauses: Readonly<Record<AcceptLimit, number>>;
}

export interface Acceptor {
  /** Addresses actually bound (port 0 resolved). */
  readonly listening: readonly ListenAddress[];
  /**
   * Only within `onHttp`, once: the descriptor of that connection, which is the caller's from here on. Blocking mode off,
   * close-on-exec, TCP_NODELAY and keepalive on, nothing consumed.
   */
  take(): number;
  /** Downstream connections that JavaScript holds, which count as well. */
  setElsewhere(count: number): void;
  /**
   * Replaces all frontends at once; connections already classified are not touched. Throws a TypeError that names the
   * entry, and keeps the old table, when one is malformed or given twice.
   */
  setFrontends(frontends: readonly FrontendAddress[]): void;
  counters(): AcceptorCounters;
  /** At most `max` (up to 10,000) connections whose id is above `after`, for `readDetections`. */
  detections(after: number, max: number): StateRecords;
  /** The same, for `readTunnels`. */
  tunnels(after: number, max: number): StateRecords;
  /** Closes a few connections that only wait for a request, because another acceptor has reached a limit. */
  closeSomeIdle(): void;
  /** Stop accepting; tunnels and detections go on. */
  stopAccepting(): void;
  /** Close listeners and reset every connection still owned by the acceptor. Calling it again does nothing. */
  close(): void;
}

export interface MemoryOptions extends Pick<MemoryLimit, 'bytes' | 'usage' | 'statistics' | 'countsSockets'> {
  /** Requests are refused from now on, or no longer. */
  readonly onOverload: (overloaded: boolean) => void;
}

export interface MemoryState {
  /** 0: not watched. */
  readonly limitBytes: number;
  /** What the kernel cannot take back, now. */
  readonly usageBytes: number;
  /** How often requests began to be refused. */
  readonly overloads: number;
  /** Connections closed because they held most. */
  readonly closed: number;
  readonly level: 'calm' | 'tight' | 'refusing' | 'closing';
}

export interface NativeBinding {
  /**
   * From now on limits of connections, descriptors and memory, and reserves of retries, are those of so many environments of this
   * process together, each of which calls this once, before it makes anything.
   */
  shareLimits(workers: number): void;
  /** Downstream connections of the other environments that share limits. */
  connectionsElsewhere(): number;
  /** From now on sheds before the limit is reached. Throws an Error with `code` when a file cannot be opened. */
  guardMemory(options: MemoryOptions): void;
  memory(): MemoryState;
  /** Gives back what is not needed while there is nothing to do. Takes 20 ms and more, by the size of the heap. */
  returnMemory(): void;
  /**
   * Throws an Error with `code` (errno name) and `syscall` when a listener cannot be bound, a TypeError that names the
   * option when one is malformed.
   */
  createAcceptor(options: AcceptorOptions): Acceptor;
  /**
   * Write `response` to `fd`, then close it without losing the response: shut down writing, discard what still arrives,
   * close after the peer's FIN or 2 s. Takes ownership of `fd`. Throws when `fd` is no open socket.
   */
  replyAndClose(fd: number, response: Uint8Array): void;
}

/** Throws ProxyError as `loadAddon` does. */
export function loadNative(): NativeBinding {
  return loadAddon() as NativeBinding;
}
