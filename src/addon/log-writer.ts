/**
 * The typed interface of the addon's writer of lines: what `createLogWriter` takes and returns. Nothing of it ever waits for
 * whoever reads the lines, but `close`. The access log has one of its own.
 */
import { loadAddon } from './load.ts';

export interface LogWriterOptions {
  /** Lines go to a duplicate of it. */
  readonly fd: number;
  /** What waits for the writer; beyond it lines are dropped. Rounded up to a power of two. */
  readonly bufferBytes: number;
  /** JSON members of a line that tells of lost ones; its time comes before them, `lines` with their number behind. */
  readonly loss: string;
}

export interface LogWriter {
  /** `line` ends with a newline and holds no other. */
  write(line: string): void;
  /** Totals since start: lines written, and lines lost because nobody read them or the descriptor failed. */
  counters(): LogCounters;
  /** Writes what waits, for at most `timeoutMs`; blocks meanwhile. Nothing is written afterwards. */
  close(timeoutMs: number): void;
}

export interface LogCounters {
  readonly lines: number;
  readonly dropped: number;
}

/** Throws ProxyError as `loadAddon` does, an Error with `code` (errno name) when the descriptor cannot be duplicated. */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  const addon = loadAddon() as { createLogWriter(options: LogWriterOptions): LogWriter };
  return addon.createLogWriter(options);
}
