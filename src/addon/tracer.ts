/**
 * The typed interface of the native tracer: what `createTracer` of the addon takes and returns. It decides which requests are traced, gives
 * them ids, and has a line of JSON for each that has ended; `traces/span-line.ts` says what is in it.
 */
import type { NativeAccessLog } from './access-log.ts';
import { loadAddon } from './load.ts';

export interface NativeTracerOptions {
  /** Knows the names of routes, rules, backends and frontends. */
  readonly accessLog: NativeAccessLog;
  /** From 0 to 1: of requests without a valid `traceparent`. */
  readonly rate: number;
  /** What waits to be taken; beyond it spans are dropped. */
  readonly bufferBytes: number;
}

export interface NativeTracer {
  /** Lines since the last call, each with its newline. */
  take(): string;
  /** Spans, since the beginning. */
  dropped(): number;
}

/** Throws ProxyError as `loadAddon` does. */
export function createTracer(options: NativeTracerOptions): NativeTracer {
  const addon = loadAddon() as { createTracer(options: NativeTracerOptions): NativeTracer };
  return addon.createTracer(options);
}
