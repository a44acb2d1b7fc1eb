/**
 * A setting that can be changed temporarily. It returns to the configured value by itself, because people forget to do
 * so after an incident.
 *
 * Stage before: the handler of the private endpoint. Stage after: the owner of the setting, through `apply`.
 */
import { formatDuration } from '../gateway-api/durations.ts';
import type { LogFields } from '../log.ts';

export interface SettingState<T> {
  readonly value: T;
  readonly configured: T;
  /** Milliseconds until it returns to the configured value; null when it has that value. */
  readonly remainingMs: number | null;
}

export interface TemporarySettingOptions<T> {
  /** The name in log lines, for instance `log level`. */
  readonly name: string;
  readonly configured: T;
  readonly allowed: readonly T[];
  apply(value: T): void;
  /** Must write at every log level. */
  log(message: string, fields: LogFields): void;
  readonly clock?: Clock;
}

export interface Clock {
  /** Monotonic. */
  nowMs(): number;
  /** Returns a function that cancels the timer. Must not keep the process alive. */
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

  /** The setting must already have its configured value. */
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

  /** Replaces a change in force. The configured value ends it. `by`: the caller, for the log. */
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

  /** Cancels the revert. */
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
