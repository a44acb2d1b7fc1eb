/** Live numbers of requests: cells of a table, and the line of a frontend. */
import { h, setText, Sparkline, toggleClass } from './dom.ts';
import { formatMs, formatRate, formatShare } from './format.ts';
import type { History } from './history.ts';
import type { Rates } from './rates.ts';

/** What the numbers count, looked up each time: a new life of the process has other ids. */
export type Ids = () => readonly number[];

export interface Live {
  readonly elements: readonly HTMLElement[];
  update(): void;
}

export const RATE_COLUMNS = ['Req/s', 'Errors', 'Mean', 'p50', 'p99', 'Last 3 min'] as const;

function texts(rates: Rates, ready: boolean): string[] {
  const { perSecond, errorShare, meanMs, p50Ms, p99Ms } = rates;
  if (!ready) return ['…', '…', '…', '…', '…'];
  return [formatRate(perSecond), formatShare(errorShare), formatMs(meanMs), formatMs(p50Ms), formatMs(p99Ms)];
}

/** One cell for each of `RATE_COLUMNS`. */
export function rateCells(history: History, ids: Ids): Live {
  const spark = new Sparkline();
  const values = RATE_COLUMNS.slice(0, -1).map((name) => h('td', { 'data-label': name, class: 'number' }));
  values[0]!.classList.add('rate');
  const [rate, errors] = [values[0]!, values[1]!];
  return {
    elements: [...values, h('td', { class: 'curve' }, spark.element)],
    update() {
      const counted = ids();
      const rates = history.rates(counted);
      for (const [index, text] of texts(rates, history.ready).entries()) setText(values[index]!, text);
      toggleClass(errors, 'bad', (rates.errorShare ?? 0) > 0);
      toggleClass(rate, 'quiet', rates.perSecond === 0);
      spark.update(history.curve(counted), history.curve(counted, 'errors'));
    },
  };
}

/** What was last seen of the requests to an address turns its dot: known is not the same as reached. */
export function reachDot(history: History, ids: Ids, dot: HTMLElement): Live {
  const note = h('small', { class: 'bad' });
  return {
    elements: [note],
    update() {
      const share = history.unreached(ids());
      // Without requests what was seen before holds.
      if (share === null) return;
      toggleClass(dot, 'failing', share > 0);
      setText(note, share === 0 ? '' : share === 1 ? 'not reached' : 'not always reached');
    },
  };
}

/** Copies for a mirror: their rate, and the part without an answer; nothing measures the rest. */
export function mirrorCells(history: History, ids: Ids): Live {
  const [rate, errors] = RATE_COLUMNS.slice(0, 2).map((name) => h('td', { 'data-label': name, class: 'number' }));
  return {
    elements: [rate!, errors!, h('td', { colspan: '4', class: 'fill' })],
    update() {
      const { perSecond, errorShare } = history.mirrorRates(ids());
      setText(rate!, history.ready ? formatRate(perSecond) : '…');
      setText(errors!, history.ready ? formatShare(errorShare) : '…');
      toggleClass(errors!, 'bad', (errorShare ?? 0) > 0);
    },
  };
}

/** The numbers in the summary of a frontend. */
export function summaryNumbers(history: History, ids: Ids): Live {
  const spark = new Sparkline();
  const names = ['req/s', 'errors', 'p50', 'p99'];
  const values = names.map(() => h('b'));
  const items = names.map((name, index) =>
    h('span', { class: `figure ${name.slice(0, 3)}` }, values[index]!, ` ${name}`),
  );
  return {
    elements: [h('span', { class: 'curve' }, spark.element), ...items],
    update() {
      const counted = ids();
      const rates = history.rates(counted);
      const [rate, errors, , p50, p99] = texts(rates, history.ready);
      for (const [index, text] of [rate, errors, p50, p99].entries()) setText(values[index]!, text!);
      toggleClass(items[1]!, 'bad', (rates.errorShare ?? 0) > 0);
      spark.update(history.curve(counted), history.curve(counted, 'errors'));
    },
  };
}
