/**
 * The diagram of what this pod calls: Service ports, rules, backends, with what passes between them. The same is in a table, for people who
 * do not see the diagram. The selection changes only when the configuration or the filter changes, or when asked, so that nothing jumps;
 * numbers change every second.
 *
 * Stage before: `graph.ts`, which chooses and places.
 */
import type { Config, ConfigFrontend } from './answers.ts';
import { byId, byIdOf, h, setText } from './dom.ts';
import { formatCount, formatRate, formatShare, matchText } from './format.ts';
import { graphOf, layOut, type Graph, type Labels } from './graph.ts';
import { GraphDrawing, type Numbers } from './graph-drawing.ts';
import type { History } from './history.ts';
import { ConfigSearch } from './model.ts';

const COLUMNS = ['Service port', 'Rule', 'Backend', 'Share', 'Req/s', 'Errors'];
/** The diagram is scrolled sideways, by itself, where there is less room. */
const MIN_WIDTH = 700;

export class GraphView {
  readonly #history: History;
  readonly #section = byId('graph');
  readonly #filter = byIdOf('graph-filter', HTMLInputElement);
  readonly #frame = byId('graph-frame');
  readonly #note = byId('graph-note');
  readonly #again = byIdOf('graph-again', HTMLButtonElement);
  readonly #body = h('tbody');
  #search: ConfigSearch | null = null;
  #total = 0;
  #graph: Graph | null = null;
  #drawing: GraphDrawing | null = null;
  #drawnWidth = 0;
  #cells: { rate: HTMLElement; errors: HTMLElement }[] = [];
  #chosenWithRates = false;
  #timer: number | undefined;

  constructor(history: History) {
    this.#history = history;
    const heads = COLUMNS.map((name) => h('th', { scope: 'col' }, name));
    const table = h('table', { class: 'live graph-table' }, h('thead', {}, h('tr', {}, ...heads)), this.#body);
    byId('graph-table').append(table);
    this.#filter.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#choose(), 150);
    });
    this.#again.addEventListener('click', () => {
      this.#choose();
      setText(byId('announcement'), this.#note.textContent);
    });
    new ResizeObserver(() => {
      if (this.#frame.clientWidth !== this.#drawnWidth) this.#draw();
    }).observe(this.#frame);
  }

  setConfig(config: Config): void {
    this.#search = new ConfigSearch(config);
    this.#total = config.frontends.length;
    this.#choose();
  }

  update(): void {
    if (this.#section.hidden) return;
    // Before the first rates no Service is known to have more requests than others.
    if (!this.#chosenWithRates && this.#history.ready) this.#choose();
    this.#showNumbers();
  }

  #choose(): void {
    if (this.#search === null) return;
    this.#chosenWithRates = this.#history.ready;
    const found = this.#search.find(this.#filter.value);
    this.#graph = graphOf(found, (frontend) => this.#history.rates(this.#parentIds(frontend)).perSecond);
    const { frontends, rules, backends, left } = this.#graph;
    const drawn = `${count(frontends.length, 'Service port')}, ${count(rules.length, 'rule')}, ${count(backends.length, 'backend')}`;
    const rulesLeft = frontends.reduce((all, node) => all + node.left, 0);
    const backendsLeft = rules.reduce((all, node) => all + node.left, 0);
    const missing = [
      ...(left === 0 ? [] : [`${count(left, 'Service port')} with fewer requests`]),
      ...(rulesLeft === 0 ? [] : [`${count(rulesLeft, 'rule')} of those shown`]),
      ...(backendsLeft === 0 ? [] : [`${count(backendsLeft, 'backend')} of those shown`]),
    ];
    const leftOut =
      missing.length === 0 ? 'Nothing is left out.' : `Left out: ${missing.join(', ')}. The filter finds them.`;
    setText(this.#note, frontends.length === 0 ? this.#nothing() : `${drawn}. ${leftOut}`);
    this.#again.hidden = left === 0;
    this.#frame.hidden = frontends.length === 0;
    byId('graph-details').hidden = frontends.length === 0;
    this.#fillTable(this.#graph);
    this.#draw();
  }

  #nothing(): string {
    if (this.#total === 0) return 'No route is attached to any Service: all traffic is tunnelled unread.';
    return `Nothing has “${this.#filter.value}”.`;
  }

  #draw(): void {
    const { clientWidth } = this.#frame;
    if (this.#graph === null || clientWidth === 0) return;
    this.#drawnWidth = clientWidth;
    const { paddingLeft, paddingRight } = getComputedStyle(this.#frame);
    const width = clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    this.#drawing = new GraphDrawing(this.#graph, layOut(this.#graph), Math.max(width, MIN_WIDTH));
    this.#frame.replaceChildren(this.#drawing.element);
    this.#showNumbers();
  }

  #fillTable({ frontends, rules, backends, edges }: Graph): void {
    this.#cells = [];
    this.#body.replaceChildren(
      ...edges.map(({ frontend, rule, backend, share, isMirror }) => {
        const { key, fault } = backends[backend]!;
        const node = rule === null ? null : rules[rule]!;
        const matches = node === null ? '' : node.rule.matches.map((match) => matchText(match)).join(', or ');
        const cells = { rate: h('td', { 'data-label': 'Req/s' }), errors: h('td', { 'data-label': 'Errors' }) };
        this.#cells.push(cells);
        return h(
          'tr',
          {},
          h('th', { scope: 'row' }, frontends[frontend]!.frontend.key),
          h('td', { 'data-label': 'Rule', class: 'words' }, node === null ? '–' : `${node.position}. ${matches}`),
          h('td', { 'data-label': 'Backend', class: 'words' }, fault === null ? key : `${key}: ${fault}`),
          h('td', { 'data-label': 'Share' }, isMirror ? 'copies' : formatShare(share)),
          cells.rate,
          cells.errors,
        );
      }),
    );
  }

  #showNumbers(): void {
    if (this.#graph === null) return;
    const { frontends, edges } = this.#graph;
    const numbers = edges.map(({ labels, isMirror }) => this.#numbersOf(labels, isMirror));
    for (const [index, { rate, errors }] of this.#cells.entries()) {
      const { perSecond, errorShare } = numbers[index]!;
      setText(rate, perSecond === null ? '–' : formatRate(perSecond));
      setText(errors, formatShare(errorShare));
    }
    const parents = frontends.map(({ frontend }) =>
      frontend.mode === 'opaque' ? NOTHING : this.#history.rates(this.#parentIds(frontend)),
    );
    this.#drawing?.update(this.#history.ready ? numbers : edges.map(() => NOTHING), parents);
  }

  #numbersOf(labels: Labels | null, isMirror: boolean): Numbers {
    if (labels === null) return NOTHING;
    const ids = this.#history.idsOf(labels);
    return isMirror ? this.#history.mirrorRates(ids) : this.#history.rates(ids);
  }

  #parentIds({ namespace, name, port }: ConfigFrontend): readonly number[] {
    return this.#history.idsOfParent(namespace, name, port);
  }
}

const NOTHING: Numbers = { perSecond: null, errorShare: null };

function count(value: number, what: string): string {
  return `${formatCount(value)} ${what}${value === 1 ? '' : 's'}`;
}
