/**
 * The typed interface of the native access log: what `createAccessLog` of the addon takes and returns.
 *
 * Acceptor and native engine receive the object and write their lines themselves; the tests of the writer call
 * `request`. native/src/log/access_log.cc formats the lines, and a thread of the addon writes them.
 */
import { loadAddon } from './load.ts';
import type { LogCounters } from './log-writer.ts';

export const ACCESS_LOG_MODES = ['off', 'errors', 'all'] as const;
export type AccessLogMode = (typeof ACCESS_LOG_MODES)[number];

export interface NativeAccessLogOptions {
  /** Lines are written to a duplicate of this descriptor. */
  readonly fd: number;
  /** Size of the buffer for waiting lines. When it is full, lines are dropped. Rounded up to a power of two. */
  readonly bufferBytes: number;
  /** By the index in outcomes. `error`: true unless a route asks for this reply. */
  readonly reasons: readonly { readonly name: string; readonly error: boolean }[];
}

/** One end of a connection. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** A request in the form tests give it. Strings are Latin-1, times are milliseconds from its start; null: unknown. */
export interface NativeRequestEntry {
  readonly frontend: number;
  /** -1: refused before it was routed. */
  readonly series: number;
  /** 0: no status was sent. */
  readonly status: number;
  /** -1: no reason. */
  readonly reason: number;
  readonly method: string | null;
  readonly path: string | null;
  readonly host: string | null;
  readonly requestId: string | null;
  readonly traceparent: string | null;
  readonly userAgent: string | null;
  readonly downstream: SocketAddress | null;
  readonly destination: SocketAddress | null;
  readonly upstream: SocketAddress | null;
  readonly durationMs: number;
  readonly requestMs: number | null;
  readonly connectionMs: number | null;
  readonly responseMs: number | null;
}

/** The requests that a tap receives: all conditions must hold. */
export interface NativeTapFilter {
  /** Fraction of requests, from 0 to 1, applied before the other conditions. */
  readonly sample: number;
  /** Prefix of the JSON members of the series; empty: any. */
  readonly route: string;
  /** Prefix of the path; empty: any. */
  readonly path: string;
  /**
   * Lower-case names of fields, with a value, or null for any value. All must match; their values are reported. At most
   * `MAX_TAP_FIELDS`.
   */
  readonly fields: readonly { readonly name: string; readonly value: string | null }[];
  /** 0 includes requests that were sent no status. */
  readonly minStatus: number;
  readonly maxStatus: number;
  /** Number of a gRPC code; -1: any. */
  readonly grpcStatus: number;
}

export const MAX_TAPS = 8;
export const MAX_TAP_FIELDS = 8;

export interface TapLines {
  /** Complete lines in ASCII. */
  readonly lines: Uint8Array<ArrayBuffer>;
  readonly records: number;
  /** Records lost since the last call; not included in `records`. */
  readonly dropped: number;
}

export interface NativeAccessLog {
  /**
   * May be called while requests are in progress: those that began earlier may be missing. The initial mode is `off`.
   */
  setMode(mode: AccessLogMode): void;
  /** `members`: JSON members without braces. */
  setSeries(id: number, members: string): void;
  setFrontend(id: number, key: string): void;
  /** Independent of the mode. Ids start at 1 and grow from tap to tap; at most `MAX_TAPS` are open. */
  addTap(id: number, filter: NativeTapFilter): void;
  removeTap(id: number): void;
  /** The lines for a tap since the last call; null: none. */
  takeTap(id: number): TapLines | null;
  request(entry: NativeRequestEntry): void;
  counters(): LogCounters;
  /** Writes the waiting lines; blocks for at most `timeoutMs`. Nothing is logged afterwards. */
  close(timeoutMs: number): void;
}

/**
 * Throws ProxyError like `loadAddon`, and an Error with `code` (errno name) when the descriptor cannot be duplicated.
 */
export function createAccessLog(options: NativeAccessLogOptions): NativeAccessLog {
  const addon = loadAddon() as { createAccessLog(options: NativeAccessLogOptions): NativeAccessLog };
  return addon.createAccessLog(options);
}
