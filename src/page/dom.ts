/**
 * Elements of the page. Everything that comes from the proxy becomes text or an attribute, never markup.
 */

export type Child = Node | string | null;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/** An element of index.html. */
export function byId(id: string): HTMLElement {
  return byIdOf(id, HTMLElement);
}

export function byIdOf<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`no ${type.name} ${id}`);
  return element;
}

/** Touches the document only when something is different. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function toggleClass(element: Element, name: string, on: boolean): void {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 180;
const HEIGHT = 32;

/** Requests a second as an area, and the errors among them. Decoration: the numbers stand beside it. */
export class Sparkline {
  readonly element = document.createElementNS(SVG, 'svg');
  readonly #area = document.createElementNS(SVG, 'path');
  readonly #line = document.createElementNS(SVG, 'path');
  readonly #errors = document.createElementNS(SVG, 'path');

  constructor() {
    this.element.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute('preserveAspectRatio', 'none');
    this.element.setAttribute('aria-hidden', 'true');
    this.element.classList.add('spark');
    this.#area.classList.add('area');
    this.#line.classList.add('line');
    this.#errors.classList.add('errors');
    this.element.append(this.#area, this.#line, this.#errors);
  }

  update(requests: Float64Array, errors: Float64Array): void {
    const top = Math.max(1, ...requests);
    // Half a line's width of room below.
    const line = points(requests, top, HEIGHT - 1);
    this.#line.setAttribute('d', `M${line}`);
    this.#area.setAttribute('d', `M0,${HEIGHT} L${line} L${WIDTH},${HEIGHT} Z`);
    const failing = errors.some((value) => value > 0);
    this.#errors.setAttribute('d', failing ? `M0,${HEIGHT} L${points(errors, top, HEIGHT)} L${WIDTH},${HEIGHT} Z` : '');
  }
}

function points(values: Float64Array, top: number, bottom: number): string {
  const step = WIDTH / (values.length - 1);
  return Array.from(values, (value, index) => {
    const y = bottom - (value / top) * (bottom - 1);
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
  }).join(' L');
}

export interface Row {
  readonly key: string;
  readonly cells: readonly string[];
  /** By column: a second line in the cell. */
  readonly notes?: Readonly<Record<number, string>>;
  /** By column. */
  readonly classes?: Readonly<Record<number, string>>;
}

/** A table whose rows are kept while their key stays. */
export class LiveTable {
  readonly element: HTMLElement;
  readonly #columns: readonly string[];
  readonly #body = h('tbody');
  readonly #empty: HTMLElement;
  readonly #table: HTMLElement;
  readonly #more = h('p', { class: 'empty' });
  readonly #rows = new Map<string, { row: HTMLElement; cells: HTMLElement[]; notes: HTMLElement[] }>();

  /** The first column is a heading of its row, the others are numbers unless `texts` names them. */
  constructor(caption: string, columns: readonly string[], empty: string) {
    this.#columns = columns;
    this.#empty = h('p', { class: 'empty' }, empty);
    this.#table = h(
      'table',
      { class: 'live' },
      h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, ...columns.map((name) => h('th', { scope: 'col' }, name)))),
      this.#body,
    );
    this.element = h('div', {}, this.#empty, this.#table, this.#more);
  }

  /** `left`: how many rows are not shown. */
  update(rows: readonly Row[], left = 0): void {
    this.#empty.hidden = rows.length > 0;
    this.#table.hidden = rows.length === 0;
    this.#more.hidden = left === 0;
    setText(this.#more, left === 0 ? '' : `and ${left} more`);
    const elements = rows.map((row) => this.#fill(row));
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { row }] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [index, element] of elements.entries()) {
      if (this.#body.children[index] !== element) this.#body.insertBefore(element, this.#body.children[index] ?? null);
    }
  }

  #fill({ key, cells, notes = {}, classes = {} }: Row): HTMLElement {
    let known = this.#rows.get(key);
    if (known === undefined) {
      const texts = cells.map(() => h('span'));
      const small = cells.map(() => h('small'));
      const row = h('tr', { 'data-key': key });
      for (const [index, text] of texts.entries()) {
        const name = this.#columns[index]!;
        const cell = index === 0 ? h('th', { scope: 'row' }) : h('td', { 'data-label': name });
        cell.append(text, small[index]!);
        row.append(cell);
      }
      this.#rows.set(key, (known = { row, cells: texts, notes: small }));
    }
    for (const [index, text] of cells.entries()) {
      setText(known.cells[index]!, text);
      setText(known.notes[index]!, notes[index] ?? '');
      const name = classes[index] ?? '';
      if (known.cells[index]!.className !== name) known.cells[index]!.className = name;
    }
    return known.row;
  }
}
