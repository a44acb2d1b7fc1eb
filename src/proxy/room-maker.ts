/**
 * Makes room for connections that wait at one worker while other workers use up the limit: it closes idle connections
 * of the others, a few at a time.
 *
 * Stage before: an acceptor that has paused. It reports this once, however long the pause lasts. Stage after: the other
 * workers. Loaded with `worker-pool.ts`.
 */

/**
 * A connection may be closed after one second without a request. After this interval, connections that were too young
 * before are old enough.
 */
const AGAIN_MS = 1_100;

export interface RoomMakerOptions {
  /** Closes a few idle connections of every worker except this one. */
  readonly closeIdleBeside: (worker: number) => void;
  /** True when all workers together may have another connection. */
  readonly hasRoom: () => boolean;
  readonly schedule?: (callback: () => void, delayMs: number) => void;
}

export class RoomMaker {
  readonly #options: RoomMakerOptions;
  readonly #schedule: (callback: () => void, delayMs: number) => void;
  /** Workers for which room is made. */
  readonly #waiting = new Set<number>();

  constructor(options: RoomMakerOptions) {
    this.#options = options;
    this.#schedule = options.schedule ?? ((callback, delayMs) => void setTimeout(callback, delayMs).unref());
  }

  /** Called when the acceptor of the worker has paused. */
  make(worker: number): void {
    this.#options.closeIdleBeside(worker);
    if (this.#waiting.has(worker)) return;
    this.#waiting.add(worker);
    this.#goOn(worker);
  }

  /** Repeats until there is room: requests on other connections may end long after the pause began. */
  #goOn(worker: number): void {
    this.#schedule(() => {
      if (this.#options.hasRoom()) {
        this.#waiting.delete(worker);
        return;
      }
      this.#options.closeIdleBeside(worker);
      this.#goOn(worker);
    }, AGAIN_MS);
  }
}
