/**
 * The metric families about cluster DNS.
 *
 * Registered by `exposition.ts`, the only file that knows the metrics library. Stage before: the resolver, read at the
 * moment of the scrape.
 */

export interface DnsFigures {
  /** Totals by the result of the lookup. */
  readonly lookups: Readonly<Record<string, number>>;
  /** Totals of addresses in answers that no Service can have, by the kind of fault. */
  readonly unusable: Readonly<Record<string, number>>;
  readonly lookupMs: number;
  /** Services by the state of their address. */
  readonly services: Readonly<Record<string, number>>;
  /** Services whose document gives addresses, by what cluster DNS says about them. */
  readonly documents: Readonly<Record<string, number>>;
  readonly oldestAnswerMs: number;
}

type Each = (visit: (key: string, value: number) => void) => void;

/**
 * Adds families whose values are kept elsewhere and read at every scrape. `label` is the name of the label whose values
 * `each` gives.
 */
export interface Families {
  gauge(name: string, help: string, value: () => number): void;
  gauges(name: string, help: string, label: string, each: Each): void;
  /** Totals. */
  counter(name: string, help: string, label: string, each: Each): void;
  /** Totals with several labels. */
  labelled(
    name: string,
    help: string,
    labels: readonly string[],
    each: (visit: (labels: Readonly<Record<string, string>>, value: number) => void) => void,
  ): void;
  /** A total without labels. */
  total(name: string, help: string, value: () => number): void;
}

export function registerDns(families: Families, figures: () => DnsFigures): void {
  const of =
    (counts: (figures: DnsFigures) => Readonly<Record<string, number>>): Each =>
    (visit) => {
      for (const [key, value] of Object.entries(counts(figures()))) visit(key, value);
    };
  families.counter(
    'sideroute_dns_lookups_total',
    'Lookups of Services in cluster DNS: answered; no_address, the name is not there or has no address; failed, no usable ' +
      'answer came.',
    'result',
    of(({ lookups }) => lookups),
  );
  families.counter(
    'sideroute_dns_unusable_addresses_total',
    'Addresses in answers of cluster DNS that no Service can have, such as 0.0.0.0 or a loopback address; the last good ones ' +
      'are kept.',
    'fault',
    of(({ unusable }) => unusable),
  );
  families.total(
    'sideroute_dns_lookup_seconds_total',
    'Time that lookups took; divided by their number, how long one takes.',
    () => figures().lookupMs / 1_000,
  );
  families.gauges(
    'sideroute_dns_services',
    'Services whose address comes from cluster DNS: resolved; stale, the last good address is used; pending; missing.',
    'state',
    of(({ services }) => services),
  );
  families.gauges(
    'sideroute_documented_services',
    'Services whose document gives their address, by what cluster DNS says: agrees; differs, it has another one, which is ' +
      'used; unknown, it does not know the Service; silent, no answer yet.',
    'dns',
    of(({ documents }) => documents),
  );
  families.gauge(
    'sideroute_dns_oldest_answer_seconds',
    'Age of the oldest answer of cluster DNS that is in use; 0 when none is.',
    () => figures().oldestAnswerMs / 1_000,
  );
}
