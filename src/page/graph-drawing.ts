/** The diagram of the page as SVG: boxes in three columns and what leads from one to the other. All texts are text, never markup. */
import { toggleClass } from './dom.ts';
import { formatRate, formatShare, matchText } from './format.ts';
import type { Graph, Layout, Place } from './graph.ts';

/** Of requests; null where none are counted. */
export interface Numbers {
  readonly perSecond: number | null;
  readonly errorShare: number | null;
}

const SVG = 'http://www.w3.org/2000/svg';
const HEAD = 26;
/** Part of the width that the boxes of a column take; the rest is for the lines. */
const SHARES = [0.24, 0.32, 0.24] as const;
/** Wide letters included: a text may be shorter than its box, never longer. */
const CHAR_WIDTH = 7.4;
const PADDING = 10;
/** A line to a backend begins straight for this long, below its share, so that no line crosses a text. */
const LEAD = 42;
/** Of a narrow gap, the part that is left to the lead. */
const LEAD_PART = 0.45;
const TITLES = ['Service ports', 'Rules', 'Backends'];

interface Box {
  readonly group: SVGGElement;
  readonly second: SVGTextElement;
}

export class GraphDrawing {
  readonly element = create('svg', { role: 'img', 'aria-labelledby': 'graph-title graph-note' });
  readonly #graph: Graph;
  readonly #columns: readonly { readonly x: number; readonly width: number }[];
  readonly #frontends: readonly Box[];
  readonly #backends: readonly Box[];
  readonly #rules: readonly Box[];
  readonly #lines: readonly SVGElement[];
  readonly #inLines: readonly SVGElement[];
  readonly #shares: SVGTextElement[] = [];

