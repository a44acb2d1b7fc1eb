/**
 * Changes the text of a manifest at the positions of its nodes. All other bytes stay the same.
 *
 * Stage before: `manifest.ts` gives the positions of nodes, `inject.ts` and `uninject.ts` decide what to change. Stage
 * after: text.
 *
 * Additions in block style are whole lines. They are inserted before an existing entry, above the comments that belong
 * to it; so removing the lines restores the text. Where no separate lines are possible (flow style, JSON, a mapping
 * after a dash), an addition is inserted directly before the next entry and extends to it. `path` is the path of the
 * field, for a refusal.
 */
import type { Field, ListNode, Manifest, MapNode, Node } from './manifest.ts';
import { contentEnd, fieldsOf, isFlow, itemStarts, Refusal } from './manifest.ts';
import { fieldLines, flowFields, flowText, itemLines, type WrittenFields, type Value } from './written-yaml.ts';

interface Insertion {
  readonly offset: number;
  /** Length of the replaced text. */
  readonly length: number;
  readonly text: string;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

interface FlowEntry {
  /** Null for the entry of a list. */
  readonly name: string | null;
  readonly value: Value;
}

export class TextPatch {
  readonly #manifest: Manifest;
  readonly #text: string;
  readonly #newline: string;
  /** One level of indentation in JSON. */
  readonly #unit: string;
  readonly #insertions: Insertion[] = [];
  readonly #lineRemovals: Range[] = [];
  readonly #removals: Range[] = [];

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.#text = manifest.text;
    const first = this.#text.indexOf('\n');
    this.#newline = first > 0 && this.#text[first - 1] === '\r' ? '\r\n' : '\n';
    this.#unit = (/^(?:---[ \t]*\r?\n)?\s*[{[]\r?\n([ \t]+)/.exec(this.#text) ?? [])[1] ?? '  ';
  }

  get changed(): boolean {
    return this.#insertions.length + this.#lineRemovals.length + this.#removals.length > 0;
  }

