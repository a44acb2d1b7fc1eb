/**
 * The typed interface of the native addon: acceptor and memory guard.
 *
 * The addon moves bytes: it accepts, recovers the original destination, detects the protocol and tunnels. All settings
 * and frontends come from `proxy/`. Addresses are canonical text as written by `inet_ntop`, ports are integers, times
 * are milliseconds.
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

/** A routed original destination. `port` 0: all ports of the address without their own entry. */
export interface FrontendAddress {
  readonly address: string;
  readonly port: number;
  /** Stable frontend id, returned with each connection. */
  readonly id: number;
  /** `http`: detect the protocol and hand HTTP over. `opaque`: tunnel at once, and count the reason `opaque`. */
  readonly mode: 'http' | 'opaque';
}

/**
 * Whether the `uws` engine can carry the connection, according to the first request head (gate `complete-head`).
 *
 * `admit`: complete, strictly valid, HTTP/1.1 origin-form, no Transfer-Encoding, Upgrade or Expect. `refuse`: valid
 * HTTP that the `uws` engine must not carry, including HTTP/2. `invalid`: not valid HTTP/1.x; `reason` determines the
 * local reply.
 */
export type HeadVerdict = 'admit' | 'refuse' | 'invalid';

/** The acceptor owns its descriptor until `Acceptor.take`. */
export interface HttpConnection {
  readonly frontend: number;
  readonly address: string;
  readonly port: number;
  readonly verdict: HeadVerdict;
  /** `not_implemented` for `refuse`; the reason of the reply for `invalid`; null for `admit`. */
  readonly reason: RequestReason | null;
  /** True when its first bytes are the HTTP/2 preface. */
  readonly http2: boolean;
}

/** What a paused acceptor waits for: other connections to end, free descriptors, or free memory. */
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
   * Several acceptors of this process listen on the address, and the kernel distributes connections between them.
   * `first`: created before the others; no other process may listen there. `join`: created later. Absent: no sharing.
   */
  readonly portSharing?: 'first' | 'join' | undefined;
  /**
   * How long a downstream of an `http` frontend may stay silent before its original destination is dialled. From its
   * first byte, this is the time for a complete first head. Default: 10,000.
   */
  readonly detectTimeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaderFields: number;
  /**
   * Limit of downstream connections of the whole process, including those of engines. Beyond it accepting pauses. It
   * also pauses when fewer than two descriptors are left for another connection.
   */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** Log for tunnelled and dropped connections. */
  readonly accessLog?: NativeAccessLog | undefined;
  /**
   * Carries every connection that begins like HTTP/1.x or with the HTTP/2 preface, as soon as that is clear. The
   * connection, with the bytes read so far, passes to the engine within the addon, without a call to JavaScript.
   */
  readonly engine?: EngineHandle;
  /**
   * Without an `engine`: called for a connection whose first bytes are HTTP. The callee must call `take` before it
   * returns, otherwise the connection is reset. Must not throw: an exception goes to `onError`.
   */
  readonly onHttp?: (connection: HttpConnection) => void;
  /**
   * Called for a connection closed or reset by the acceptor itself, except for the regular end of a tunnel; for the
   * log. `loop` with ELOOP: the addon dialled it, and the rules captured it again.
   */
  readonly onDropped: (reason: ConnectionReason, address: string, port: number, errorCode: string | null) => void;
  /** Called when accepting pauses. */
  readonly onPaused?: (limit: AcceptLimit) => void;
  /**
   * Receives exceptions of the other callbacks. Without it, or when it throws, 'uncaughtException' is emitted on the
   * process.
   */
  readonly onError?: (error: unknown) => void;
}

