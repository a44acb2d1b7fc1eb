/**
 * The taps of one thread: while there are taps, takes their lines from the addon and passes them on. A worker other
 * than the main thread sends them as a message.
 *
 * Stage before: the access log of the addon, which filters and samples. Stage after: `admin/tap-streams.ts`, or
 * `worker-messages.ts` on the way.
 */
import type { NativeAccessLog, NativeTapFilter, TapLines } from '../addon/access-log.ts';

const EVERY_MS = 100;

export class TapCollector {
  readonly #log: NativeAccessLog;
  readonly #give: (id: number, lines: TapLines) => void;
  readonly #ids = new Set<number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(log: NativeAccessLog, give: (id: number, lines: TapLines) => void) {
    this.#log = log;
    this.#give = give;
  }

  add(id: number, filter: NativeTapFilter): void {
    this.#log.addTap(id, filter);
    this.#ids.add(id);
    this.#timer ??= setInterval(() => this.#collect(), EVERY_MS).unref();
  }

  remove(id: number): void {
    this.#log.removeTap(id);
    this.#ids.delete(id);
    if (this.#ids.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #collect(): void {
    for (const id of this.#ids) {
      const lines = this.#log.takeTap(id);
      if (lines !== null) this.#give(id, lines);
    }
  }
}
