/**
 * The last answers of `/stats`: rates over the last seconds and curves of the last minutes.
 *
 * Stage before: `poller.ts`. Stage after: the views, which ask for what they show. Pure, without a browser.
 */
import type { Catalog, SeriesCounters, SeriesLabels, Stats } from './answers.ts';
import { countsOf, difference, increase, NO_COUNTS, ratesOf, sum, type Counts, type Rates } from './rates.ts';

/** Rates are over this time, or as much of it as has been seen. */
const WINDOW_MS = 10_000;
/** Length of a curve, one value a second. */
export const CURVE_SECONDS = 180;

interface Sample {
  readonly atMs: number;
  readonly stats: Stats;
  readonly counts: ReadonlyMap<number, Counts>;
  readonly series: ReadonlyMap<number, SeriesCounters>;
}

/** Values per second, the newest last. */
class Curve {
  readonly #values = new Float64Array(CURVE_SECONDS);
  #next = 0;

  push(value: number, seconds: number): void {
    for (let i = 0; i < Math.min(seconds, CURVE_SECONDS); i++) {
      this.#values[this.#next] = value;
      this.#next = (this.#next + 1) % CURVE_SECONDS;
    }
  }

  addTo(target: Float64Array): void {
    for (let i = 0; i < CURVE_SECONDS; i++) target[i]! += this.#values[(this.#next + i) % CURVE_SECONDS]!;
  }
}

interface Curves {
  readonly requests: Curve;
  readonly errors: Curve;
}

export class History {
  #samples: Sample[] = [];
  #catalog: Catalog = { bucketsMs: [], reasons: {}, grpcFaults: [], metrics: [] };
  #instance = '';
  /** The last one that the curves know. */
  #fed: Sample | null = null;
  readonly #curves = new Map<number, Curves>();
  #total: Curves = { requests: new Curve(), errors: new Curve() };
  readonly #ids = new Map<string, number>();
  readonly #byParent = new Map<string, number[]>();
  #known = '';

  /** Revision of the series whose labels have been seen; to be given with the next question. */
  get known(): string {
    return this.#known;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  get last(): Stats | null {
    return this.#samples.at(-1)?.stats ?? null;
  }

  /** Two answers make a rate. */
  get ready(): boolean {
    return this.#samples.length > 1;
  }

