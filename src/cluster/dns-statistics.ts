/**
 * Figures of cluster DNS for the metrics.
 *
 * Stage before: `resolver.ts`, which makes the lookups. Stage after: the composition root.
 */
import type { ResolutionState } from '../routing/decision.ts';
import type { AddressFault } from './addresses.ts';
import type { DnsVerdict } from './service-addresses.ts';

export interface DnsStatistics {
  /** Totals since start of lookups that have ended, by what they brought. */
  readonly lookups: { readonly answered: number; readonly no_address: number; readonly failed: number };
  /** Totals of addresses in answers that no Service can have, by what is wrong with them. */
  readonly unusable: Readonly<Partial<Record<AddressFault, number>>>;
  /** Time that they took together, waiting for their turn included. */
  readonly lookupMs: number;
  /** Services now wanted whose address comes from DNS. */
  readonly services: Readonly<Record<ResolutionState | 'stale', number>>;
  /** Services now wanted whose document gives addresses that are checked, by what DNS says of them. */
  readonly documents: Readonly<Record<DnsVerdict, number>>;
  /** Since the oldest answer that is in use came; 0 when there is none. */
  readonly oldestAnswerMs: number;
}

interface WantedService {
  readonly current: {
    readonly source: 'document' | 'dns';
    readonly verdict: DnsVerdict | null;
    readonly state: ResolutionState;
    readonly stale: boolean;
  };
  /** Monotonic. */
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
