/**
 * The typed interface of the native access log: what `createAccessLog` of the addon takes and returns.
 *
 * Acceptor and native engine are given the object and write their lines by themselves; the tests of the writer call `request`.
 * Lines are formatted in native/src/log/access_log.cc and written by a thread of the addon's own.
 */
import { loadAddon } from './load.ts';
import type { LogCounters } from './log-writer.ts';

export const ACCESS_LOG_MODES = ['off', 'errors', 'all'] as const;
export type AccessLogMode = (typeof ACCESS_LOG_MODES)[number];

export interface NativeAccessLogOptions {
  /** Lines go to a duplicate of it. */
  readonly fd: number;
  /** What waits for the writer; beyond it lines are dropped. Rounded up to a power of two. */
  readonly bufferBytes: number;
  /** By the index that outcomes have. `error`: no answer that a route asks for. */
  readonly reasons: readonly { readonly name: string; readonly error: boolean }[];
}

/** One end of a connection. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** A request as a test has it. Strings are Latin-1, times milliseconds from its start; null: not known. */
export interface NativeRequestEntry {
  readonly frontend: number;
  /** -1: refused before it was routed. */
  readonly series: number;
  /** 0: none was sent. */
  readonly status: number;
  /** -1: none. */
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

export interface NativeAccessLog {
  /** Works while requests are under way: those that began before may be missing. Begins as `off`. */
  setMode(mode: AccessLogMode): void;
  /** `members`: JSON members without braces. */
  setSeries(id: number, members: string): void;
  setFrontend(id: number, key: string): void;
  request(entry: NativeRequestEntry): void;
  counters(): LogCounters;
  /** Writes what waits, for at most `timeoutMs`; blocks meanwhile. Nothing is logged afterwards. */
  close(timeoutMs: number): void;
}

/** Throws ProxyError as `loadAddon` does, an Error with `code` (errno name) when the descriptor cannot be duplicated. */
export function createAccessLog(options: NativeAccessLogOptions): NativeAccessLog {
  const addon = loadAddon() as { createAccessLog(options: NativeAccessLogOptions): NativeAccessLog };
  return addon.createAccessLog(options);
}
