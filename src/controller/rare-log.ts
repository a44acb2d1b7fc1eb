/**
 * Limits warnings of which an outage can cause thousands: one from time to time, with the number of those suppressed.
 *
 * Used by the queues and the nudger.
 */
import type { LogFields, Logger } from '../log.ts';

const APART_MS = 5_000;

export class RareLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  warn(message: string, fields: LogFields): void {
    if (this.#now() - this.#toldMs < APART_MS) {
      this.#untold++;
      return;
    }
    this.#logger.warn(message, this.#untold === 0 ? fields : { ...fields, untold: this.#untold });
    [this.#toldMs, this.#untold] = [this.#now(), 0];
  }
}
