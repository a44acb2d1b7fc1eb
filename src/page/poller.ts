/**
 * Asks `/stats` once a second while the page can be seen, and `/config` when it may say something else.
 *
 * Stage after: `main.ts`. While the sidecar does not answer it is asked less and less often, at most every 15 seconds.
 */
import type { Config, Stats } from './answers.ts';
import type { History } from './history.ts';
import { configPauseMs } from './pauses.ts';

const INTERVAL_MS = 1_000;
const TIMEOUT_MS = 5_000;
const CONFIG_TIMEOUT_MS = 60_000;
const MAX_BACKOFF_MS = 15_000;

export interface PollerEvents {
  onStats(): void;
  onConfig(config: Config, again: boolean): void;
  /** `retryMs`: when it is tried next. */
  onLost(message: string, retryMs: number): void;
  onPaused(): void;
}

export class Poller {
  readonly #history: History;
  readonly #events: PollerEvents;
  #timer: number | undefined;
  #asking = false;
  #failures = 0;
  /** Instance and revision of the configuration shown. */
  #shown = '';
  #loading = false;
  #configNotBeforeMs = 0;

  constructor(history: History, events: PollerEvents) {
    this.#history = history;
    this.#events = events;
    document.addEventListener('visibilitychange', () => this.#visibilityChanged());
    this.#visibilityChanged();
  }

  #visibilityChanged(): void {
    clearTimeout(this.#timer);
    if (!isSeen()) this.#events.onPaused();
    else void this.#poll();
  }

  async #poll(): Promise<void> {
    if (this.#asking || !isSeen()) return;
    this.#asking = true;
    let waitMs = INTERVAL_MS;
    try {
      const stats = (await ask(`/stats?known=${this.#history.known}`, TIMEOUT_MS)) as Stats;
      this.#history.push(stats);
      this.#failures = 0;
      this.#events.onStats();
      void this.#refreshConfig(stats);
    } catch (error) {
      this.#failures++;
      waitMs = Math.min(INTERVAL_MS * 2 ** (this.#failures - 1), MAX_BACKOFF_MS);
      this.#events.onLost(error instanceof Error ? error.message : String(error), waitMs);
    }
    this.#asking = false;
    clearTimeout(this.#timer);
    if (isSeen()) this.#timer = setTimeout(() => void this.#poll(), waitMs);
    // What was asked before it was hidden has shown that it goes on.
    else this.#events.onPaused();
  }

  async #refreshConfig({ instance, config }: Stats): Promise<void> {
    const wanted = `${instance} ${config.revision}`;
    if (wanted === this.#shown || this.#loading || performance.now() < this.#configNotBeforeMs) return;
    this.#loading = true;
    const startedMs = performance.now();
    const answer = await ask('/config', CONFIG_TIMEOUT_MS).catch(() => null);
    const tookMs = performance.now() - startedMs;
    this.#configNotBeforeMs = performance.now() + configPauseMs(tookMs);
    this.#loading = false;
    // The next answer of /stats asks again, or says that the sidecar is gone.
    if (answer === null) return;
    const again = this.#shown !== '';
    this.#shown = wanted;
    this.#events.onConfig(answer as Config, again);
  }
}

function isSeen(): boolean {
  return !document.hidden;
}

async function ask(path: string, timeoutMs: number): Promise<unknown> {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}
