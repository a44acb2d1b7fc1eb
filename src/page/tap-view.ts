/**
 * Requests as they happen: a form that opens `/tap`, and what it streams, newest first.
 *
 * Stage before: `tap.ts`, which reads the stream. A tap costs the sidecar something, so it ends when it is not visible: when the tab is
 * hidden, when the view is left, and after the ten minutes that the endpoint gives it.
 */
import type { Config } from './answers.ts';
import { byId, byIdOf, h, setText } from './dom.ts';
import { MAX_ROWS, PARAMETERS, refusedParameter, TapLines, tapQuery, tapRow, tapSum, type TapRow } from './tap.ts';

const COLUMNS = ['Request', 'Time (UTC)', 'Code', 'Took', 'Route', 'Rule', 'Backend'];
const MAX_ROUTES = 500;
/** Rows are added in one go, so that many requests do not keep the page busy. */
const SHOW_EVERY_MS = 250;
/** The endpoint says something every 4 s. */
const SILENCE_MS = 15_000;
const ENDS: Readonly<Record<string, string>> = {
  duration: 'its ten minutes are over',
  limit: 'it has told as many as were asked for',
  shutdown: 'the sidecar has ended',
};
const BROKEN = 'the connection broke off';

/** One tap, from start to end. */
interface Run {
  readonly abort: AbortController;
  readonly lines: TapLines;
  isOpen: boolean;
}

export class TapView {
  readonly #start = byIdOf('tap-start', HTMLButtonElement);
  readonly #stop = byIdOf('tap-stop', HTMLButtonElement);
  readonly #note = byId('tap-note');
  readonly #error = byId('tap-error');
  readonly #table: HTMLElement;
  readonly #body = h('tbody');
  #run: Run | null = null;
  #timer: number | undefined;

  constructor() {
    const heads = COLUMNS.map((name) => h('th', { scope: 'col' }, name));
    const caption = h('caption', { class: 'hidden' }, 'Requests, the newest first');
    this.#table = h(
      'table',
      { class: 'live tap-table', hidden: '' },
      caption,
      h('thead', {}, h('tr', {}, ...heads)),
      this.#body,
    );
    byId('tap-rows').append(this.#table);
    byIdOf('tap-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#open();
    });
    this.#stop.addEventListener('click', () => this.#end('you stopped it'));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#end('this tab was hidden');
    });
  }

  setConfig({ routes }: Config): void {
    const names = new Set(routes.map(({ namespace, name }) => `${namespace}/${name}`));
    const options = [...names].slice(0, MAX_ROUTES).map((value) => h('option', { value }));
    byId('tap-routes').replaceChildren(...options);
  }

  /** Another view is looked at. */
  leave(): void {
    this.#end('this view was left');
  }

  async #open(): Promise<void> {
    this.#run?.abort.abort();
    const run: Run = { abort: new AbortController(), lines: new TapLines(), isOpen: false };
    this.#run = run;
    this.#showError('');
    this.#body.replaceChildren();
    this.#table.hidden = true;
    this.#stop.disabled = false;
    setText(this.#note, 'Starting…');
    const query = tapQuery({
      route: field('route').value,
      rule: field('rule').value,
      code: field('code').value,
      path: field('path').value,
      header: field('header').value,
      sample: field('sample').value,
    });
    let why: string;
    try {
      why = await this.#follow(run, `/tap?${query}`);
    } catch {
      why = run.isOpen ? BROKEN : 'the sidecar does not answer';
    }
    // Whatever ended it before has said so.
    if (run === this.#run) this.#end(why);
    run.abort.abort();
  }

  /** Resolves with why it ended. */
  async #follow(run: Run, path: string): Promise<string> {
    let silence = this.#giveUp(run);
    try {
      const response = await fetch(path, { cache: 'no-store', signal: run.abort.signal });
      if (!response.ok || response.body === null) {
        const message = (await response.text()).trim();
        if (run === this.#run) this.#refused(message);
        return 'it was refused';
      }
      run.isOpen = true;
      if (run === this.#run) announce('The tap has begun.');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      this.#showSoon(run);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return ENDS[run.lines.end ?? ''] ?? BROKEN;
        clearTimeout(silence);
        silence = this.#giveUp(run);
        run.lines.push(value);
        this.#showSoon(run);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #giveUp(run: Run): number {
    return setTimeout(() => run.abort.abort(), SILENCE_MS);
  }

  #showSoon(run: Run): void {
    if (run !== this.#run) return;
    this.#timer ??= setTimeout(() => this.#show(), SHOW_EVERY_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One that was replaced may have left the timer to one that is not open yet.
    if (this.#run?.isOpen !== true) return;
    const { lines } = this.#run;
    this.#body.prepend(...lines.take().map((record) => rowOf(tapRow(record))));
    while (this.#body.childElementCount > MAX_ROWS) this.#body.lastElementChild!.remove();
    this.#table.hidden = this.#body.childElementCount === 0;
    setText(this.#note, `Tapping: ${tapSum(lines)}.`);
  }

  #end(why: string): void {
    const run = this.#run;
    if (run === null) return;
    this.#show();
    this.#run = null;
    run.abort.abort();
    const text = run.isOpen ? `Ended: ${why}. ${tapSum(run.lines)}.` : `Not begun: ${why}.`;
    setText(this.#note, text);
    // What is not begun because of a field has said so beside it.
    if (this.#error.hidden) announce(run.isOpen ? `The tap has ended: ${why}.` : text);
    // A button that is disabled loses the focus to nowhere.
    if (document.activeElement === this.#stop) this.#start.focus();
    this.#stop.disabled = true;
  }

  #refused(message: string): void {
    this.#showError(message);
    announce(message);
    const parameter = refusedParameter(message);
    if (parameter === null) return;
    const input = field(parameter);
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', 'tap-error');
    input.focus();
  }

  #showError(message: string): void {
    this.#error.hidden = message === '';
    setText(this.#error, message);
    if (message !== '') return;
    for (const name of PARAMETERS) {
      field(name).removeAttribute('aria-invalid');
      field(name).removeAttribute('aria-describedby');
    }
  }
}

function field(name: (typeof PARAMETERS)[number]): HTMLInputElement | HTMLTextAreaElement {
  return name === 'header' ? byIdOf('tap-header', HTMLTextAreaElement) : byIdOf(`tap-${name}`, HTMLInputElement);
}

function announce(text: string): void {
  setText(byId('announcement'), text);
}

/** What callers have sent may turn the direction of what is read: not beyond itself. */
function rowOf(row: TapRow): HTMLElement {
  const code = h('span', row.failed ? { class: 'bad' } : {}, row.code);
  const words = (label: string, text: string) => h('td', { 'data-label': label, class: 'words' }, text);
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, h('bdi', {}, row.request), h('small', {}, h('bdi', {}, row.remarks.join(', ')))),
    h('td', { 'data-label': 'Time (UTC)' }, row.time),
    h('td', { 'data-label': 'Code', class: 'words' }, code, h('small', {}, row.grpcStatus)),
    h('td', { 'data-label': 'Took' }, row.took),
    words('Route', row.route),
    words('Rule', row.rule),
    words('Backend', row.backend),
  );
}
