/**
 * The typed interface of the line writer of the addon: what `createLogWriter` takes and returns. Except for `close`, it
 * never waits for the reader of the lines. The access log has its own writer.
 */
import { loadAddon } from './load.ts';

export interface LogWriterOptions {
  /** Lines are written to a duplicate of this descriptor. */
  readonly fd: number;
  /** Size of the buffer for waiting lines. When it is full, lines are dropped. Rounded up to a power of two. */
  readonly bufferBytes: number;
  /**
   * JSON members of the line that reports lost lines; its time comes before them, and `lines` with their number after
   * them.
   */
  readonly loss: string;
}

export interface LogWriter {
  /** `line` ends with a newline and contains no other. */
  write(line: string): void;
  /** Totals since start: lines written, and lines lost because they were not read in time or the descriptor failed. */
  counters(): LogCounters;
  /** Writes the waiting lines; blocks for at most `timeoutMs`. Nothing is written afterwards. */
  close(timeoutMs: number): void;
}

export interface LogCounters {
  readonly lines: number;
  readonly dropped: number;
}

/**
 * Throws ProxyError like `loadAddon`, and an Error with `code` (errno name) when the descriptor cannot be duplicated.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  const addon = loadAddon() as { createLogWriter(options: LogWriterOptions): LogWriter };
  return addon.createLogWriter(options);
}