  push(stats: Stats): void {
    if (stats.instance !== this.#instance) this.#reset();
    this.#instance = stats.instance;
    if (stats.catalog !== undefined) this.#catalog = stats.catalog;
    if (stats.labels !== undefined) this.#setLabels(stats.labels);
    this.#known = stats.seriesRevision;
    const series = new Map(stats.series.map((counters) => [counters.id, counters]));
    const counts = new Map(stats.series.map((counters) => [counters.id, countsOf(counters, this.#catalog)]));
    const sample = { atMs: stats.atMs, stats, counts, series };
    this.#feedCurves(sample);
    this.#samples.push(sample);
    while (this.#samples.length > 2 && sample.atMs - this.#samples[1]!.atMs >= WINDOW_MS) this.#samples.shift();
  }

  /** Ids of one label set, none when it has not been seen. */
  idsOf(labels: Omit<SeriesLabels, 'id'>): number[] {
    const id = this.#ids.get(labelsKey(labels));
    return id === undefined ? [] : [id];
  }

  /** Ids of everything a frontend counts. */
  idsOfParent(namespace: string, name: string, port: number): readonly number[] {
    return this.#byParent.get(`${namespace}/${name}:${port}`) ?? [];
  }

  rates(ids: readonly number[]): Rates {
    return this.#ratesOf(ids, (sample, id) => sample.counts.get(id));
  }

  totalRates(): Rates {
    return this.rates([...(this.#samples.at(-1)?.counts.keys() ?? [])]);
  }

  /** Part of the requests, 0 to 1, that did not reach a backend; null without requests. */
  unreached(ids: readonly number[]): number | null {
    return this.#ratesOf(ids, (sample, id) => unreachedCounts(sample.series.get(id))).errorShare;
  }

  /** Copies for a mirror: all of them, and what part did not get an answer. */
  mirrorRates(ids: readonly number[]): Pick<Rates, 'perSecond' | 'errorShare'> {
    return this.#ratesOf(ids, (sample, id) => mirrorCounts(sample.series.get(id)));
  }

  /** Of any counter; `read` gives its total. */
  rate(read: (stats: Stats) => number): number {
    const span = this.#span();
    return span === null ? 0 : increase(read(span.newer.stats), read(span.older.stats)) / span.seconds;
  }

  /** Every reason that is counted now: series that are gone take their counts with them. */
  reasons(): { reason: string; total: number; perSecond: number }[] {
    const span = this.#span();
    const newest = this.#samples.at(-1);
    if (newest === undefined) return [];
    const found = new Map<string, { total: number; added: number }>();
    const add = (reason: string, total: number, before: number): void => {
      const known = found.get(reason) ?? { total: 0, added: 0 };
      found.set(reason, { total: known.total + total, added: known.added + increase(total, before) });
    };
    for (const [reason, total] of Object.entries(newest.stats.refused)) {
      add(reason, total, span?.older.stats.refused[reason] ?? 0);
    }
    for (const { id, results } of newest.series.values()) {
      const before = span?.older.series.get(id)?.results ?? [];
      for (const [code, reason, total] of results) {
        if (reason === '') continue;
        add(reason, total, before.find((other) => other[0] === code && other[1] === reason)?.[2] ?? 0);
      }
    }
    return [...found].map(([reason, { total, added }]) => {
      return { reason, total, perSecond: span === null ? 0 : added / span.seconds };
    });
  }

  /** Every status of gRPC that is counted now. */
  callStatuses(): { status: string; total: number; perSecond: number }[] {
    const span = this.#span();
    const found = new Map<string, { total: number; added: number }>();
    for (const { id, calls = [] } of this.#samples.at(-1)?.series.values() ?? []) {
      const before = span?.older.series.get(id)?.calls ?? [];
      for (const [code, reason, status, total] of calls) {
        const same = before.find((other) => other[0] === code && other[1] === reason && other[2] === status);
        const known = found.get(status) ?? { total: 0, added: 0 };
        found.set(status, { total: known.total + total, added: known.added + increase(total, same?.[3] ?? 0) });
      }
    }
    return [...found].map(([status, { total, added }]) => {
      return { status, total, perSecond: span === null ? 0 : added / span.seconds };
    });
  }

  /** Requests a second over the last `CURVE_SECONDS`, the newest last. */
  curve(ids: readonly number[], kind: keyof Curves = 'requests'): Float64Array {
    const values = new Float64Array(CURVE_SECONDS);
    for (const id of ids) this.#curves.get(id)?.[kind].addTo(values);
    return values;
  }

  totalCurve(kind: keyof Curves): Float64Array {
    const values = new Float64Array(CURVE_SECONDS);
    this.#total[kind].addTo(values);
    return values;
  }

  #reset(): void {
    this.#samples = [];
    this.#fed = null;
    this.#curves.clear();
    this.#total = { requests: new Curve(), errors: new Curve() };
  }

  #setLabels(all: readonly SeriesLabels[]): void {
    this.#ids.clear();
    this.#byParent.clear();
    for (const labels of all) {
      this.#ids.set(labelsKey(labels), labels.id);
      const parent = `${labels.parentNamespace}/${labels.parentName}:${labels.parentPort}`;
      const siblings = this.#byParent.get(parent);
      if (siblings === undefined) this.#byParent.set(parent, [labels.id]);
      else siblings.push(labels.id);
    }
    const ids = new Set(all.map(({ id }) => id));
    for (const id of this.#curves.keys()) if (!ids.has(id)) this.#curves.delete(id);
  }

  #span(): { newer: Sample; older: Sample; seconds: number } | null {
    const [older] = this.#samples;
    const newer = this.#samples.at(-1);
    if (older === undefined || newer === undefined || newer.atMs <= older.atMs) return null;
    return { newer, older, seconds: (newer.atMs - older.atMs) / 1_000 };
  }

  /** Series by series, since one that is gone must not make the others look as if they began anew. */
  #ratesOf(ids: readonly number[], read: (sample: Sample, id: number) => Counts | undefined): Rates {
    const span = this.#span();
    if (span === null) return ratesOf(NO_COUNTS, 1, []);
    const { newer, older, seconds } = span;
    const deltas = ids.map((id) => difference(read(newer, id) ?? NO_COUNTS, read(older, id) ?? NO_COUNTS));
    return ratesOf(sum(deltas), seconds, this.#catalog.bucketsMs);
  }

  /** A longer pause between answers becomes that many seconds with the mean of the time. */
  #feedCurves(sample: Sample): void {
    const before = this.#fed;
    const span = before === null ? 0 : (sample.atMs - before.atMs) / 1_000;
    const seconds = Math.round(span);
    if (before !== null && seconds < 1) return;
    this.#fed = sample;
    if (before === null) return;
    const all: Counts[] = [];
    for (const [id, counts] of sample.counts) {
      const delta = difference(counts, before.counts.get(id) ?? NO_COUNTS);
      all.push(delta);
      let curves = this.#curves.get(id);
      if (curves === undefined) this.#curves.set(id, (curves = { requests: new Curve(), errors: new Curve() }));
      feed(curves, delta, span, seconds);
    }
    feed(this.#total, sum(all), span, seconds);
  }
}

function feed(curves: Curves, delta: Counts, span: number, seconds: number): void {
  curves.requests.push(delta.requests / span, seconds);
  curves.errors.push(delta.errors / span, seconds);
}

function labelsKey(labels: Omit<SeriesLabels, 'id'>): string {
  return JSON.stringify([
    ...[labels.parentNamespace, labels.parentName, labels.parentPort],
    ...[labels.routeNamespace, labels.routeName, labels.rule],
    ...[labels.backendNamespace, labels.backendName, labels.backendPort],
  ]);
}

function mirrorCounts(series: SeriesCounters | undefined): Counts {
  const results = Object.entries(series?.mirrored ?? {});
  const requests = results.reduce((all, [, count]) => all + count, 0);
  return { ...NO_COUNTS, requests, errors: requests - (series?.mirrored?.['answered'] ?? 0) };
}

/** Replies to requests that went nowhere. */
const UNREACHED: ReadonlySet<string> = new Set(['connect_failure', 'connect_timeout', 'no_backend', 'unresolved']);

function unreachedCounts(series: SeriesCounters | undefined): Counts {
  let [requests, errors] = [0, 0];
  for (const [, reason, count] of series?.results ?? []) {
    requests += count;
    if (UNREACHED.has(reason)) errors += count;
  }
  return { ...NO_COUNTS, requests, errors };
}
