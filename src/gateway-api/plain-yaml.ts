/**
 * Reads the YAML of nearly all route files in a tenth of the time that a full parser takes.
 *
 * Used by `yaml-tree.ts`, which passes every document outside this subset, valid or not, to the `yaml` library. The
 * speed matters because a reload of a large ConfigMap must not delay requests on the same thread.
 */
import type { Steps } from '../slices.ts';
import { readPlainFlow } from './plain-flow.ts';
import { COMMENT_OR_NOTHING, isSimpleKey, OUTSIDE_SUBSET, plainScalar, quotedScalar } from './plain-scalars.ts';
import type { Tree, TreeEntry, TreeMap, TreeScalar } from './tree.ts';

const MAX_DEPTH = 32;

/** Lines read between two pauses. */
const LINES_PER_STEP = 64;

const TAB = 9;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const HASH = 35;
const QUOTE = 39;
const DASH = 45;
const COLON = 58;
const BRACKET = 91;
const BRACE = 123;
const BAR = 124;

/** The tree of `text.slice(start, end)`, one document without its markers; null when it is outside the subset or empty. */
export function* readPlainYaml(text: string, start: number, end: number): Steps<Tree | null> {
  try {
    return yield* new PlainReader(text, start, end).read();
  } catch (error) {
    if (error === OUTSIDE_SUBSET) return null;
    throw error;
  }
}