  constructor(graph: Graph, layout: Layout, width: number) {
    this.#graph = graph;
    const gap = (width * (1 - SHARES[0] - SHARES[1] - SHARES[2])) / 2;
    let x = 0;
    this.#columns = SHARES.map((share) => {
      const column = { x, width: share * width - 2 };
      x += share * width + gap;
      return column;
    });
    const height = layout.height + HEAD + 2;
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.element.setAttribute(name, String(value));
    for (const [index, title] of TITLES.entries())
      this.element.append(text(this.#columns[index]!.x, 14, title, 'column'));
    // Lines lie below the boxes.
    this.#inLines = graph.rules.map(({ frontend }, rule) => this.#inLine(layout, frontend, rule));
    this.#lines = graph.edges.map((_, edge) => this.#line(layout, edge));
    this.element.append(...this.#shares);
    const { frontends, rules, backends } = graph;
    this.#frontends = frontends.map(({ frontend }, index) => this.#box(0, layout.frontends[index]!, frontend.key));
    this.#rules = rules.map(({ rule, position }, index) => {
      const [first, ...more] = rule.matches.map((match) => matchText(match));
      const matches = `${first ?? 'every request'}${more.length === 0 ? '' : `, or ${more.length} more`}`;
      return this.#box(1, layout.rules[index]!, `${position}. ${matches}`);
    });
    this.#backends = backends.map(({ key, isService }, index) => {
      const box = this.#box(2, layout.backends[index]!, key);
      toggleClass(box.group, 'none', !isService);
      return box;
    });
  }

  /** `edges`, `parents`: as in the graph. */
  update(edges: readonly Numbers[], parents: readonly Numbers[]): void {
    const { frontends, rules, backends } = this.#graph;
    const outOf = (rule: number): Numbers =>
      together(edges.filter((_, edge) => this.#graph.edges[edge]!.rule === rule && !this.#graph.edges[edge]!.isMirror));
    const into = (backend: number): Numbers =>
      together(edges.filter((_, edge) => this.#graph.edges[edge]!.backend === backend));
    for (const [index, { frontend, left }] of frontends.entries()) {
      const notes = [
        ...(frontend.unresolved === null ? [] : ['no address']),
        ...(left === 0 ? [] : [`${left} more rule${left === 1 ? '' : 's'}`]),
      ];
      this.#say(0, this.#frontends[index]!, parents[index]!, notes, frontend.unresolved !== null);
    }
    for (const [index, { rule, left }] of rules.entries()) {
      const numbers = outOf(index);
      const notes = [rule.route, ...(left === 0 ? [] : [`${left} more backend${left === 1 ? '' : 's'}`])];
      this.#say(1, this.#rules[index]!, numbers, notes, false);
      paint(this.#inLines[index]!, numbers);
    }
    for (const [index, { fault }] of backends.entries())
      this.#say(2, this.#backends[index]!, into(index), fault === null ? [] : [fault], fault !== null);
    for (const [index, line] of this.#lines.entries()) paint(line, edges[index]!);
  }

  #say(column: number, { group, second }: Box, numbers: Numbers, notes: readonly string[], isFault: boolean): void {
    const { perSecond, errorShare } = numbers;
    const failing = (errorShare ?? 0) > 0;
    const texts = [
      ...(perSecond === null ? [] : [`${formatRate(perSecond)}/s`]),
      ...(failing ? [`${formatShare(errorShare)} errors`] : []),
      ...notes,
    ];
    const short = this.#fitting(column, texts.join(' · '));
    if (second.textContent !== short) second.textContent = short;
    toggleClass(group, 'failing', failing || isFault);
  }

  #fitting(column: number, content: string): string {
    const most = Math.floor((this.#columns[column]!.width - 2 * PADDING) / CHAR_WIDTH);
    return content.length <= most ? content : `${content.slice(0, most - 1)}…`;
  }

  #box(column: number, { y, height }: Place, title: string): Box {
    const { x, width } = this.#columns[column]!;
    const group = create('g', { class: 'box' });
    const top = y + HEAD;
    const middle = top + height / 2;
    const second = text(x + PADDING, middle + 14, '', 'second');
    const full = create('title');
    full.textContent = title;
    group.append(
      full,
      create('rect', { x: x + 1, y: top, width, height, rx: 7 }),
      text(x + PADDING, middle - 4, this.#fitting(column, title), 'first'),
      second,
    );
    this.element.append(group);
    return { group, second };
  }

  #inLine(layout: Layout, frontend: number, rule: number): SVGElement {
    const [from, to] = [layout.frontends[frontend]!, layout.rules[rule]!];
    return this.#curve(0, from.y + from.height / 2, 1, to.y + to.height / 2, 'link-line');
  }

  #line(layout: Layout, edge: number): SVGElement {
    const { rule, share, isMirror } = this.#graph.edges[edge]!;
    const { from, to } = layout.ends[edge]!;
    const line = this.#curve(rule === null ? 0 : 1, from, 2, to, isMirror ? 'link-line mirror' : 'link-line', LEAD);
    const label = isMirror ? 'copy' : share === null ? '' : formatShare(share);
    const { x, width } = this.#columns[1]!;
    if (label !== '') this.#shares.push(text(x + width + 6, from + HEAD - 5, label, 'share'));
    return line;
  }

  #curve(column: number, from: number, toColumn: number, to: number, className: string, lead = 0): SVGElement {
    const { x, width } = this.#columns[column]!;
    const [start, end] = [x + width + 1, this.#columns[toColumn]!.x + 1];
    const bend = start + Math.min(lead, (end - start) * LEAD_PART);
    const middle = (bend + end) / 2;
    const d = `M${start},${from + HEAD} H${bend} C${middle},${from + HEAD} ${middle},${to + HEAD} ${end},${to + HEAD}`;
    const path = create('path', { class: className, d });
    this.element.append(path);
    return path;
  }
}

function together(all: readonly Numbers[]): Numbers {
  const counted = all.filter(({ perSecond }) => perSecond !== null);
  if (counted.length === 0) return { perSecond: null, errorShare: null };
  const perSecond = counted.reduce((sum, numbers) => sum + numbers.perSecond!, 0);
  const errors = counted.reduce((sum, numbers) => sum + numbers.perSecond! * (numbers.errorShare ?? 0), 0);
  return { perSecond, errorShare: perSecond === 0 ? null : errors / perSecond };
}

/** A line is the thicker the more passes, on a scale on which ten times as much is one step. */
function paint(line: SVGElement, { perSecond, errorShare }: Numbers): void {
  const width = perSecond === null || perSecond === 0 ? 1 : Math.min(7, 1.5 + 1.5 * Math.log10(1 + perSecond));
  line.setAttribute('stroke-width', width.toFixed(1));
  toggleClass(line, 'quiet', (perSecond ?? 0) === 0);
  toggleClass(line, 'failing', (errorShare ?? 0) > 0);
}

function create<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

function text(x: number, y: number, content: string, className: string): SVGTextElement {
  const element = create('text', { x, y, class: className });
  element.textContent = content;
  return element;
}