/** Totals since start, except the gauges named `...Open`. */
export interface AcceptorCounters {
  readonly accepted: number;
  /**
   * By reason. Each connection counts once: when its tunnel is established, when its dial has failed, or when it is
   * dropped. A connection to an `http` frontend that ends without a byte has no reason.
   */
  readonly connections: Readonly<Record<ConnectionReason, number>>;
  readonly handedOver: number;
  /** Includes those being dialled. */
  readonly tunnelsOpen: number;
  readonly detectingOpen: number;
  /** Tunnelled bytes, from downstream to upstream and back. */
  readonly bytesUpstream: number;
  readonly bytesDownstream: number;
  /** Effective maximum of downstream connections, from `maxConnections` and the number of descriptors. */
  readonly maxConnections: number;
  /** How often accepting paused, by what it waited for. */
  readonly acceptPauses: Readonly<Record<AcceptLimit, number>>;
}

export interface Acceptor {
  /** Addresses actually bound (port 0 resolved). */
  readonly listening: readonly ListenAddress[];
  /**
   * May be called once, within `onHttp`: returns the descriptor of that connection, which then belongs to the caller.
   * It is non-blocking and close-on-exec, with TCP_NODELAY and keepalive on, and nothing has been consumed.
   */
  take(): number;
  /** Sets the number of downstream connections that JavaScript holds, which count towards the limit. */
  setElsewhere(count: number): void;
  /**
   * Replaces all frontends at once. Connections that are already classified are not affected. Throws a TypeError that
   * names the entry, and keeps the old table, when an entry is malformed or repeated.
   */
  setFrontends(frontends: readonly FrontendAddress[]): void;
  counters(): AcceptorCounters;
  /** At most `max` (up to 10,000) connections with an id above `after`, for `readDetections`. */
  detections(after: number, max: number): StateRecords;
  /** The same, for `readTunnels`. */
  tunnels(after: number, max: number): StateRecords;
  /** Closes a few idle connections, because another acceptor has reached a limit. */
  closeSomeIdle(): void;
  /** Stops accepting; tunnels and detections continue. */
  stopAccepting(): void;
  /** Closes listeners and resets every connection the acceptor still owns. A second call does nothing. */
  close(): void;
}

export interface MemoryOptions extends Pick<MemoryLimit, 'bytes' | 'usage' | 'statistics' | 'countsSockets'> {
  /** Called when requests begin to be refused, and when that ends. */
  readonly onOverload: (overloaded: boolean) => void;
}

export interface MemoryState {
  /** 0: memory is not watched. */
  readonly limitBytes: number;
  /** Memory in use now that the kernel cannot reclaim. */
  readonly usageBytes: number;
  /** How often refusing has begun. */
  readonly overloads: number;
  /** Connections closed because they used the most memory. */
  readonly closed: number;
  readonly level: 'calm' | 'tight' | 'refusing' | 'closing';
}

export interface NativeBinding {
  /**
   * From now on the limits of connections, descriptors and memory, and the reserves of retries, are shared by this
   * number of environments in the process. Each of them must call this once, before it creates anything.
   */
  shareLimits(workers: number): void;
  /** Downstream connections of the other environments that share limits. */
  connectionsElsewhere(): number;
  /** Starts shedding load before the limit is reached. Throws an Error with `code` when a file cannot be opened. */
  guardMemory(options: MemoryOptions): void;
  memory(): MemoryState;
  /**
   * Returns unused memory to the system. Takes 20 ms or more, depending on the size of the heap, so call it when idle.
   */
  returnMemory(): void;
  /**
   * Throws an Error with `code` (errno name) and `syscall` when a listener cannot be bound, and a TypeError that names
   * the option when one is malformed.
   */
  createAcceptor(options: AcceptorOptions): Acceptor;
  /**
   * Writes `response` to `fd` and closes it without losing the response: shuts down writing, discards incoming bytes,
   * and closes after the peer's FIN or 2 s. Takes ownership of `fd`. Throws when `fd` is not an open socket.
   */
  replyAndClose(fd: number, response: Uint8Array): void;
}

/** Throws ProxyError like `loadAddon`. */
export function loadNative(): NativeBinding {
  return loadAddon() as NativeBinding;
}
