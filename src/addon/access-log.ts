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

/** Which requests a tap gets: what it says of them holds for all of it. */
export interface NativeTapFilter {
  /** Share of requests, from 0 to 1, before everything else. */
  readonly sample: number;
  /** What the JSON members of the series begin with; empty: whatever they are. */
  readonly route: string;
  /** What the path begins with; empty: whatever it is. */
  readonly path: string;
  /** Lower-case names of fields, and values or null for any. All of them; their values are told. At most `MAX_TAP_FIELDS`. */
  readonly fields: readonly { readonly name: string; readonly value: string | null }[];
  /** 0 for what was sent no status. */
  readonly minStatus: number;
  readonly maxStatus: number;
  /** A code of gRPC by its number; -1: whatever it is. */
  readonly grpcStatus: number;
}

export const MAX_TAPS = 8;
export const MAX_TAP_FIELDS = 8;

export interface TapLines {
  /** Whole lines, in ASCII. */
  readonly lines: Uint8Array<ArrayBuffer>;
  readonly records: number;
  /** Since the last time; they are not among the records. */
  readonly dropped: number;
}

export interface NativeAccessLog {
  /** Works while requests are under way: those that began before may be missing. Begins as `off`. */
  setMode(mode: AccessLogMode): void;
  /** `members`: JSON members without braces. */
  setSeries(id: number, members: string): void;
  setFrontend(id: number, key: string): void;
  /** Whatever the mode. Ids grow from tap to tap, from 1 on; there are at most `MAX_TAPS`. */
  addTap(id: number, filter: NativeTapFilter): void;
  removeTap(id: number): void;
  /** What has come for a tap since the last call; null: nothing. */
  takeTap(id: number): TapLines | null;
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
