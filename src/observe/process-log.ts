/**
 * The log of the sidecar on standard error, which may stall, be full or have lost its reader: nothing of that holds up
 * traffic, takes memory or ends the process. Lost lines are counted, and told of when writing works again.
 *
 * Stage before: whoever has a `Logger`, and Node itself with its warnings and with an exception that nobody has caught.
 * Stage after: the addon's writer; `/metrics` reads its counters.
 */
import { createLogWriter, type LogCounters, type LogWriter } from '../addon/log-writer.ts';
import { createLogger, type Logger, type LogLevel } from '../log.ts';

/** Some thousand lines: what a reader of the log may fall behind before lines are lost. */
const BUFFER_BYTES = 1024 * 1024;
/** What the end of the process waits for a reader that has stalled. */
const FLUSH_TIMEOUT_MS = 500;
const STDERR = 2;
const LOSS = JSON.stringify({ level: 'warn', message: 'lines of the log were lost' }).slice(1, -1);

export interface ProcessLogOptions {
  /** Default: standard error. */
  readonly fd?: number;
  readonly bufferBytes?: number;
}

export class ProcessLog {
  readonly logger: Logger;
  readonly #writer: LogWriter;

  /** @throws ProxyError when the addon cannot be loaded, Error with `code` when the writer cannot be started */
  constructor(level: LogLevel, options: ProcessLogOptions = {}) {
    const writer = createLogWriter({
      fd: options.fd ?? STDERR,
      bufferBytes: options.bufferBytes ?? BUFFER_BYTES,
      loss: LOSS,
    });
    this.#writer = writer;
    this.logger = createLogger(level, (line) => writer.write(line));
  }

  counters(): LogCounters {
    return this.#writer.counters();
  }

  /** Writes what waits, for half a second at most; blocks meanwhile. */
  close(): void {
    this.#writer.close(FLUSH_TIMEOUT_MS);
  }

  /** From here on what Node would write to standard error by itself, waiting for its reader, are lines of the log. */
  takeOver(): void {
    process.removeAllListeners('warning').on('warning', ({ name, message }) => this.logger.warn(message, { name }));
    process.on('uncaughtException', (error) => {
      this.logger.error('the sidecar ends: an exception that nobody has caught', {
        error: error.stack ?? String(error),
      });
      // While it ends already, by a listener of `exit`: its status has been decided.
      process.exit(process.exitCode ?? 1);
    });
  }
}
