/**
 * The metric families about single requests: taps, and spans. Those of spans are empty while traces are off. Part of
 * `exposition.ts`.
 */
import type { Families } from './dns-families.ts';
import { registerTaps, type TapSources } from './tap-families.ts';

/** Totals since the start of the process. */
export interface SpanFigures {
  readonly exported: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface TraceSources extends TapSources {
  /** Null: traces are off. */
  spans(): SpanFigures | null;
}

export function registerTraces(families: Families, sources: TraceSources): void {
  registerTaps(families, sources);
  families.total(
    'sideroute_spans_exported_total',
    'Spans that the collector has taken.',
    () => sources.spans()?.exported ?? 0,
  );
  families.counter(
    'sideroute_spans_dropped_total',
    'Spans lost: buffer, more ended between two collections than a thread keeps; queue, more waited for the collector than are kept; ' +
      'refused, the collector did not want them; failed, it could not be reached, or was too busy, often enough.',
    'reason',
    (visit) => {
      for (const [reason, total] of Object.entries(sources.spans()?.dropped ?? {})) visit(reason, total);
    },
  );
}