class PlainReader {
  readonly #text: string;
  readonly #end: number;
  /**
   * The current line: its start, its first character that is not a space, and its end. `#indent` is -1 after the last
   * line.
   */
  #lineStart = 0;
  #contentStart = 0;
  #lineEnd: number;
  #indent = -1;
  #linesUntilPause = LINES_PER_STEP;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#end = end;
    this.#lineEnd = start - 1;
  }

  *read(): Steps<Tree> {
    this.#nextLine();
    if (!this.#isAt(0)) throw OUTSIDE_SUBSET;
    const tree = yield* this.#block(0, MAX_DEPTH);
    if (!this.#isAt(-1)) throw OUTSIDE_SUBSET;
    return tree;
  }

  /** Goes to the next line that contains more than spaces and a comment. */
  #nextLine(): void {
    const text = this.#text;
    for (let lineStart = this.#lineEnd + 1; lineStart < this.#end;) {
      let lineEnd = text.indexOf('\n', lineStart);
      if (lineEnd < 0 || lineEnd > this.#end) lineEnd = this.#end;
      let at = lineStart;
      while (at < lineEnd && text.charCodeAt(at) === SPACE) at++;
      if (at < lineEnd && text.charCodeAt(at) !== HASH) {
        this.#lineStart = lineStart;
        this.#contentStart = at;
        this.#lineEnd = lineEnd;
        this.#indent = at - lineStart;
        return;
      }
      lineStart = lineEnd + 1;
    }
    this.#lineEnd = this.#end;
    this.#indent = -1;
  }

  #isAt(column: number): boolean {
    return this.#indent === column;
  }

  #isPauseDue(): boolean {
    if (--this.#linesUntilPause > 0) return false;
    this.#linesUntilPause = LINES_PER_STEP;
    return true;
  }

  #block(column: number, depth: number): Steps<Tree> {
    if (depth === 0) throw OUTSIDE_SUBSET;
    return this.#atDash() ? this.#list(column, depth) : this.#map(column, this.#contentStart, depth);
  }

  #atDash(): boolean {
    if (this.#text.charCodeAt(this.#contentStart) !== DASH) return false;
    const next = this.#contentStart + 1;
    return next === this.#lineEnd || this.#text.charCodeAt(next) === SPACE;
  }

  *#list(column: number, depth: number): Steps<Tree> {
    const offset = this.#contentStart;
    const items: Tree[] = [];
    while (this.#indent === column && this.#atDash()) {
      const at = this.#skipSpaces(this.#contentStart + 1);
      const colon = this.#keyEnd(at);
      if (colon >= 0) {
        if (depth === 1) throw OUTSIDE_SUBSET;
        items.push(yield* this.#map(at - this.#lineStart, at, depth - 1));
      } else {
        items.push(this.#value(at, column, depth));
        this.#nextLine();
        if (this.#isPauseDue()) yield;
      }
      if (this.#indent > column) throw OUTSIDE_SUBSET;
    }
    return { type: 'list', offset, items };
  }

  /** Reads entries at `column`. The first entry is at `at`, possibly after a dash. */
  *#map(column: number, at: number, depth: number): Steps<TreeMap> {
    const entries = new Map<string, TreeEntry>();
    for (let offset = at; ; offset = this.#contentStart) {
      const colon = this.#keyEnd(offset);
      if (colon < 0) throw OUTSIDE_SUBSET;
      const key = this.#text.slice(offset, colon);
      if (entries.has(key)) throw OUTSIDE_SUBSET;
      const valueAt = this.#skipSpaces(colon + 1);
      if (valueAt < this.#lineEnd && this.#text.charCodeAt(valueAt) !== HASH) {
        entries.set(key, { offset, value: this.#value(valueAt, column, depth) });
        this.#nextLine();
        if (this.#isPauseDue()) yield;
      } else {
        this.#nextLine();
        entries.set(key, { offset, value: yield* this.#valueBelow(offset, column, depth) });
      }
      if (this.#indent < column) break;
      if (this.#indent > column || this.#atDash()) {
        // A dash at the column of the keys belongs to an outer list only if that list is further left.
        throw OUTSIDE_SUBSET;
      }
    }
    return { type: 'map', offset: at, entries };
  }

  /** The value of a key with nothing after its colon. `keyOffset`: offset of the key. */
  *#valueBelow(keyOffset: number, column: number, depth: number): Steps<Tree> {
    if (this.#indent > column) return yield* this.#block(this.#indent, depth - 1);
    if (this.#indent === column && this.#atDash()) return yield* this.#list(column, depth - 1);
    return { type: 'scalar', offset: keyOffset, value: null, source: '', plain: true };
  }

  /** The end of the simple key at `at`; -1 when there is none. */
  #keyEnd(at: number): number {
    let colon = at;
    while (colon < this.#lineEnd && this.#text.charCodeAt(colon) !== COLON) colon++;
    if (colon === this.#lineEnd) return -1;
    const next = colon + 1;
    if (next < this.#lineEnd && this.#text.charCodeAt(next) !== SPACE) return -1;
    const key = this.#text.slice(at, colon);
    return isSimpleKey(key) ? colon : -1;
  }

  #skipSpaces(from: number): number {
    let at = from;
    while (at < this.#lineEnd && this.#text.charCodeAt(at) === SPACE) at++;
    return at;
  }

  /** The value after a dash or key. `column`: that of its list or mapping. */
  #value(at: number, column: number, depth: number): Tree {
    if (at >= this.#lineEnd) throw OUTSIDE_SUBSET;
    const first = this.#text.charCodeAt(at);
    if (first === BAR) return this.#blockScalar(at, column);
    if (first === BRACE || first === BRACKET) {
      const { tree, end } = readPlainFlow(this.#text, at, this.#lineEnd, depth - 1);
      return this.#last(tree, end);
    }
    return this.#scalar(at);
  }

  /** Checks that only a comment follows. */
  #last<T>(tree: T, end: number): T {
    if (!COMMENT_OR_NOTHING.test(this.#text.slice(end, this.#lineEnd))) throw OUTSIDE_SUBSET;
    return tree;
  }

  /** Reads the following lines with more indentation than `column`, and stops at the last of them. */
  #blockScalar(at: number, column: number): TreeScalar {
    const text = this.#text;
    const header = text.slice(at, this.#lineEnd);
    if (!BLOCK_HEADER.test(header)) throw OUTSIDE_SUBSET;
    const lines: string[] = [];
    let indent = -1;
    /** Number of lines up to the last one with content. */
    let length = 0;
    for (let lineStart = this.#lineEnd + 1; lineStart < this.#end;) {
      let lineEnd = text.indexOf('\n', lineStart);
      if (lineEnd < 0 || lineEnd > this.#end) lineEnd = this.#end;
      let content = lineStart;
      while (content < lineEnd && text.charCodeAt(content) === SPACE) content++;
      const width = content - lineStart;
      if (content === lineEnd) {
        // Whether a line of spaces is content depends on the lines after it.
        if (width > column) throw OUTSIDE_SUBSET;
        lines.push('');
      } else {
        if (width <= column) break;
        if (text.charCodeAt(content) === TAB) throw OUTSIDE_SUBSET;
        if (indent < 0) indent = width;
        else if (width < indent) throw OUTSIDE_SUBSET;
        lines.push(text.slice(lineStart + indent, lineEnd));
        length = lines.length;
      }
      this.#lineEnd = lineEnd;
      lineStart = lineEnd + 1;
    }
    if (length === 0) throw OUTSIDE_SUBSET;
    const value = lines.slice(0, length).join('\n') + (header.charCodeAt(1) === DASH ? '' : '\n');
    // Other kinds of line ends.
    if (value.includes('\r')) throw OUTSIDE_SUBSET;
    return { type: 'scalar', offset: at, value, source: value, plain: false };
  }

  /** The scalar that fills the rest of the line, without a comment. */
  #scalar(at: number): TreeScalar {
    const first = this.#text.charCodeAt(at);
    if (first === QUOTE || first === DOUBLE_QUOTE) {
      const { scalar, end } = quotedScalar(this.#text, at, this.#lineEnd);
      return this.#last(scalar, end);
    }
    const rest = this.#text.slice(at, this.#lineEnd);
    const comment = rest.indexOf(' #');
    return plainScalar((comment < 0 ? rest : rest.slice(0, comment)).trimEnd(), at);
  }
}

/** Literal style, with trailing blank lines removed (clip or strip) and the indentation of its first line. */
const BLOCK_HEADER = /^\|-? *$/;
