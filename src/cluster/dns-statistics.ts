/**
 * DNS figures for the metrics.
 *
 * Stage before: `resolver.ts`, which makes the lookups. Stage after: the composition root.
 */
import type { ResolutionState } from '../routing/decision.ts';
import type { AddressFault } from './addresses.ts';
import type { DnsVerdict } from './service-addresses.ts';

export interface DnsStatistics {
  /** Totals of completed lookups since start, by result. */
  readonly lookups: { readonly answered: number; readonly no_address: number; readonly failed: number };
  /** Totals of addresses in answers that no Service can have, by fault. */
  readonly unusable: Readonly<Partial<Record<AddressFault, number>>>;
  /** Total duration of the lookups, including the time they waited. */
  readonly lookupMs: number;
  /** Services in use whose address comes from DNS. */
  readonly services: Readonly<Record<ResolutionState | 'stale', number>>;
  /** Services in use whose document gives addresses that are checked, by the verdict of DNS. */
  readonly documents: Readonly<Record<DnsVerdict, number>>;
  /** Age of the oldest answer in use; 0 when there is none. */
  readonly oldestAnswerMs: number;
}

interface WantedService {
  readonly current: {
    readonly source: 'document' | 'dns';
    readonly verdict: DnsVerdict | null;
    readonly state: ResolutionState;
    readonly stale: boolean;
  };
  /** Monotonic, in milliseconds. */
  readonly answeredMs: number;
}

export class LookupTotals {
  readonly #lookups = { answered: 0, no_address: 0, failed: 0 };
  #lookupMs = 0;
  readonly #unusable: Partial<Record<AddressFault, number>> = {};

  recordUnusable(fault: AddressFault): void {
    this.#unusable[fault] = (this.#unusable[fault] ?? 0) + 1;
  }

  record(result: keyof DnsStatistics['lookups'], durationMs: number): void {
    this.#lookups[result]++;
    this.#lookupMs += durationMs;
  }

  statistics(wanted: Iterable<WantedService>): DnsStatistics {
    const services = { resolved: 0, stale: 0, pending: 0, missing: 0 };
    const documents = { silent: 0, agrees: 0, differs: 0, unknown: 0 };
    const now = performance.now();
    let oldestMs = now;
    for (const { current, answeredMs } of wanted) {
      if (current.verdict !== null) documents[current.verdict]++;
      if (current.source === 'document') continue;
      services[current.stale ? 'stale' : current.state]++;
      if (current.state === 'resolved') oldestMs = Math.min(oldestMs, answeredMs);
    }
    return {
      lookups: { ...this.#lookups },
      unusable: { ...this.#unusable },
      lookupMs: this.#lookupMs,
      services,
      documents,
      oldestAnswerMs: now - oldestMs,
    };
  }
}
