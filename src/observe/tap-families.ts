/** The metric families about taps. Part of `trace-families.ts`. */
import type { Families } from './dns-families.ts';

export interface TapSources {
  taps(): {
    readonly open: number;
    /** Totals since the start of the process. */
    readonly records: number;
    readonly dropped: number;
  };
}

export function registerTaps(families: Families, sources: TapSources): void {
  families.gauge('sideroute_taps_open', 'Taps that are open.', () => sources.taps().open);
  families.total('sideroute_tap_records_total', 'Requests that taps were told of.', () => sources.taps().records);
  families.total(
    'sideroute_tap_dropped_records_total',
    'Requests that a tap wanted and was not told of, because its caller read too slowly or too many came at once.',
    () => sources.taps().dropped,
  );
}
