/**
 * The access log of the sidecar: one JSON object for each line, on standard output. docs/access-log.md is its
 * reference.
 *
 * Stage before: engines and acceptor, which write through the native log. This object tells it the static parts of its
 * lines; `/metrics` reads its counters. Stage after: the writer of the addon.
 */
import { createAccessLog, type AccessLogMode, type NativeAccessLog } from '../addon/access-log.ts';
import type { LogCounters } from '../addon/log-writer.ts';
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type { SeriesLabels } from '../routing/decision.ts';
import { SLOT_MASK } from './series-slots.ts';

/** About 2,000 lines: how far the reader of the log may be behind before lines are lost. */
const BUFFER_BYTES = 1024 * 1024;
const FLUSH_TIMEOUT_MS = 1_000;
const STDOUT = 1;

export interface AccessLogOptions {
  /** Default: standard output. */
  readonly fd?: number;
  readonly bufferBytes?: number;
}

export class AccessLog {
  /** For `createAcceptor` and engines. */
  readonly native: NativeAccessLog;
  /** Called with each new mode, for logs of other threads. */
  onMode: ((mode: AccessLogMode) => void) | null = null;
  #mode: AccessLogMode = 'off';
  /** By slot: the id whose description the addon has. */
  readonly #series: (number | undefined)[] = [];
  /** Keys by id. */
  readonly #frontends: (string | undefined)[] = [];

  /** @throws Error with `code` when the descriptor is not open, or the writer cannot be started */
  constructor(mode: AccessLogMode, options: AccessLogOptions = {}) {
    this.native = createAccessLog({
      fd: options.fd ?? STDOUT,
      bufferBytes: options.bufferBytes ?? BUFFER_BYTES,
      reasons: (Object.keys(REQUEST_REASONS) as RequestReason[]).map((name) => ({
        name,
        error: REQUEST_REASONS[name].source !== 'route',
      })),
    });
    this.setMode(mode);
  }

  get mode(): AccessLogMode {
    return this.#mode;
  }

  /**
   * May be called at any time. Applies to events that end from now on; those that began while the log was off may be
   * missing.
   */
  setMode(mode: AccessLogMode): void {
    this.native.setMode(mode);
    this.#mode = mode;
    this.onMode?.(mode);
  }

  /** Sets the text for route, rule and backend in lines of a series. The labels of an id never change. Returns `id`. */
  describeSeries(id: number, labels: SeriesLabels): number {
    const slot = id & SLOT_MASK;
    if (this.#series[slot] === id) return id;
    this.#series[slot] = id;
    const { routeNamespace, routeName, rule, backendNamespace, backendName, backendPort } = labels;
    const members = {
      route: routeName === '' ? null : `${routeNamespace}/${routeName}`,
      rule: rule === '' ? null : rule,
      backend: backendName === '' ? null : `${backendNamespace}/${backendName}:${backendPort}`,
    };
    this.native.setSeries(id, JSON.stringify(members).slice(1, -1));
    return id;
  }

  /** `key`: `namespace/name:port`. Returns `id`. */
  describeFrontend(id: number, key: string): number {
    if (this.#frontends[id] !== key) this.native.setFrontend(id, key);
    this.#frontends[id] = key;
    return id;
  }

  counters(): LogCounters {
    return this.native.counters();
  }

  /** Writes the waiting lines; blocks for up to a second. */
  close(): void {
    this.native.close(FLUSH_TIMEOUT_MS);
  }
}
