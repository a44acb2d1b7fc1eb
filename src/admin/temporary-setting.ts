/**
 * A setting that a person can change for a while: it goes back to what was configured by itself, because nobody does so by
 * hand when the incident is over.
 *
 * Stage before: the handler of the private endpoint. Stage after: whatever the setting is of, through `apply`.
 */
import { formatDuration } from '../gateway-api/durations.ts';
import type { LogFields } from '../log.ts';

export interface SettingState<T> {
  readonly value: T;
  readonly configured: T;
  /** Until it goes back; null when it has its configured value. */
  readonly remainingMs: number | null;
}

export interface TemporarySettingOptions<T> {
  /** What log lines call it: `log level`. */
  readonly name: string;
  readonly configured: T;
  readonly allowed: readonly T[];
  apply(value: T): void;
  /** Must write whatever the level of the log is. */
  log(message: string, fields: LogFields): void;
  readonly clock?: Clock;
}

export interface Clock {
  /** Monotonic. */
  nowMs(): number;
  /** Returns what stops it. Must not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

const CLOCK: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

export class TemporarySetting<T extends string> {
  readonly allowed: readonly T[];
  readonly #name: string;
  readonly #configured: T;
  readonly #options: TemporarySettingOptions<T>;
  readonly #clock: Clock;
  #value: T;
  /** Null: it has its configured value. */
  #change: { readonly endMs: number; cancel(): void } | null = null;

  /** It has its configured value already. */
  constructor(options: TemporarySettingOptions<T>) {
    this.allowed = options.allowed;
    this.#name = options.name;
    this.#configured = options.configured;
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
    this.#value = options.configured;
  }

  get state(): SettingState<T> {
    const remainingMs = this.#change === null ? null : Math.max(0, this.#change.endMs - this.#clock.nowMs());
    return { value: this.#value, configured: this.#configured, remainingMs };
  }

  /** Replaces a change that holds. The configured value ends it. `by`: who wants it, for the log. */
  change(value: T, ttlMs: number, by: string): void {
    if (value === this.#configured) {
      if (this.#change !== null) this.#revert(`${this.#name} set back`, { by });
      return;
    }
    this.#change?.cancel();
    const from = this.#value;
    const cancel = this.#clock.after(ttlMs, () => this.#revert(`${this.#name} reverted`, {}));
    this.#change = { endMs: this.#clock.nowMs() + ttlMs, cancel };
    this.#set(value);
    this.#options.log(`${this.#name} changed`, { from, to: value, for: formatDuration(ttlMs), by });
  }

  /** Nothing reverts any more. */
  close(): void {
    this.#change?.cancel();
    this.#change = null;
  }

  #revert(message: string, fields: LogFields): void {
    const from = this.#value;
    this.close();
    this.#set(this.#configured);
    this.#options.log(message, { from, to: this.#configured, ...fields });
  }

  #set(value: T): void {
    this.#value = value;
    this.#options.apply(value);
  }
}
