/**
 * The end of the sidecar: the application beside it may still be working, so its connections are served until none has
 * been open for a while.
 *
 * Stage before: a signal, or `/quit`. Stage after: the composition root, which closes everything.
 */
import { formatDuration } from './gateway-api/durations.ts';
import type { Logger } from './log.ts';

export interface DrainOptions {
  /** Maximum duration in milliseconds. */
  readonly timeoutMs: number;
  /** How long no connection must have been open, in milliseconds. */
  readonly quietMs: number;
  readonly logger: Logger;
  /** Number of open connections. */
  connections(): number;
  /** From this call on, idle connections are closed, and the others end with their next response. */
  begin(timeoutMs: number): void;
  close(): Promise<void>;
}

/** The answer to a caller that has asked for the end. */
export interface DrainNotice {
  /** A sentence about what happens before the process ends. */
  readonly message: string;
  /** True when it had begun before. */
  readonly already: boolean;
  readonly connections: number;
  readonly quietMs: number;
  /** From this moment, in milliseconds. */
  readonly timeoutMs: number;
}

const POLL_MS = 20;

export class Drain {
  readonly #options: DrainOptions;
  /** Null: not begun. */
  #endMs: number | null = null;
  #settle: (end: Promise<void>) => void = () => undefined;
  /** Settles when everything is closed. */
  readonly ended = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  get begun(): boolean {
    return this.#endMs !== null;
  }

  /** A second call changes nothing. */
  begin(): void {
    if (this.#endMs !== null) return;
    this.#endMs = performance.now() + this.#options.timeoutMs;
    this.#settle(this.#run(this.#endMs));
  }

  /** Begins, and returns what this means. `by`: the caller, for the log. */
  quit(by: string): DrainNotice {
    const { logger, quietMs } = this.#options;
    const already = this.begun;
    logger.notice('asked to quit', { by, already });
    this.begin();
    const timeoutMs = Math.max(0, Math.round(this.#endMs! - performance.now()));
    const message =
      `${already ? 'draining already' : 'draining'}: connections are served until none has been open for ` +
      `${formatDuration(quietMs)}, at most ${formatDuration(timeoutMs)} from now; then the process ends with status 0`;
    return { message, already, connections: this.#options.connections(), quietMs, timeoutMs };
  }

  async #run(endMs: number): Promise<void> {
    const options = this.#options;
    options.logger.info('draining', { connections: options.connections() });
    options.begin(options.timeoutMs);
    // The answer to the caller is sent first.
    await new Promise((resolve) => setImmediate(resolve));
    let busyAtMs = performance.now();
    for (;;) {
      const now = performance.now();
      const open = options.connections();
      if (open > 0) busyAtMs = now;
      // Even without a quiet time, open connections are awaited.
      if ((open === 0 && now - busyAtMs >= options.quietMs) || now >= endMs) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await options.close();
  }
}
