/**
 * The typed interface of the native tracer: what `createTracer` of the addon takes and returns. It decides which
 * requests are traced, assigns ids, and writes a line of JSON for each completed span; `traces/span-line.ts` describes
 * the line.
 */
import type { NativeAccessLog } from './access-log.ts';
import { loadAddon } from './load.ts';

export interface NativeTracerOptions {
  /** Provides the names of routes, rules, backends and frontends. */
  readonly accessLog: NativeAccessLog;
  /** From 0 to 1. Applies to requests without a valid `traceparent`. */
  readonly rate: number;
  /** Size of the buffer for waiting spans; when it is full, spans are dropped. */
  readonly bufferBytes: number;
}

export interface NativeTracer {
  /** Lines since the last call, each with its newline. */
  take(): string;
  /** Number of dropped spans since the start. */
  dropped(): number;
}

/** Throws ProxyError like `loadAddon`. */
export function createTracer(options: NativeTracerOptions): NativeTracer {
  const addon = loadAddon() as { createTracer(options: NativeTracerOptions): NativeTracer };
  return addon.createTracer(options);
}
