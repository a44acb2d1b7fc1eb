/**
 * Room for the connections that wait at one worker while others have what there may be: what only waits there is closed, a few at a time.
 *
 * Stage before: an acceptor that has paused, which says so once, for as long as it is paused. Stage after: the other workers. Loaded with
 * `worker-pool.ts`.
 */

/** A connection that waits for a request gives way after a second; by then those that were too young have grown old enough. */
const AGAIN_MS = 1_100;

export interface RoomMakerOptions {
  /** Closes a few connections that only wait, of every worker but this one. */
  readonly closeIdleBeside: (worker: number) => void;
  /** For another connection, of all workers. */
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

  /** Its acceptor has paused. */
  make(worker: number): void {
    this.#options.closeIdleBeside(worker);
    if (this.#waiting.has(worker)) return;
    this.#waiting.add(worker);
    this.#goOn(worker);
  }

  /** Until there is room: requests of others may end long after the pause began. */
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
