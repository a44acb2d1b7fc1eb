/**
 * The log of the sidecar on standard error. When standard error stalls, is full or has lost its reader, this does not
 * delay traffic, use up memory or end the process. Lost lines are counted, and reported when writing works again.
 *
 * Stage before: every user of a `Logger`; Node itself, with its warnings and uncaught exceptions. Stage after: the
 * writer of the addon; `/metrics` reads its counters.
 */
import { createLogWriter, type LogCounters, type LogWriter } from '../addon/log-writer.ts';
import { createLogger, type Logger, type LogLevel } from '../log.ts';

/** Several thousand lines: how far the reader of the log may be behind before lines are lost. */
const BUFFER_BYTES = 1024 * 1024;
/** How long the end of the process waits for a stalled reader. */
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

  /** Writes the waiting lines; blocks for up to half a second. */
  close(): void {
    this.#writer.close(FLUSH_TIMEOUT_MS);
  }

  /**
   * Node writes warnings and uncaught exceptions to standard error itself and blocks on its reader. After this call
   * they are lines of the log.
   */
  takeOver(): void {
    process.removeAllListeners('warning').on('warning', ({ name, message }) => this.logger.warn(message, { name }));
    process.on('uncaughtException', (error) => {
      this.logger.error('the sidecar ends: an exception that nobody has caught', {
        error: error.stack ?? String(error),
      });
      // While the process already ends (in a listener of `exit`), its status has been decided.
      process.exit(process.exitCode ?? 1);
    });
  }
}
