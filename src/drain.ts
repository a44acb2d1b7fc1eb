/**
 * How the sidecar ends: the application beside it may still work, so its connections are served until none has been open
 * for a while.
 *
 * Stage before: a signal, or `/quit`. Stage after: the composition root, which closes everything.
 */
import { formatDuration } from './gateway-api/durations.ts';
import type { Logger } from './log.ts';

export interface DrainOptions {
  /** At the latest this long after the beginning. */
  readonly timeoutMs: number;
  /** How long none must have been open. */
  readonly quietMs: number;
  readonly logger: Logger;
  /** Open now. */
  connections(): number;
  /** Idle connections close from here on, the others with their next response. */
  begin(timeoutMs: number): void;
  close(): Promise<void>;
}

/** What whoever has asked for the end is told. */
export interface DrainNotice {
  /** What happens before the process ends, for a person. */
  readonly message: string;
  /** It had begun before. */
  readonly already: boolean;
  readonly connections: number;
  readonly quietMs: number;
  /** From now on. */
  readonly timeoutMs: number;
}

const POLL_MS = 20;

export class Drain {
  readonly #options: DrainOptions;
  /** Null: not begun. */
  #endMs: number | null = null;
  #settle: (end: Promise<void>) => void = () => undefined;
  /** Settled when everything is closed. */
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

  /** Begins, and says what that means. `by`: who wants it, for the log. */
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
    // An answer to whoever has asked for it leaves first.
    await new Promise((resolve) => setImmediate(resolve));
    let busyAtMs = performance.now();
    for (;;) {
      const now = performance.now();
      const open = options.connections();
      if (open > 0) busyAtMs = now;
      // Without a quiet time, too, what is open is waited for.
      if ((open === 0 && now - busyAtMs >= options.quietMs) || now >= endMs) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await options.close();
  }
}