  /** Adds fields to a mapping, before its field `before` or else before its first field. */
  addFields(map: MapNode, fields: WrittenFields, path: string, before: string | null = null): void {
    const own = fieldsOf(map);
    const next = own.find(({ name }) => name === before) ?? own[0];
    if (isFlow(map)) {
      if (next === undefined) this.#insert(openingEnd(map), flowFields(fields).join(', '));
      else
        this.#insertFlow(
          next.start,
          Object.entries(fields).map(([name, value]) => ({ name, value })),
        );
      return;
    }
    if (next === undefined) throw new Refusal('unsupported-layout', path, map.range[0], 'has no field to write before');
    const lineStart = this.#lineStart(next.start);
    const column = next.start - lineStart;
    if (this.#isFirstOnLine(next.start)) {
      this.#insert(this.#aboveComments(lineStart, column), this.#lines(fieldLines(fields, column)));
    } else {
      // After a dash, the first added line takes the rest of that line, and the existing content moves to its own line.
      const lines = this.#lines(fieldLines(fields, column));
      this.#insert(next.start, lines.slice(column) + ' '.repeat(column));
    }
  }

  /** Adds entries to a list. An empty list is always in flow style. */
  addItems(list: ListNode, items: readonly Value[], place: 'first' | 'last', path: string): void {
    const starts = itemStarts(list);
    const [first] = starts;
    const last = list.items.at(-1);
    if (first === undefined || last === undefined) {
      this.#insert(openingEnd(list), items.map(flowText).join(', '));
    } else if (isFlow(list)) {
      if (place === 'first')
        this.#insertFlow(
          first,
          items.map((value) => ({ name: null, value })),
        );
      else this.#insert(contentEnd(last), items.map((item) => `, ${flowText(item)}`).join(''));
    } else {
      if (!this.#isFirstOnLine(first)) {
        throw new Refusal('unsupported-layout', path, first, 'must begin on a line of its own');
      }
      const column = first - this.#lineStart(first);
      const lines = items.flatMap((item) => itemLines(item, column));
      if (place === 'first') this.#insert(this.#aboveComments(this.#lineStart(first), column), this.#lines(lines));
      else this.#insertLinesAfter(contentEnd(last), lines, column);
    }
  }

  /** Gives a value to a field without one or with an explicit null. */
  fill(field: Field, value: WrittenFields | readonly Value[], inFlow: boolean, path: string): void {
    if (this.nullText(field) !== '') {
      this.replace(field.value!, flowText(value));
      return;
    }
    if (inFlow) throw new Refusal('unsupported-layout', path, field.start, 'has no value: write {} or []');
    const column = field.start - this.#lineStart(field.start) + 2;
    const lines = isItems(value) ? value.flatMap((item) => itemLines(item, column)) : fieldLines(value, column);
    this.#insertLinesAfter(field.keyEnd, lines, null);
  }

  /** The spelling of a missing value: `null`, `~` or nothing. */
  nullText({ value }: Field): string {
    return value === null ? '' : this.#text.slice(value.range[0], value.range[1]);
  }

  /** Replaces the text of a node. */
  replace(node: Node, text: string): void {
    this.#insert(node.range[0], text, node.range[1] - node.range[0]);
  }

  removeFields(map: MapNode, names: ReadonlySet<string>): void {
    const fields = fieldsOf(map);
    const ranges = fields.map(({ start, keyEnd, value }) => ({
      start,
      end: value === null ? keyEnd : contentEnd(value),
    }));
    this.#remove(
      isFlow(map),
      ranges,
      fields.map(({ name }) => names.has(name)),
    );
  }

  /** `ours`: for each entry of the list, whether it is removed. */
  removeItems(list: ListNode, ours: readonly boolean[]): void {
    const starts = itemStarts(list);
    const ranges = list.items.map((item, index) => ({
      start: starts[index] ?? item.range[0],
      end: contentEnd(item),
    }));
    this.#remove(isFlow(list), ranges, ours);
  }

  /** The changed text. */
  apply(): string {
    const removals = [...this.#removals, ...joined(this.#lineRemovals).map((range) => this.#withLineEndBefore(range))];
    const edits: Insertion[] = [
      ...this.#insertions,
      ...removals.map(({ start, end }) => ({ offset: start, length: end - start, text: '' })),
    ].sort((a, b) => a.offset - b.offset);
    let text = '';
    let at = 0;
    for (const { offset, length, text: added } of edits) {
      text += this.#text.slice(at, offset) + added;
      at = offset + length;
    }
    return text + this.#text.slice(at);
  }

  #insert(offset: number, text: string, length = 0): void {
    this.#insertions.push({ offset, length, text });
  }

  #lines(lines: readonly string[]): string {
    return lines.map((line) => line + this.#newline).join('');
  }

  /** Inserts entries before the one at `start`, on their own lines if that one begins a line. */
  #insertFlow(start: number, entries: readonly FlowEntry[]): void {
    const onLines = this.#isFirstOnLine(start);
    const lineEnd = this.#newline + this.#text.slice(this.#lineStart(start), start);
    const text = entries.map(({ name, value }) => {
      const key = name === null ? '' : `${JSON.stringify(name)}: `;
      const written = onLines ? JSON.stringify(value, null, this.#unit).replaceAll('\n', lineEnd) : flowText(value);
      return key + written + (onLines ? `,${lineEnd}` : ', ');
    });
    this.#insert(start, text.join(''));
  }

  /**
   * Inserts lines after the line that contains the character before `end`, and after following comments that are
   * indented further than `column`.
   */
  #insertLinesAfter(end: number, lines: readonly string[], column: number | null): void {
    let at = this.#lineEnd(end);
    while (column !== null && at < this.#text.length) {
      const content = this.#contentStart(at);
      if (!this.#manifest.comments.has(content) || content - at <= column) break;
      at = this.#lineEnd(content);
    }
    const text = this.#lines(lines);
    if (at === 0 || this.#text[at - 1] === '\n') this.#insert(at, text);
    else this.#insert(at, this.#newline + text.slice(0, -this.#newline.length));
  }

  #remove(inFlow: boolean, ranges: readonly Range[], ours: readonly boolean[]): void {
    for (let first = 0; first < ranges.length; first++) {
      if (ours[first] !== true) continue;
      let last = first;
      while (ours[last + 1] === true) last++;
      const { start } = ranges[first]!;
      const next = ranges[last + 1];
      if (!inFlow && this.#isFirstOnLine(start)) {
        for (const { start: from, end } of ranges.slice(first, last + 1)) {
          this.#lineRemovals.push({ start: this.#lineStart(from), end: this.#lineEnd(end) });
        }
      } else if (next !== undefined) {
        this.#removals.push({ start, end: next.start });
      } else {
        // In flow style the preceding comma is removed, too.
        this.#removals.push({ start: ranges[first - 1]?.end ?? start, end: ranges[last]!.end });
      }
      first = last;
    }
  }

  /** Lines added at the end of a text without a final newline include the newline before them. */
  #withLineEndBefore({ start, end }: Range): Range {
    if (end < this.#text.length || this.#text.endsWith('\n') || start === 0) return { start, end };
    return { start: this.#text[start - 2] === '\r' ? start - 2 : start - 1, end };
  }

  #lineStart(offset: number): number {
    return offset === 0 ? 0 : this.#text.lastIndexOf('\n', offset - 1) + 1;
  }

  /** Offset after the next line end, or after the one just before `offset`. */
  #lineEnd(offset: number): number {
    if (offset > 0 && this.#text[offset - 1] === '\n') return offset;
    const end = this.#text.indexOf('\n', offset);
    return end < 0 ? this.#text.length : end + 1;
  }

  #contentStart(lineStart: number): number {
    let at = lineStart;
    while (this.#text[at] === ' ' || this.#text[at] === '\t') at++;
    return at;
  }

  #isFirstOnLine(offset: number): boolean {
    return this.#contentStart(this.#lineStart(offset)) === offset;
  }

  /**
   * Start of the current line, or of the comments above it. Comments indented further than `column` belong to the
   * preceding entry.
   */
  #aboveComments(lineStart: number, column: number): number {
    let at = lineStart;
    while (at > 0) {
      const previous = this.#lineStart(at - 1);
      const content = this.#contentStart(previous);
      if (!this.#manifest.comments.has(content) || content - previous > column) break;
      at = previous;
    }
    return at;
  }
}

function isItems(value: WrittenFields | readonly Value[]): value is readonly Value[] {
  return Array.isArray(value);
}

/** Offset after the opening bracket of a flow collection. */
function openingEnd(node: MapNode | ListNode): number {
  return node.range[0] + 1;
}

/** Merges adjacent ranges. */
function joined(ranges: readonly Range[]): Range[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}
